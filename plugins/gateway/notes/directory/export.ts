/**
 * `iems notes export-directory`: writes accounts and groups of this server as LDIF for Domino's LDAP, which
 * `ldapmodify -a` adds. Domino forwards mail for these persons to this server (MailSystem 5).
 */
import type { Command } from 'iems'
import type { DirectoryApi } from '../../../directory/store/api.ts'
import { NAME_ATTRIBUTE } from '../book.ts'

export function createDirectoryExport(directory: DirectoryApi): Command {
  return {
    summary: "write accounts and groups that did not come from Notes as LDIF for Domino's directory",
    arguments: ['<organisation>'],
    writes: true,
    async *run({ arguments: [organisation = ''] }) {
      let entries = 0
      for await (const entry of directory.all(['account', 'group'])) {
        const [address] = entry.addresses
        if (address === undefined || entry.attributes[NAME_ATTRIBUTE]) continue
        const shown = entry.kind === 'account' ? (entry.displayName ?? entry.name) : entry.name
        const dn = `cn=${escaped(shown)}${organisation === '' ? '' : `,o=${escaped(organisation)}`}`
        const isPerson = entry.kind === 'account'
        const lines = [
          line('dn', dn),
          ...(isPerson ? ['person', 'inetOrgPerson', 'dominoPerson'] : ['groupOfNames', 'dominoGroup']).map((name) =>
            line('objectclass', name),
          ),
          line('cn', shown),
          ...(isPerson
            ? [line('sn', shown.split(' ').at(-1) ?? shown), line('uid', entry.name), line('mail', address)]
            : [line('mail', address), line('grouptype', '1')]),
          // 5: another Internet mail system, to which Domino forwards.
          ...(isPerson ? [line('mailsystem', '5'), line('mailaddress', address)] : []),
          ...(isPerson ? [] : [line('member', `cn=${escaped(address)}`)]),
          '',
        ]
        yield { bytes: Buffer.from(lines.map((text) => `${text}\n`).join('')) }
        entries++
      }
      yield { text: `${entries} entries`, value: { entries } }
    },
  }
}

/** RFC 4514 section 2.4. */
const escaped = (value: string) => value.replace(/[,+"\\<>;=#]/g, '\\$&').trim()

/** RFC 2849: what is not plain is base64. */
const line = (name: string, value: string) =>
  /^[\x21-\x39\x3b\x3d-\x7e][\x20-\x7e]*$/.test(value) && !value.endsWith(' ')
    ? `${name}: ${value}`
    : `${name}:: ${Buffer.from(value).toString('base64')}`
