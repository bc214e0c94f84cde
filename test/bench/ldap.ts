import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Scope } from 'iems/testing'
import {
  BerReader,
  element,
  enumerated,
  integer,
  octetString,
  readHeader,
  sequence,
  TAG,
} from '../../plugins/directory/ldap/server/protocol/ber.ts'
import { freePort } from '../support/running-server.ts'
import { startSlapd } from '../support/slapd.ts'
import { configured } from './configured.ts'
import { usageOf } from './usage.ts'

export interface SeenLdap {
  /** Searches a second by twenty clients, each for another address. */
  readonly equal: number
  /** Milliseconds of one search alone, the median. */
  readonly alone: number
  /** Searches a second for the beginning of a name that ten or so have. */
  readonly begins: number
  /** Milliseconds of a search for a part of a name, which looks at everybody. */
  readonly part: number
  /** Entries a second, page by page. */
  readonly paged: number
  /** Microseconds of the server's processor for one of each. */
  readonly cpu: { readonly equal: number; readonly begins: number; readonly paged: number }
  readonly megabytes: number
}
export const LDAP_SERVERS = ['iems', 'slapd'] as const
export type LdapServer = (typeof LDAP_SERVERS)[number]

const SUFFIX = 'dc=here,dc=test'
const CLIENTS = 20
/** Entries that are read page by page, all of them several times. */
const PAGED = 20_000

export async function measureLdap(scope: Scope, server: LdapServer, accounts: number): Promise<SeenLdap> {
  const { port, pid } = await (server === 'iems' ? startIems : startPeer)(scope, accounts)
  let account = 0
  // Steps of a prime go through all of them without order.
  const next = () => {
    account = (account + 7919) % accounts
    return account
  }
  const byAddress = () => ({ filter: equality('mail', `u${next()}@here.test`), found: 1 })
  const byBeginning = () => {
    const start = String(next()).padStart(6, '0').slice(0, 5)
    return { filter: substrings('cn', octetString(`Person ${start}`, 0x80)), found: Math.min(10, accounts) }
  }
  await searches(port, { clients: CLIENTS, count: 2000, ask: byAddress })
  const used = () => usageOf(pid).cpuSeconds * 1e6
  const cpu = { equal: 0, begins: 0, paged: 0 }
  const costing = async (what: keyof typeof cpu, count: number, measure: () => Promise<number>) => {
    const before = used()
    const rate = await measure()
    cpu[what] = (used() - before) / count
    return rate
  }
  const equal = await costing('equal', 20_000, () =>
    searches(port, { clients: CLIENTS, count: 20_000, ask: byAddress }),
  )
  const one = await searches(port, { clients: 1, count: 1000, ask: byAddress })
  const begins = await costing('begins', 4000, () =>
    searches(port, { clients: CLIENTS, count: 4000, ask: byBeginning }),
  )
  const parts: number[] = []
  for (let round = 0; round < 5; round++) {
    const name = String(next()).padStart(6, '0')
    const ask = () => ({ filter: substrings('description', octetString(`${name} of`, 0x81)), found: 1 })
    parts.push(1000 / (await searches(port, { clients: 1, count: 1, ask })))
  }
  const rounds = Math.ceil(PAGED / accounts)
  const paged = await costing('paged', rounds * accounts, () => readAll(port, { accounts, rounds }))
  return {
    equal,
    alone: 1000 / one,
    begins,
    part: parts.toSorted((a, b) => a - b)[2] as number,
    paged,
    cpu,
    megabytes: Math.round(usageOf(pid).residentBytes / 1e6),
  }
}

// --- the servers --------------------------------------------------------------------------------------

const nameOf = (at: number) => `Person ${String(at).padStart(6, '0')}`
const descriptionOf = (at: number) => `number ${String(at).padStart(6, '0')} of them all`

async function startIems(scope: Scope, accounts: number): Promise<{ port: number; pid: number }> {
  const port = await freePort()
  const { start, iems } = await configured(
    scope,
    `import { defineConfig } from 'iems'
import { directory } from 'iems/plugins/directory'
import { ldap } from 'iems/plugins/ldap'
import { mailstore } from 'iems/plugins/mailstore'
export default defineConfig({
  hostname: 'iems.test',
  store: { path: 'data' },
  channels: {
    ldap: ldap({
      listen: '127.0.0.1:${port}',
      suffix: '${SUFFIX}',
      anonymous: 'address-book',
    }),
    local: mailstore({}, { accepts: 'anyone' }),
  },
  plugins: [directory()],
})
`,
  )
  await start(port)
  const rows = Array.from({ length: accounts }, (_, at) => `u${at},u${at}@here.test,${nameOf(at)},${descriptionOf(at)}`)
  await iems(`name,address,display-name,description\n${rows.join('\n')}\n`, 'account', 'import', '--each')
  // The garbage of the import is not what serving costs.
  return { port, pid: await start(port) }
}

async function startPeer(scope: Scope, accounts: number): Promise<{ port: number; pid: number }> {
  const entries = Array.from(
    { length: accounts },
    (_, at) => `dn: uid=u${at},${SUFFIX}
objectClass: inetOrgPerson
uid: u${at}
cn: ${nameOf(at)}
sn: ${nameOf(at)}
displayName: ${nameOf(at)}
mail: u${at}@here.test
description: ${descriptionOf(at)}
`,
  )
  const { port, pid } = await startSlapd(scope, {
    suffix: SUFFIX,
    ldif: [`dn: ${SUFFIX}\nobjectClass: domain\ndc: here\n`, ...entries].join('\n'),
    database: 'access to * by * read\nsizelimit unlimited',
  })
  return { port, pid }
}

// --- the clients ---------------------------------------------------------------------------------------

const equality = (attribute: string, value: string) => element(0xa3, octetString(attribute), octetString(value))
const substrings = (attribute: string, part: Buffer) => element(0xa4, octetString(attribute), sequence(part))

function search(id: number, filter: Buffer, attributes: readonly string[], controls: readonly Buffer[] = []): Buffer {
  const request = element(
    0x63,
    octetString(SUFFIX),
    enumerated(2),
    enumerated(0),
    integer(0),
    integer(0),
    element(TAG.boolean, Buffer.from([0])),
    filter,
    sequence(...attributes.map((name) => octetString(name))),
  )
  return sequence(integer(id), request, ...(controls.length > 0 ? [element(0xa0, ...controls)] : []))
}

interface Asked {
  readonly filter: Buffer
  readonly found: number
}

/** Searches a second; each client has one under way. */
async function searches(
  port: number,
  { clients, count, ask }: { readonly clients: number; readonly count: number; readonly ask: () => Asked },
): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: clients }, () => opened(port)))
  const started = performance.now()
  let left = count
  await Promise.all(
    sockets.map(async (socket) => {
      const messages = messagesOf(socket)
      for (let id = 1; left > 0; id++) {
        left--
        const { filter, found } = ask()
        socket.write(search(id, filter, ['cn', 'mail', 'uid']))
        const entries = await answerOf(messages)
        if (entries.count !== found) throw new Error(`${entries.count} found instead of ${found}`)
      }
    }),
  )
  const seconds = (performance.now() - started) / 1000
  for (const socket of sockets) socket.destroy()
  return count / seconds
}

/** Entries a second, over all rounds. */
async function readAll(
  port: number,
  { accounts, rounds }: { readonly accounts: number; readonly rounds: number },
): Promise<number> {
  const socket = await opened(port)
  const messages = messagesOf(socket)
  const started = performance.now()
  for (let round = 0; round < rounds; round++) {
    const count = await readOnce(socket, messages)
    if (count !== accounts) throw new Error(`${count} entries instead of ${accounts}`)
  }
  socket.destroy()
  return (rounds * accounts) / ((performance.now() - started) / 1000)
}

async function readOnce(socket: Socket, messages: Messages): Promise<number> {
  let cookie: Buffer = Buffer.alloc(0)
  let count = 0
  for (let id = 1; ; id++) {
    const paged = sequence(
      octetString('1.2.840.113556.1.4.319'),
      octetString(sequence(integer(500), octetString(cookie))),
    )
    socket.write(search(id, equality('objectClass', 'person'), [], [paged]))
    const answer = await answerOf(messages)
    count += answer.count
    cookie = answer.cookie
    if (cookie.length === 0) return count
  }
}

async function opened(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket.setNoDelay(true)
}

interface Messages {
  next(): Promise<Buffer>
}

function messagesOf(socket: Socket): Messages {
  const ready: Buffer[] = []
  let held: Buffer = Buffer.alloc(0)
  let wake = () => {}
  socket.on('data', (chunk: Buffer) => {
    held = held.length > 0 ? Buffer.concat([held, chunk]) : chunk
    for (let header = readHeader(held); header; header = readHeader(held)) {
      const end = header.start + header.length
      if (held.length < end) break
      ready.push(held.subarray(header.start, end))
      held = held.subarray(end)
    }
    wake()
  })
  let at = 0
  return {
    async next() {
      while (at === ready.length) {
        ready.length = at = 0
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return ready[at++] as Buffer
    },
  }
}

async function answerOf(messages: Messages): Promise<{ readonly count: number; readonly cookie: Buffer }> {
  for (let count = 0; ; count++) {
    const message = new BerReader(await messages.next())
    message.integer()
    if (message.tag === 0x64) continue
    const result = message.inside(0x65).enumerated()
    if (result !== 0) throw new Error(`the search ended with ${result}`)
    if (message.tag !== 0xa0) return { count, cookie: Buffer.alloc(0) }
    const control = message.inside(0xa0).inside()
    control.octets()
    if (control.tag === TAG.boolean) control.boolean()
    const value = new BerReader(control.octets()).inside()
    value.integer()
    return { count, cookie: value.octets() }
  }
}
