/**
 * Which accounts a command moves, and how each is opened on the old server.
 */
import { createReadStream } from 'node:fs'
import { isAbsolute } from 'node:path'
import { createInterface } from 'node:readline'
import type { Account, AccountsApi } from '../../../directory/static/api.ts'
import type { Server } from '../options.ts'
import type { ImapLogin } from '../sources/imap.ts'

export interface Chosen {
  readonly account: string
  readonly login?: string
  readonly password?: string
}

const MAX_USERS = 1_000_000

/** A list of accounts: on each line an account, its login and its password, divided by tabs; the last two may be missing. */
export async function* listedUsers(path: string): AsyncGenerator<Chosen> {
  if (!isAbsolute(path)) throw new Error(`${path}: give an absolute path, of the machine that the server runs on`)
  let count = 0
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const [account = '', login = '', password = ''] = line.split('\t')
    if (account.trim() === '' || account.startsWith('#')) continue
    if (++count > MAX_USERS) throw new Error(`${path} has more than ${MAX_USERS} lines`)
    yield {
      account: account.trim(),
      ...(login.trim() === '' ? {} : { login: login.trim() }),
      ...(password === '' ? {} : { password }),
    }
  }
}

export async function accountOf(accounts: AccountsApi, name: string): Promise<Account> {
  const account = await accounts.byLogin(name)
  if (!account) throw new Error(`there is no account ${name}`)
  return account
}

/** The server that the command names, else the configured one. */
export function serverOf(configured: Server | undefined, url: string | undefined): Server {
  if (url === undefined) {
    if (!configured) throw new Error('name the old server by --server or by the option server')
    return configured
  }
  const parsed = URL.parse(url)
  if (!parsed || !/^imaps?:$/.test(parsed.protocol) || parsed.hostname === '')
    throw new Error(`--server ${url}: it is imaps://host, or imap://host for STARTTLS`)
  const isImplicit = parsed.protocol === 'imaps:'
  return {
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: parsed.port === '' ? (isImplicit ? 993 : 143) : Number(parsed.port),
    tls: isImplicit ? 'implicit' : 'starttls',
    verify: configured?.verify ?? true,
    login: configured?.login ?? 'address',
  }
}

export interface Secrets {
  /** From the caller of the command; empty for none. */
  readonly password: string
  readonly master: { readonly user: string; readonly separator: string } | undefined
}

/** How an account is opened: by its own password from the list, by the master user, or by the given password. */
export function loginOf(server: Server, account: Account, chosen: Chosen, { password, master }: Secrets): ImapLogin {
  const user = chosen.login ?? (server.login === 'address' ? (account.addresses[0] ?? account.name) : account.name)
  if (chosen.password !== undefined) return { user, password: chosen.password }
  if (master) return { user, password, master }
  if (password !== '') return { user, password }
  if (!server.master) throw new Error(`no password for ${account.name}: give its own, or a master user's`)
  return { user, password: server.master.password.reveal(), master: server.master }
}

/** How the master user opens an account. */
export const masterLogin = (server: Server, account: Account): ImapLogin =>
  loginOf(server, account, { account: account.name }, { password: '', master: undefined })
