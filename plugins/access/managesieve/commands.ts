/**
 * The commands of ManageSieve (RFC 5804 section 2) by name.
 *
 * Invariants: a command runs only in its state and with its arguments.
 */
import { type AskClient, decodeResponse, type Identity, type Refusal } from 'iems'
import { type Checked, isScriptRefused, type MailsortApi, type ScriptRefused } from '../../mailbox/mailsort/api.ts'
import { type Word, writeString } from './words.ts'

/** A session as its commands see it. */
export interface CommandContext {
  readonly sort: MailsortApi
  /** The authenticated account. */
  readonly account: string | undefined
  readonly isSecure: boolean
  readonly mayStartTls: boolean
  /** Passwords are accepted on this connection. */
  readonly mayLogIn: boolean
  mechanisms(): readonly string[]
  authenticate(mechanism: string, initial: Buffer | undefined, ask: AskClient): Promise<Identity | Refusal>
  readonly ask: AskClient
  /** Sets the identity, or passes the session on. Returns the response; empty when it has been sent. */
  logIn(answer: Identity | Refusal): Promise<string>
  logOut(): void
  capabilities(): string
  startTls(): Promise<void>
  end(): void
}

export interface Command {
  readonly state: 'any' | 'authenticated' | 'unauthenticated'
  /** `string` and `number`; brackets mark optional ones. */
  readonly takes: readonly ('string' | 'number' | '[string]')[]
  /** Returns a response with its line endings. */
  run(session: CommandContext, args: readonly (string | number)[]): Promise<string> | string
}

export const ok = (text: string, code?: string) =>
  `OK${code === undefined ? '' : ` (${code})`} ${writeString(text)}\r\n`
export const no = (text: string, code?: string) =>
  `NO${code === undefined ? '' : ` (${code})`} ${writeString(text)}\r\n`

/** The service's codes that RFC 5804 does not have. */
const PLAIN = new Set(['INVALID', 'NAME'])

const refusal = ({ refused, why }: ScriptRefused) => no(why, PLAIN.has(refused) ? undefined : refused)

function checked(result: Checked | ScriptRefused, done: string): string {
  if (isScriptRefused(result)) return refusal(result)
  const { warnings } = result
  return warnings.length > 0 ? ok(warnings.join('\r\n'), 'WARNINGS') : ok(done)
}

const answered = (result: ScriptRefused | undefined, done: string) => (result ? refusal(result) : ok(done))
const accountOf = ({ account }: CommandContext) => account as string

export const COMMANDS: Readonly<Record<string, Command>> = {
  CAPABILITY: { state: 'any', takes: [], run: (session) => session.capabilities() },
  NOOP: {
    state: 'any',
    takes: ['[string]'],
    run: (_, [tag]) => ok('NOOP completed', tag === undefined ? undefined : `TAG ${writeString(String(tag))}`),
  },
  LOGOUT: {
    state: 'any',
    takes: [],
    run(session) {
      session.end()
      return ok('Logout completed')
    },
  },
  STARTTLS: {
    state: 'unauthenticated',
    takes: [],
    async run(session) {
      if (!session.mayStartTls || session.isSecure) return no('TLS is not available')
      await session.startTls()
      return session.capabilities()
    },
  },
  AUTHENTICATE: {
    state: 'unauthenticated',
    takes: ['string', '[string]'],
    async run(session, [name, response]) {
      if (!session.mayLogIn) return no('TLS is required', 'ENCRYPT-NEEDED')
      const mechanism = session.mechanisms().find((one) => one === String(name).toUpperCase())
      if (mechanism === undefined) return no('Unknown authentication mechanism')
      const initial = response === undefined ? undefined : decodeResponse(String(response))
      if (response !== undefined && !initial) return no('The response is not base64')
      return session.logIn(await session.authenticate(mechanism, initial, session.ask))
    },
  },
  UNAUTHENTICATE: {
    state: 'authenticated',
    takes: [],
    run(session) {
      session.logOut()
      return ok('Unauthenticate completed')
    },
  },
  HAVESPACE: {
    state: 'authenticated',
    takes: ['string', 'number'],
    run: async (session, [name, octets]) =>
      answered(await session.sort.hasSpace(accountOf(session), String(name), Number(octets)), 'Havespace completed'),
  },
  PUTSCRIPT: {
    state: 'authenticated',
    takes: ['string', 'string'],
    run: async (session, [name, text]) =>
      checked(await session.sort.put(accountOf(session), String(name), String(text)), 'Putscript completed'),
  },
  CHECKSCRIPT: {
    state: 'authenticated',
    takes: ['string'],
    run: async (session, [text]) =>
      checked(await session.sort.check(accountOf(session), String(text)), 'Script is valid'),
  },
  LISTSCRIPTS: {
    state: 'authenticated',
    takes: [],
    async run(session) {
      const scripts = await session.sort.list(accountOf(session))
      const lines = scripts.map(({ name, isActive }) => `${writeString(name)}${isActive ? ' ACTIVE' : ''}\r\n`)
      return lines.join('') + ok('Listscripts completed')
    },
  },
  SETACTIVE: {
    state: 'authenticated',
    takes: ['string'],
    run: async (session, [name]) =>
      answered(
        await session.sort.activate(accountOf(session), name === '' ? null : String(name)),
        'Setactive completed',
      ),
  },
  GETSCRIPT: {
    state: 'authenticated',
    takes: ['string'],
    async run(session, [name]) {
      const text = await session.sort.get(accountOf(session), String(name))
      if (text === undefined) return no('There is no script by that name', 'NONEXISTENT')
      return `{${Buffer.byteLength(text)}}\r\n${text}\r\n${ok('Getscript completed')}`
    },
  },
  DELETESCRIPT: {
    state: 'authenticated',
    takes: ['string'],
    run: async (session, [name]) =>
      answered(await session.sort.remove(accountOf(session), String(name)), 'Deletescript completed'),
  },
  RENAMESCRIPT: {
    state: 'authenticated',
    takes: ['string', 'string'],
    run: async (session, [name, to]) =>
      answered(await session.sort.rename(accountOf(session), String(name), String(to)), 'Renamescript completed'),
  },
}

/** The arguments of a command; undefined if they do not match its signature. */
export function argumentsOf({ takes }: Command, words: readonly Word[]): readonly (string | number)[] | undefined {
  const needed = takes.filter((one) => one !== '[string]').length
  if (words.length < needed || words.length > takes.length) return undefined
  const args: (string | number)[] = []
  for (const [index, word] of words.entries()) {
    if (word.kind === 'atom' || (word.kind === 'number') !== (takes[index] === 'number')) return undefined
    args.push(word.kind === 'number' ? word.number : word.text)
  }
  return args
}
