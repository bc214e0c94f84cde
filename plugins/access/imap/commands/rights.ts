/**
 * Access rights (RFC 4314) and quotas (RFC 9208).
 */
import { ADMIN } from 'iems'
import type { Account } from '../../../directory/static/api.ts'
import type { AccountLimits } from '../../../mailbox/store/api.ts'
import type { CommandDefinition } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { bad, isAnswer, no, ok, refusal } from '../responses.ts'
import { astring, string } from '../text.ts'

const ALL_RIGHTS = 'lrswipkxtea'

/** Adds the obsolete c and d, which older clients expect (section 2.1.1). */
const withObsolete = (rights: string) => `${rights}${rights.includes('k') ? 'c' : ''}${/[xte]/.test(rights) ? 'd' : ''}`

/** The obsolete c and d mean k and x t e (section 2.1.1). */
const modern = (rights: string) => [...new Set(rights.replaceAll('c', 'k').replaceAll('d', 'xte'))].join('')

/** Maps a client's identifier to the store's: accounts by id, not by name. */
async function identifierOf(session: CommandContext, name: string): Promise<string | undefined> {
  const sign = name.startsWith('-') ? '-' : ''
  const bare = name.slice(sign.length)
  if (bare === 'anyone' || bare.startsWith('group:')) return sign + bare
  const account = await session.parts.accounts.byLogin(bare)
  return account && sign + account.id
}

async function nameOf(session: CommandContext, identifier: string): Promise<string> {
  const sign = identifier.startsWith('-') ? '-' : ''
  return (
    sign + ((await session.parts.accounts.byId(identifier.slice(sign.length)))?.name ?? identifier.slice(sign.length))
  )
}

export const getacl: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    const name = session.readName(cursor)
    cursor.end()
    const mailbox = await session.mailbox(name, 'a')
    if (isAnswer(mailbox)) return mailbox
    const given = [[mailbox.account, ALL_RIGHTS] as const, ...Object.entries(mailbox.acl)]
    const words = await Promise.all(
      given.map(
        async ([who, rights]) =>
          `${astring(await nameOf(session, who), session.isUtf8)} ${string(withObsolete(rights), false)}`,
      ),
    )
    session.output.line(`* ACL ${session.writeName(name)} ${words.join(' ')}`)
    return ok('GETACL completed')
  },
}

function changingAcl(isRemoval: boolean): CommandDefinition {
  return {
    state: 'authenticated',
    async run(session, { cursor }) {
      cursor.space()
      const name = session.readName(cursor)
      cursor.space()
      const who = cursor.astring()
      let change = ''
      if (!isRemoval) {
        cursor.space()
        change = cursor.astring()
      }
      cursor.end()
      const mailbox = await session.mailbox(name, 'a')
      if (isAnswer(mailbox)) return mailbox
      const identifier = await identifierOf(session, who)
      if (identifier === undefined) return no('No such user', 'CANNOT')
      const { [identifier]: before = '', ...others } = mailbox.acl
      const rights = changeRights(before, change)
      if ([...rights].some((right) => !ALL_RIGHTS.includes(right))) return bad('Unknown right')
      const done = await session.mail.setAcl(mailbox, rights === '' ? others : { ...others, [identifier]: rights })
      return 'refused' in done ? refusal(done) : ok('ACL changed')
    },
  }
}

function changeRights(before: string, change: string): string {
  if (change.startsWith('+')) return modern(before + change.slice(1))
  if (!change.startsWith('-')) return modern(change)
  const taken = modern(change.slice(1))
  return [...before].filter((right) => !taken.includes(right)).join('')
}

export const setacl = changingAcl(false)
export const deleteacl = changingAcl(true)

export const listrights: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    const name = session.readName(cursor)
    cursor.space()
    const who = cursor.astring()
    cursor.end()
    const mailbox = await session.mailbox(name, 'a')
    if (isAnswer(mailbox)) return mailbox
    const identifier = await identifierOf(session, who)
    const words =
      identifier === mailbox.account
        ? string(withObsolete(ALL_RIGHTS), false)
        : `"" ${[...withObsolete(ALL_RIGHTS)].join(' ')}`
    session.output.line(`* LISTRIGHTS ${session.writeName(name)} ${astring(who, session.isUtf8)} ${words}`)
    return ok('LISTRIGHTS completed')
  },
}

export const myrights: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    const name = session.readName(cursor)
    cursor.end()
    const mailbox = await session.mailbox(name, '')
    if (isAnswer(mailbox)) return mailbox
    const rights = await session.mail.rights(mailbox, session.account?.id ?? '')
    session.output.line(`* MYRIGHTS ${session.writeName(name)} ${withObsolete(rights)}`)
    return ok('MYRIGHTS completed')
  },
}

// --- quotas ------------------------------------------------------------------------------------------

/** An account's quota root has its name and exists only if there is a limit; a kilobyte is 1024 octets. */
async function sendQuota(session: CommandContext, { name }: Account, limits: AccountLimits): Promise<void> {
  const used = await session.mail.usage(limits.account)
  const resources = [
    ...(limits.octets === null ? [] : [`STORAGE ${Math.ceil(used.octets / 1024)} ${Math.floor(limits.octets / 1024)}`]),
    ...(limits.messages === null ? [] : [`MESSAGE ${used.messages} ${limits.messages}`]),
  ]
  if (limits.maxMailboxes !== undefined) {
    const mailboxes = (await session.mail.mailboxes(limits.account)).length
    resources.push(`MAILBOX ${mailboxes} ${limits.maxMailboxes}`)
  }
  session.output.line(`* QUOTA ${astring(name, session.isUtf8)} (${resources.join(' ')})`)
}

/** Undefined for an account without limits, which has no quota root. */
async function limitsOf(session: CommandContext, account: Account | undefined): Promise<AccountLimits | undefined> {
  const limits = account && (await session.mail.limitsOf(account.id))
  const hasAny = limits && (limits.octets !== null || limits.messages !== null || limits.maxMailboxes !== undefined)
  return hasAny ? limits : undefined
}

export const getquota: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    const root = cursor.astring()
    cursor.end()
    const account = await session.parts.accounts.byName(root)
    const limits = account?.id === session.account?.id ? await limitsOf(session, account) : undefined
    if (!account || !limits) return no('No such quota root', 'NONEXISTENT')
    await sendQuota(session, account, limits)
    return ok('GETQUOTA completed')
  },
}

export const getquotaroot: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    const name = session.readName(cursor)
    cursor.end()
    const mailbox = await session.mailbox(name, 'r')
    if (isAnswer(mailbox)) return mailbox
    const owner = await session.parts.accounts.byId(mailbox.account)
    const limits = await limitsOf(session, owner)
    const root = owner && limits ? ` ${astring(owner.name, session.isUtf8)}` : ''
    session.output.line(`* QUOTAROOT ${session.writeName(name)}${root}`)
    if (owner && limits) await sendQuota(session, owner, limits)
    return ok('GETQUOTAROOT completed')
  },
}

/** Whether the client is an administrator, by its login and by its current account. */
async function isAdministrator({ account, parts }: CommandContext): Promise<boolean> {
  if (!account?.roles.includes(ADMIN)) return false
  const now = await parts.accounts.identify(account.user)
  return now?.account === account.id && (now.roles ?? []).includes(ADMIN)
}

/** RFC 9208 section 4.1.3: the new limits replace all others. */
export const setquota: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    const root = cursor.astring()
    cursor.space()
    const given = cursor.list(
      () => {
        const name = cursor.atom('a resource').toUpperCase()
        cursor.space()
        return [name, cursor.number64()] as const
      },
      { least: 0 },
    )
    cursor.end()
    const { quotas, accounts } = session.parts
    if (!quotas || !(await isAdministrator(session))) return no('Quotas are set by the administrator', 'NOPERM')
    const account = await accounts.byName(root)
    if (!account) return no('No such quota root', 'NONEXISTENT')
    const {
      STORAGE: kilobytes,
      MESSAGE: messages = null,
      MAILBOX: mailboxes = null,
      ...others
    } = Object.fromEntries(given)
    const octets = kilobytes === undefined ? null : kilobytes * 1024
    if (Object.keys(others).length > 0 || !Number.isSafeInteger(octets ?? 0))
      return no('Cannot set these resources', 'CANNOT')
    await quotas.set(account.id, { octets, messages, mailboxes })
    await sendQuota(session, account, await session.mail.limitsOf(account.id))
    return ok('SETQUOTA completed')
  },
}
