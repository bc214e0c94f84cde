/*
 * What IMAP clients with large mailboxes and many connections wait for, here and at Debian's Dovecot: catching up with
 * changes, sorting, threading, the last envelopes, idling.
 */
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import type { Scope } from 'iems/testing'
import { fill, type MailServerName, openImap, startMailServer } from './mail.ts'

export async function ms(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

export const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** Letters in threads of ten, with the headers that sorting and threading look at. */
export function letter(number: number): string {
  const thread = Math.floor(number / 10)
  const references = Array.from({ length: number % 10 }, (_, index) => `<${thread * 10 + index}@far.test>`)
  const at = new Date(Date.UTC(2026, 0, 1) + ((number * 7919) % 20_000_000) * 1000)
    .toUTCString()
    .replace('GMT', '+0000')
  return [
    `From: Person ${(number * 31) % 977} <p${(number * 31) % 977}@far.test>`,
    'To: u0@here.test',
    `Date: ${at}`,
    `Subject: ${references.length > 0 ? 'Re: ' : ''}subject ${(thread * 101) % 4999}`,
    `Message-ID: <${number}@far.test>`,
    ...(references.length > 0 ? [`References: ${references.join('\r\n ')}`] : []),
    '',
    'All work and no play.',
    '',
  ].join('\r\n')
}

export interface SeenLarge {
  /** Ms: SELECT (QRESYNC …) after ten changes, the first time after a login. */
  readonly resync: number
  /** Ms: the first time, and again. */
  readonly sort: readonly [number, number]
  readonly thread: readonly [number, number]
  /** Ms: SELECT and the last hundred envelopes. */
  readonly envelopes: number
}

export async function measureLarge(scope: Scope, name: MailServerName, messages: number): Promise<SeenLarge> {
  const server = await startMailServer(scope, name, 1)
  const client = await openImap(server.imap)
  await client.command('LOGIN u0 secret')
  await client.command('ENABLE CONDSTORE')
  await fill(client, messages, letter)
  await client.command('SELECT INBOX')
  const sort = () => client.command('SORT (SUBJECT DATE) UTF-8 ALL')
  const thread = () => client.command('THREAD REFERENCES UTF-8 ALL')
  const sorted = [await ms(sort), await ms(sort)] as const
  const threaded = [await ms(thread), await ms(thread)] as const
  const times: number[] = []
  for (let round = 0; round < 7; round++) {
    const status = await client.command('STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)')
    const [validity, modseq] = [/UIDVALIDITY (\d+)/, /HIGHESTMODSEQ (\d+)/].map((pattern) => pattern.exec(status)?.[1])
    for (let change = 0; change < 10; change++)
      await client.command(`UID STORE ${1 + (((round * 10 + change) * 379) % messages)} +FLAGS.SILENT (\\Flagged)`)
    const other = await openImap(server.imap)
    await other.command('LOGIN u0 secret')
    await other.command('ENABLE QRESYNC')
    times.push(await ms(() => other.command(`SELECT INBOX (QRESYNC (${validity} ${modseq}))`)))
    other.close()
  }
  const opened: number[] = []
  for (let round = 0; round < 7; round++)
    opened.push(
      await ms(async () => {
        await client.command('SELECT INBOX')
        await client.command(`FETCH ${messages - 99}:* (UID FLAGS ENVELOPE)`)
      }),
    )
  client.close()
  return { resync: median(times), sort: sorted, thread: threaded, envelopes: median(opened) }
}

// --- idling -------------------------------------------------------------------------------------

/** The proportional memory of a process group: what is shared counts once. */
export function memoryOf(leaders: readonly number[]): number {
  let kilobytes = 0
  for (const pid of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2])
      if (leaders.includes(group))
        kilobytes += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
    } catch {
      // It ended while we looked.
    }
  }
  return kilobytes
}

export interface SeenIdle {
  /** Kilobytes for each connection. */
  readonly each: number
  /** Ms from a new message to the last of the connections of its account. */
  readonly told: number
}

/** So many connections that idle, ten for each account. */
export async function measureIdle(scope: Scope, name: MailServerName, connections: number): Promise<SeenIdle> {
  const accounts = Math.ceil(connections / 10)
  const server = await startMailServer(scope, name, accounts)
  const begin = async (user: number): Promise<Socket> => {
    const socket = connect(server.imap, '127.0.0.1').setEncoding('latin1')
    const says = async (text: string, end: RegExp) => {
      socket.write(text)
      for (let all = ''; !end.test(all); ) {
        all += (await once(socket, 'data', { signal: AbortSignal.timeout(30_000) }))[0]
        if (/^\* BYE|^\w (?:NO|BAD)/m.test(all)) throw new Error(`${text}: ${all}`)
      }
    }
    await once(socket, 'data')
    await says(`a LOGIN u${user} secret\r\n`, /^a OK/m)
    await says('b SELECT INBOX\r\n', /^b OK/m)
    await says('c IDLE\r\n', /^\+/m)
    return socket
  }
  // The first make mailboxes, and code warm.
  for (let user = 0; user < accounts; user++) (await begin(user)).destroy()
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const before = memoryOf(server.pids)
  const sockets: Socket[] = []
  for (let start = 0; start < connections; start += 20)
    sockets.push(...(await Promise.all(Array.from({ length: 20 }, (_, index) => begin((start + index) % accounts)))))
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const each = (memoryOf(server.pids) - before) / connections
  const filler = await openImap(server.imap)
  await filler.command('LOGIN u0 secret')
  const told = await ms(async () => {
    const heard = sockets.filter((_, index) => index % accounts === 0).map((socket) => once(socket, 'data'))
    await fill(filler, 1, letter)
    await Promise.all(heard)
  })
  filler.close()
  for (const socket of sockets) socket.destroy()
  return { each, told }
}

// --- the report -----------------------------------------------------------------------------------

const SERVERS = ['iems', 'postfix+dovecot'] as const

export interface ImapReportDeps {
  readonly quick: boolean
  say(text: string): void
  scoped<T>(work: (scope: Scope) => Promise<T>): Promise<T>
}

export async function reportImap({ quick, say, scoped }: ImapReportDeps): Promise<Record<string, unknown>> {
  const [messages, connections] = quick ? [5000, 200] : [50_000, 2000]
  say(
    `\nimap: one mailbox of ${messages} messages in threads of ten, then ${connections} connections that idle; ms, beside Dovecot`,
  )
  const [ours, theirs] = [
    await scoped((scope) => measureLarge(scope, 'iems', messages)),
    await scoped((scope) => measureLarge(scope, 'postfix+dovecot', messages)),
  ]
  const row = (name: string, a: number, b: number) =>
    say(`  ${name.padEnd(38)}${a.toFixed(1)} beside ${b.toFixed(1)}: ${(b / a).toFixed(2)} times as fast`)
  row('catching up by QRESYNC, ten changes', ours.resync, theirs.resync)
  row('SELECT and the last hundred envelopes', ours.envelopes, theirs.envelopes)
  row('SORT (SUBJECT DATE), the first time', ours.sort[0], theirs.sort[0])
  row('SORT (SUBJECT DATE), again', ours.sort[1], theirs.sort[1])
  row('THREAD REFERENCES, the first time', ours.thread[0], theirs.thread[0])
  row('THREAD REFERENCES, again', ours.thread[1], theirs.thread[1])
  const idle: Record<string, SeenIdle> = {}
  for (const server of SERVERS) {
    const seen = await scoped((scope) => measureIdle(scope, server, connections))
    idle[server] = seen
    say(
      `  ${server.padEnd(16)}${seen.each.toFixed(1)} KB for each idle connection, told of a message after ${seen.told.toFixed(0)} ms (aim 40, 1000)`,
    )
  }
  return { large: { ours, theirs }, idle }
}
