/*
 * What a browser with a large mailbox waits for over JMAP, and the memory of WebSockets that idle.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Scope } from 'iems/testing'
import { WebSocket } from 'ws'
import { freePort } from '../support/running-server.ts'
import { letter, median, memoryOf, ms } from './imap.ts'
import { fill, openImap, startIemsMail } from './mail.ts'

const ROUNDS = 15
const USING = ['urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail']
const authorization = (user: number) => `Basic ${Buffer.from(`u${user}:secret`).toString('base64')}`

type Answer = Record<string, unknown>
type Call = readonly [name: string, given: object, id: string]

/** A JMAP client of one account. */
async function openJmap(port: number) {
  const headers = { authorization: authorization(0), 'content-type': 'application/json' }
  const base = `http://127.0.0.1:${port}`
  const session = (await (await fetch(`${base}/jmap/session`, { headers })).json()) as Answer
  const accountId = (session.primaryAccounts as Record<string, string>)[USING[1] as string] as string
  return async (...calls: readonly Call[]): Promise<Answer[]> => {
    const methodCalls = calls.map(([name, given, id]) => [name, { accountId, ...given }, id])
    const body = JSON.stringify({ using: USING, methodCalls })
    const response = await fetch(`${base}/jmap/api`, { method: 'POST', headers, body })
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
    const { methodResponses } = (await response.json()) as { methodResponses: readonly [string, Answer][] }
    for (const [name, given] of methodResponses) if (name === 'error') throw new Error(JSON.stringify(given))
    return methodResponses.map(([, given]) => given)
  }
}

export interface SeenJmap {
  /** Ms: the first page of the Inbox with its threads, at once and again. */
  readonly firstPage: number
  readonly nextPage: number
  /** Ms: Email/changes with nothing new, $seen set, ten messages opened. */
  readonly changes: number
  readonly seen: number
  readonly opened: number
}

export async function measureLarge(scope: Scope, messages: number): Promise<SeenJmap> {
  const web = await freePort()
  const server = await startIemsMail(scope, 1, { web })
  const filler = await openImap(server.imap)
  await filler.command('LOGIN u0 secret')
  await fill(filler, messages, letter)
  filler.close()
  const call = await openJmap(web)
  const [{ list }] = (await call(['Mailbox/get', { ids: null }, 'm'])) as unknown as [
    { list: readonly { id: string; role: string | null }[] },
  ]
  const inbox = list.find(({ role }) => role === 'inbox')?.id
  const page = (position: number): readonly Call[] => [
    [
      'Email/query',
      {
        filter: { inMailbox: inbox },
        sort: [{ property: 'receivedAt', isAscending: false }],
        ...{ collapseThreads: true, position, limit: 50 },
      },
      'q',
    ],
    [
      'Email/get',
      {
        '#ids': { resultOf: 'q', name: 'Email/query', path: '/ids' },
        properties: ['threadId', 'mailboxIds', 'keywords', 'from', 'subject', 'receivedAt', 'preview', 'hasAttachment'],
      },
      'g',
    ],
  ]
  const firstPage = await ms(() => call(...page(0)))
  const [pages, changes, seen, opened]: number[][] = [[], [], [], []]
  for (let round = 0; round < ROUNDS; round++) {
    pages?.push(await ms(() => call(...page(round * 50))))
    const [query, got] = (await call(...page(round * 50))) as unknown as [{ ids: string[] }, { state: string }]
    changes?.push(await ms(() => call(['Email/changes', { sinceState: got.state }, 'c'])))
    const update = { [query.ids[0] as string]: { 'keywords/$seen': true } }
    seen?.push(await ms(() => call(['Email/set', { update }, 's'])))
    const ids = query.ids.slice(10, 20)
    opened?.push(await ms(() => call(['Email/get', { ids, fetchTextBodyValues: true }, 'o'])))
  }
  const [nextPage = 0, unchanged = 0, set = 0, read = 0] = [pages, changes, seen, opened].map((all) =>
    median(all ?? []),
  )
  return { firstPage, nextPage, changes: unchanged, seen: set, opened: read }
}

export interface SeenSockets {
  /** Kilobytes for each WebSocket. */
  readonly each: number
  /** Ms from a new message to the push on the last socket of its account. */
  readonly told: number
}

/** So many WebSockets that wait for pushes, ten for each account. */
export async function measureSockets(scope: Scope, connections: number): Promise<SeenSockets> {
  const [web, accounts] = [await freePort(), Math.ceil(connections / 10)]
  const server = await startIemsMail(scope, accounts, { web })
  const begin = (user: number) =>
    new Promise<WebSocket>((resolve, reject) => {
      const socket = new WebSocket(`ws://127.0.0.1:${web}/jmap/ws`, 'jmap', {
        headers: { authorization: authorization(user) },
        perMessageDeflate: false,
      })
      socket.once('error', reject)
      socket.once('open', () => {
        socket.send(JSON.stringify({ '@type': 'WebSocketPushEnable', dataTypes: null }))
        resolve(socket)
      })
    })
  for (let user = 0; user < accounts; user++) (await begin(user)).terminate()
  await delay(3000)
  const before = memoryOf(server.pids)
  const sockets: WebSocket[] = []
  for (let start = 0; start < connections; start += 20)
    sockets.push(...(await Promise.all(Array.from({ length: 20 }, (_, index) => begin((start + index) % accounts)))))
  await delay(3000)
  const each = (memoryOf(server.pids) - before) / connections
  const filler = await openImap(server.imap)
  await filler.command('LOGIN u0 secret')
  const told = await ms(async () => {
    const heard = sockets
      .filter((_, index) => index % accounts === 0)
      .map((socket) => new Promise((resolve) => socket.once('message', resolve)))
    await fill(filler, 1, letter)
    await Promise.all(heard)
  })
  filler.close()
  for (const socket of sockets) socket.terminate()
  return { each, told }
}

export interface JmapReportDeps {
  readonly quick: boolean
  say(text: string): void
  scoped<T>(work: (scope: Scope) => Promise<T>): Promise<T>
}

export async function reportJmap({ quick, say, scoped }: JmapReportDeps): Promise<Record<string, unknown>> {
  const [messages, connections] = quick ? [5000, 200] : [100_000, 2000]
  say(
    `\njmap: an Inbox of ${messages} messages in threads of ten, then ${connections} WebSockets that idle; ms, medians of ${ROUNDS}`,
  )
  const large = await scoped((scope) => measureLarge(scope, messages))
  const row = (name: string, value: number, aim: string) => say(`  ${name.padEnd(46)}${value.toFixed(1)} (aim ${aim})`)
  row('first page of the Inbox, collapsed, the first time', large.firstPage, '300')
  row('a page, warm', large.nextPage, '20')
  row('Email/changes, nothing new', large.changes, '2')
  row('$seen set', large.seen, 'a commit + 3')
  row('ten messages opened', large.opened, '30')
  const sockets = await scoped((scope) => measureSockets(scope, connections))
  say(
    `  ${sockets.each.toFixed(1)} KB for each idle WebSocket, told of a message after ${sockets.told.toFixed(0)} ms (aim 40, 300)`,
  )
  return { large, sockets }
}
