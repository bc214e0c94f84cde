/**
 * `iems notes export-directory`: accounts and groups of this server as LDIF, which `ldapmodify -a` adds to Domino's
 * directory.
 */
import type { Command } from 'iems'
import type { DirectoryApi } from '../../../directory/store/api.ts'
import { exportedEntries } from './exported.ts'

export function createDirectoryExport(directory: DirectoryApi): Command {
  return {
    summary: "write accounts and groups that did not come from Notes as LDIF for Domino's directory",
    arguments: ['<organisation>'],
    writes: true,
    async *run({ arguments: [organisation = ''] }) {
      let entries = 0
      for await (const { dn, attributes } of exportedEntries(directory, organisation)) {
        const pairs = Object.entries(attributes).flatMap(([name, values]) => values.map((value) => line(name, value)))
        yield { bytes: Buffer.from(`${[line('dn', dn), ...pairs].join('\n')}\n\n`) }
        entries++
      }
      yield { text: `${entries} entries`, value: { entries } }
    },
  }
}

/** RFC 2849: what is not plain is base64. */
const line = (name: string, value: string) =>
  /^[\x21-\x39\x3b\x3d-\x7e][\x20-\x7e]*$/.test(value) && !value.endsWith(' ')
    ? `${name}: ${value}`
    : `${name}:: ${Buffer.from(value).toString('base64')}`
