/*
 * Mail servers with mailboxes, behind one shape: this one, and Debian's Postfix with Dovecot behind it by LMTP. The same
 * clients put the same load on both; a message counts when an IMAP client sees it.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Scope } from 'iems/testing'
import { endGroup } from '../../core/testing/program.ts'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { startDovecot } from '../support/dovecot.ts'
import { startPostfix } from '../support/postfix.ts'
import { freePort } from '../support/running-server.ts'
import { accepting, send } from './load.ts'
import { usageOf } from './usage.ts'

export type MailServerName = 'iems' | 'postfix+dovecot'

export interface MailServer {
  readonly smtp: number
  readonly imap: number
  readonly pop3: number
  /** ManageSieve; only of this server with a script. */
  readonly sieve?: number
  /** Leaders of its process groups. */
  readonly pids: readonly number[]
}

/** Accounts are u0, u1, …, each with the password `secret` and mail at here.test. */
export function startMailServer(
  scope: Scope,
  name: MailServerName,
  accounts: number,
  { script }: { readonly script?: string } = {},
): Promise<MailServer> {
  return name === 'iems'
    ? startIemsMail(scope, accounts, { hasSieve: script !== undefined })
    : startPostfixDovecot(scope, accounts, script)
}

const usersOf = (count: number) => Array.from({ length: count }, (_, index) => `u${index}`)

/** Settings with which Dovecot runs a script, compiled beforehand, for all mail. */
async function sieveSettings(scope: Scope, script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sieve-'))
  await chmod(folder, 0o755)
  scope.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'main.sieve')
  await writeFile(file, script)
  await promisify(execFile)('sievec', ['-c', '/dev/null', file])
  return `lda_mailbox_autocreate = yes\nprotocol lmtp {\n  mail_plugins = sieve\n}\nplugin {\n  sieve = file:${file}\n  sieve_max_actions = 0\n}`
}

async function startPostfixDovecot(scope: Scope, accounts: number, script?: string): Promise<MailServer> {
  const sieve = script === undefined ? '' : await sieveSettings(scope, script)
  const dovecot = await startDovecot(scope, { users: usersOf(accounts), settings: `mail_fsync = always\n${sieve}` })
  const postfix = await startPostfix(scope, {
    fate: { relayTo: dovecot.lmtp },
    settings: {
      relayhost: '',
      default_transport: `lmtp:inet:127.0.0.1:${dovecot.lmtp}`,
      default_destination_concurrency_limit: 20,
      lmtp_destination_recipient_limit: 1,
    },
  })
  return { smtp: postfix.port, imap: dovecot.imap, pop3: dovecot.pop3, pids: [postfix.pid, dovecot.pid] }
}

/** `web`: the port of HTTP and JMAP. */
export async function startIemsMail(
  scope: Scope,
  accounts: number,
  { hasSieve = false, web }: { readonly hasSieve?: boolean; readonly web?: number },
): Promise<MailServer> {
  const folder = await mkdtemp(join(tmpdir(), 'iems-bench-'))
  let pid: number | undefined
  scope.after(async () => {
    if (pid) await endGroup(pid, 10_000)
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  const [smtp, imap, pop3, sieve] = [await freePort(), await freePort(), await freePort(), await freePort()]
  const password = await hashPassword('secret')
  const people = usersOf(accounts).map((name) => ({ name, addresses: [`${name}@here.test`], password }))
  await writeFile(join(folder, 'people.json'), JSON.stringify(people))
  await writeFile(
    join(folder, 'iems.config.ts'),
    `import { readFileSync } from 'node:fs'
import { defineConfig } from 'iems'
import { accounts } from 'iems/plugins/accounts'
import { imap } from 'iems/plugins/imap'
${web === undefined ? '' : "import { http } from 'iems/plugins/http'\nimport { jmap } from 'iems/plugins/jmap'"}
import { mailstore } from 'iems/plugins/mailstore'
import { mailsort } from 'iems/plugins/mailsort'
import { managesieve } from 'iems/plugins/managesieve'
import { pop3 } from 'iems/plugins/pop3'
import { smtpIn } from 'iems/plugins/smtp-in'
export default defineConfig({
  hostname: 'iems.test',
  store: { path: 'data' },
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${smtp}' }, { trusts: ['127.0.0.0/8'] }),
    local: mailstore({}, { accepts: 'anyone' }),
    imap: imap({ listen: '127.0.0.1:${imap}', authWithoutTls: true, limits: { connectionsPerAddress: 5000 } }),
    pop3: pop3({ listen: '127.0.0.1:${pop3}', authWithoutTls: true }),
    ${web === undefined ? '' : `web: http({ listen: '127.0.0.1:${web}', limits: { requestsPerMinute: 1_000_000, connectionsPerAddress: 5000 } }),`}
    ${hasSieve ? `sieve: managesieve({ listen: '127.0.0.1:${sieve}', authWithoutTls: true }),` : ''}
  },
  plugins: [accounts({ domains: ['here.test'], accounts: JSON.parse(readFileSync('${folder}/people.json', 'utf8')) })${hasSieve ? ', mailsort()' : ''}${web === undefined ? '' : ', jmap()'}],
})
`,
  )
  const log = openSync(join(folder, 'log'), 'w')
  const project = join(import.meta.dirname, '../..')
  const flags = process.env.IEMS_BENCH_NODE_FLAGS?.split(' ') ?? []
  const child = spawn(
    process.execPath,
    [
      ...flags,
      '--max-semi-space-size=8',
      '--conditions=source',
      join(project, 'core/cli/main.ts'),
      'start',
      '--config',
      join(folder, 'iems.config.ts'),
    ],
    { detached: true, cwd: project, stdio: ['ignore', log, log], env: { ...process.env, MALLOC_ARENA_MAX: '1' } },
  )
  closeSync(log)
  pid = child.pid
  await Promise.all([imap, ...(web === undefined ? [] : [web])].map((port) => accepting(port))).catch(async (cause) => {
    throw new Error(`the server did not start: ${await readFile(join(folder, 'log'), 'utf8')}`, { cause })
  })
  return { smtp, imap, pop3, pids: [pid as number], ...(hasSieve ? { sieve } : {}) }
}

// --- an IMAP client for loads ---------------------------------------------------------------------

export interface LoadClient {
  /** Resolves when the tagged answer has come; with everything that came before it if asked. */
  command(text: string): Promise<string>
  close(): void
}

export async function openImap(port: number): Promise<LoadClient> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'data')
  socket.setNoDelay(true)
  let text = ''
  let tag = ''
  let done: (text: string) => void = () => {}
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    text += chunk
    // The tagged answer is the last line there is.
    const at = text.endsWith('\r\n') ? text.lastIndexOf('\r\n', text.length - 3) + 2 : -1
    if (at >= 0 && text.startsWith(tag, at === 1 ? 0 : at)) done(text)
  })
  let count = 0
  return {
    command(command) {
      tag = `t${++count} `
      text = ''
      const { promise, resolve, reject } = Promise.withResolvers<string>()
      done = (all) => {
        const answer = all.slice(all.lastIndexOf(tag))
        if (answer.startsWith(`${tag}OK`)) resolve(all)
        else reject(new Error(`${command}: ${answer}`))
      }
      socket.write(`${tag}${command}\r\n`, 'latin1')
      return promise
    },
    close: () => socket.destroy(),
  }
}

async function countOf(client: LoadClient): Promise<number> {
  return Number(/MESSAGES (\d+)/.exec(await client.command('STATUS INBOX (MESSAGES)'))?.[1])
}

// --- measurements -------------------------------------------------------------------------------------

export interface SeenMail {
  readonly perSecond: number
  readonly cpuMs: number
}

/** From SMTP to readable in an Inbox, messages a second. */
export async function measureInbox(scope: Scope, name: MailServerName, messages: number): Promise<SeenMail> {
  const server = await startMailServer(scope, name, 1)
  const client = await openImap(server.imap)
  await client.command('LOGIN u0 secret')
  const load = { clients: 20, bytes: 4096, connections: 'kept', to: 'u0@here.test' } as const
  let total = 0
  const flow = async (count: number) => {
    total += count
    await send(server.smtp, { ...load, messages: count })
    while ((await countOf(client)) < total) await delay(20)
  }
  await flow(Math.min(1000, messages))
  const before = cpuOf(server)
  const started = performance.now()
  await flow(messages)
  const seconds = (performance.now() - started) / 1000
  client.close()
  return { perSecond: messages / seconds, cpuMs: ((cpuOf(server) - before) * 1000) / messages }
}

export const cpuOf = ({ pids }: MailServer) => pids.reduce((sum, pid) => sum + usageOf(pid).cpuSeconds, 0)

/** Waits until a server has done what it does in the background after a load, such as indexing. */
async function settled(server: MailServer): Promise<void> {
  const ends = performance.now() + 60_000
  for (let before = -1, now = cpuOf(server); now - before > 0.02 && performance.now() < ends; now = cpuOf(server)) {
    before = now
    await delay(1000)
  }
}

const MESSAGE = (size: number) =>
  `From: Ann <ann@far.test>\r\nTo: u@here.test\r\nSubject: a message of the load\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <x@far.test>\r\n\r\n${'All work and no play.\r\n'.repeat(size / 23)}`

/** 20 clients in sessions of login, select, headers, bodies, flags, append, expunge, logout: commands a second. */
export async function measureSessions(scope: Scope, name: MailServerName, sessions: number): Promise<SeenMail> {
  const accounts = 20
  const server = await startMailServer(scope, name, accounts)
  const text = MESSAGE(4096)
  const literal = `{${text.length}+}\r\n${text}`
  let commands = 0
  const say = async (client: LoadClient, command: string) => {
    commands++
    return client.command(command)
  }
  for (let user = 0; user < accounts; user++) {
    const client = await openImap(server.imap)
    await client.command(`LOGIN u${user} secret`)
    for (let count = 0; count < 50; count++) await client.command(`APPEND INBOX ${literal}`)
    client.close()
  }
  const session = async (user: number) => {
    const client = await openImap(server.imap)
    await say(client, `LOGIN u${user} secret`)
    await say(client, 'SELECT INBOX')
    await say(client, 'FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)])')
    for (let number = 1; number <= 10; number++) await say(client, `FETCH ${number * 3} BODY.PEEK[]`)
    for (let number = 1; number <= 5; number++) await say(client, `STORE ${number} +FLAGS (\\Seen)`)
    await say(client, `APPEND INBOX ${literal}`)
    await say(client, 'STORE 1 +FLAGS.SILENT (\\Deleted)')
    await say(client, 'EXPUNGE')
    await say(client, 'LOGOUT').catch(() => {})
    client.close()
  }
  const all = async (count: number) => {
    let next = 0
    await Promise.all(
      usersOf(accounts).map(async (_, user) => {
        while (next++ < count) await session(user)
      }),
    )
  }
  await all(accounts * 2)
  await settled(server)
  commands = 0
  const before = cpuOf(server)
  const started = performance.now()
  await all(sessions)
  const seconds = (performance.now() - started) / 1000
  return { perSecond: commands / seconds, cpuMs: ((cpuOf(server) - before) * 1000) / commands }
}

/** Puts messages into the INBOX of u0, a hundred in one command. */
export async function fill(client: LoadClient, count: number, textOf: (number: number) => string): Promise<void> {
  for (let start = 0; start < count; start += 100) {
    const literals: string[] = []
    for (let number = start; number < Math.min(count, start + 100); number++) {
      const text = textOf(number)
      literals.push(`{${text.length}+}\r\n${text}`)
    }
    await client.command(`APPEND INBOX ${literals.join(' ')}`)
  }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

const WORDS = [
  'lorem',
  'ipsum',
  'dolor',
  'sit',
  'amet',
  'consectetur',
  'adipiscing',
  'elit',
  'sed',
  'eiusmod',
  'tempor',
]

/** A text of some 2 KiB; every thousandth has a word of its own. */
function prose(number: number): string {
  const words = Array.from({ length: 300 }, (_, index) => WORDS[(number * 7 + index * 13) % WORDS.length])
  if (number % 1000 === 0) words[150] = 'needleword'
  const lines = words.join(' ').match(/.{1,70}(?: |$)/g) ?? []
  return `From: a@far.test\r\nSubject: number ${number}\r\n\r\n${lines.join('\r\n')}\r\n`
}

export interface SeenSearch {
  /** Of one search, median. */
  readonly seconds: number
  /** Messages a second that were filled in, and from the first one in to the last one indexed. */
  readonly filled: number
  readonly indexed: number | undefined
}

/** A word in the bodies of many messages. */
export async function measureSearch(scope: Scope, name: MailServerName, messages: number): Promise<SeenSearch> {
  const server = await startMailServer(scope, name, 1)
  const client = await openImap(server.imap)
  await client.command('LOGIN u0 secret')
  const started = performance.now()
  await fill(client, messages, prose)
  const filled = messages / ((performance.now() - started) / 1000)
  await client.command('SELECT INBOX')
  const wanted = Math.ceil(messages / 1000)
  const once = async () => {
    const found = await client.command('SEARCH BODY needleword')
    if ((/\* SEARCH(.*)/.exec(found)?.[1]?.trim().split(' ').length ?? 0) !== wanted)
      throw new Error(found.slice(0, 200))
  }
  let indexed: number | undefined
  if (name === 'iems') {
    // Answers come at once when they come from the index.
    while ((await seconds(once)) > 0.3) await delay(100)
    indexed = messages / ((performance.now() - started) / 1000)
  }
  const times: number[] = []
  for (let count = 0; count < 5; count++) times.push(await seconds(once))
  client.close()
  return { seconds: times.sort((a, b) => a - b)[2] as number, filled, indexed }
}

/** Selecting a mailbox of so many messages and reading its last hundred records. */
export async function measureOpen(scope: Scope, name: MailServerName, messages: number): Promise<number> {
  const server = await startMailServer(scope, name, 1)
  const filler = await openImap(server.imap)
  await filler.command('LOGIN u0 secret')
  await fill(filler, messages, (number) => `Subject: ${number}\r\n\r\nx\r\n`)
  filler.close()
  const client = await openImap(server.imap)
  await client.command('LOGIN u0 secret')
  const once = async () => {
    await client.command('SELECT INBOX')
    await client.command(`FETCH ${messages - 99}:* (UID FLAGS INTERNALDATE RFC822.SIZE)`)
    await client.command('UNSELECT')
  }
  await once()
  const times: number[] = []
  for (let count = 0; count < 11; count++) times.push(await seconds(once))
  client.close()
  return times.sort((a, b) => a - b)[5] as number
}

/** Downloading everything by POP3, messages a second. */
export async function measurePop3(scope: Scope, name: MailServerName, messages: number): Promise<SeenMail> {
  const server = await startMailServer(scope, name, 1)
  const filler = await openImap(server.imap)
  await filler.command('LOGIN u0 secret')
  const text = MESSAGE(4096)
  await fill(filler, messages, () => text)
  filler.close()
  const download = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(server.pop3, '127.0.0.1')
      socket.setEncoding('latin1')
      let state = 0
      let tail = ''
      const next = () => {
        state++
        if (state === 1) socket.write('USER u0\r\n')
        else if (state === 2) socket.write('PASS secret\r\n')
        else if (state <= messages + 2) socket.write(`RETR ${state - 2}\r\n`)
        else {
          socket.destroy()
          resolve()
        }
      }
      socket.on('data', (chunk: string) => {
        tail = (tail + chunk).slice(-5)
        if (state <= 2 ? tail.endsWith('\r\n') : tail.endsWith('\r\n.\r\n')) next()
      })
      socket.once('error', reject)
    })
  await download()
  await settled(server)
  const before = cpuOf(server)
  const took = await seconds(download)
  return { perSecond: messages / took, cpuMs: ((cpuOf(server) - before) * 1000) / messages }
}

/** One message to a thousand recipients, and a thousand messages to one each: how many times faster the first is. */
export async function measureThousand(scope: Scope): Promise<number> {
  const accounts = 1000
  const server = await startMailServer(scope, 'iems', accounts)
  const client = await openImap(server.imap)
  await client.command('LOGIN u999 secret')
  const socket = connect(server.smtp, '127.0.0.1')
  socket.setEncoding('latin1')
  await once(socket, 'data')
  const say = async (text: string, replies: number) => {
    let left = replies
    const done = new Promise<void>((resolve) => {
      const take = (chunk: string) => {
        left -= (chunk.match(/^\d{3} /gm) ?? []).length
        if (left > 0) return
        socket.off('data', take)
        resolve()
      }
      socket.on('data', take)
    })
    socket.write(text)
    await done
  }
  await say('EHLO x\r\n', 1)
  const all = usersOf(accounts).map((name) => `RCPT TO:<${name}@here.test>\r\n`)
  const text = MESSAGE(4096)
  let arrived = 0
  const untilArrived = async () => {
    while ((await countOf(client)) < arrived) await delay(2)
  }
  const oneToAll = async () => {
    arrived++
    await say(`MAIL FROM:<a@far.test>\r\n${all.join('')}DATA\r\n`, accounts + 2)
    await say(`${text}.\r\n`, 1)
    await untilArrived()
  }
  const oneToEach = async () => {
    arrived++
    for (const rcpt of all) {
      await say(`MAIL FROM:<a@far.test>\r\n${rcpt}DATA\r\n`, 3)
      await say(`${text}.\r\n`, 1)
    }
    await untilArrived()
  }
  // The first messages make the mailboxes.
  await oneToAll()
  await oneToEach()
  const together = (await seconds(oneToAll)) + (await seconds(oneToAll)) + (await seconds(oneToAll))
  const singly = await seconds(oneToEach)
  socket.destroy()
  client.close()
  return singly / (together / 3)
}
