/**
 * `iems bsmtp …`: batches as a tool for administrators. `pack`, `unpack`, `show` and `key` need no running server.
 *
 * Invariants: showing a batch delivers nothing; text from remote systems is escaped before it is printed; a batch is
 * read and written as a stream.
 */
import {
  below,
  type Command,
  type CommandCall,
  type CommandOutput,
  createHeaderScanner,
  escapeLine,
  formatSize,
  type SetupContext,
} from 'iems'
import { decodeWords, readFields } from 'iems/mime'
import { type WrittenTransaction, writeBatch } from './batch.ts'
import { readBatch } from './batch-reader.ts'
import { Builder, newStream } from './building.ts'
import type { Exchange } from './exchange.ts'
import { createSecret } from './identity.ts'
import type { Inbox } from './inbox.ts'
import type { Link, Links } from './links.ts'
import { readMessages, writeMessage } from './mbox.ts'
import { hashOfAll, writeLine } from './parcel.ts'
import type { Sender } from './sending.ts'
import { openBatch } from './unseal.ts'

export interface CommandDeps {
  readonly ctx: SetupContext
  readonly links: Links
  readonly exchange: Exchange
  readonly inbox: Inbox
  readonly sender: Sender
  /** Settles when the looks that are under way have ended. */
  idle(): Promise<unknown>
}

/** Limits for batches that a command shows: nothing is delivered, so only the limits of the format apply. */
const LIMITS = { messages: Number.MAX_SAFE_INTEGER, recipients: 10_000 }

export function createCommands(deps: CommandDeps): Readonly<Record<string, Command>> {
  return {
    'bsmtp key': {
      summary: "Print the server's public key for partners, or make a key when none is configured",
      run: () => printKey(deps),
    },
    'bsmtp pack': {
      summary: 'Pack a message, or all messages of an mbox, into a batch',
      reads: true,
      writes: true,
      options: {
        '--from <address>': 'Sender of every message; default: the one that the mbox names',
        '--to <addresses>': 'Recipients, divided by commas',
        '--partner <name>': 'Seal the batch for this partner; default: application/batch-SMTP as in RFC 2442',
      },
      run: (call) => pack(deps, call),
    },
    'bsmtp unpack': {
      summary: 'Write the messages of a batch as an mbox, without delivering them',
      reads: true,
      writes: true,
      run: (call) => unpack(deps, call),
    },
    'bsmtp show': {
      summary: 'List the messages in a batch, without delivering them',
      reads: true,
      run: (call) => show(deps, call),
    },
    'bsmtp send': {
      summary: 'Send what waits for a partner, or for all partners, in batches now',
      arguments: ['[partner]'],
      run: (call) => send(deps, call),
    },
    'bsmtp receive': {
      summary: 'Take a batch of a partner and deliver its messages',
      arguments: ['<partner>'],
      reads: true,
      run: (call) => receive(deps, call),
    },
    'bsmtp status': {
      summary: 'List the partners with what waits and what is under way',
      run: () => status(deps),
    },
  }
}

async function* printKey({ links: { own, identity } }: CommandDeps): AsyncGenerator<CommandOutput> {
  if (identity) {
    yield { text: `Public key of ${own}: ${identity.publicText}`, value: { name: own, public: identity.publicText } }
    return
  }
  const { secret, publicText } = createSecret()
  yield { text: `Secret key, for the option key: ${secret}`, value: { name: own, secret, public: publicText } }
  yield { text: `Public key, for partners: ${publicText}` }
}

function linkNamed({ links }: CommandDeps, name: string | true | undefined): Link {
  const link = typeof name === 'string' ? links.byName(name) : undefined
  if (!link) throw new Error(`There is no partner "${escapeLine(String(name ?? ''))}"`)
  return link
}

const address = /^[^\s<>]{1,320}$/

async function* pack(deps: CommandDeps, { options, input }: CommandCall): AsyncGenerator<CommandOutput> {
  const { ctx } = deps
  const to = String(options.to ?? '')
    .split(',')
    .map((one) => one.trim())
  if (options.to === undefined || to.some((one) => !address.test(one))) throw new Error('Give the recipients with --to')
  const from = options.from === undefined ? undefined : String(options.from).replace(/^<|>$/g, '')
  if (from !== undefined && from !== '' && !address.test(from)) throw new Error('The sender is not an address')
  const transactions = staged(deps, input, { from, to })
  const link = options.partner === undefined ? undefined : linkNamed(deps, options.partner)
  const octets = link ? sealed(deps, link, transactions) : writeBatch(ctx.hostname, transactions)
  for await (const bytes of octets) yield { bytes }
}

/** Messages need their size in MAIL, so each is kept for as long as it is written. */
async function* staged(
  { ctx: { contents } }: CommandDeps,
  input: AsyncIterable<Uint8Array>,
  envelope: { readonly from: string | undefined; readonly to: readonly string[] },
): AsyncGenerator<WrittenTransaction> {
  for await (const message of readMessages(input)) {
    const content = await contents.stage(message.content)
    const { size } = content.content
    const from = envelope.from ?? (message.from === 'MAILER-DAEMON' ? '' : (message.from ?? ''))
    try {
      const mail = `MAIL FROM:<${address.test(from) ? from : ''}> SIZE=${size}\r\n`
      const rcpts = envelope.to.map((one) => `RCPT TO:<${one}>\r\n`)
      yield { mail, rcpts, size, binary: false, open: () => content.open() }
    } finally {
      await content.discard()
    }
  }
}

async function* sealed(
  { ctx, links }: CommandDeps,
  link: Link,
  transactions: AsyncIterable<WrittenTransaction>,
): AsyncGenerator<Uint8Array> {
  if (!links.identity) throw new Error('The option key is needed to sign a batch')
  const { store, contents, hostname, clock } = ctx
  const builder = new Builder({ store, contents, links, hostname, now: clock.now })
  const { stream } = newStream()
  // No answer to it is waited for.
  const oneWay = { copies: 1, every: 0 }
  const parts = { stream, number: 1, transactions, manifest: { done: [], partial: [] }, extensions: [] }
  const { staged: content, label } = await builder.make({ ...link, format: 'sealed', oneWay }, parts)
  try {
    if (!label) throw new TypeError('a sealed batch has a label')
    const sha256 = await hashOfAll(content.open())
    yield writeLine(links.identity, { ...label, at: 0, size: label.total, sha256 })
    yield* content.open()
  } finally {
    await content.discard()
  }
}

async function* unpack({ ctx, links }: CommandDeps, { input }: CommandCall): AsyncGenerator<CommandOutput> {
  const { octets } = await openBatch(links, input)
  for await (const { from, recipients, content } of readBatch(octets, LIMITS)) {
    const fields = [`X-Envelope-From: <${from}>`, ...recipients.map((one) => `X-Envelope-To: <${one.address}>`)]
    for await (const bytes of writeMessage({ from, date: new Date(ctx.clock.now()), fields }, content)) yield { bytes }
  }
}

/** Octets of a header in which the subject is looked for. */
const HEADER = 65_536

async function* show({ links }: CommandDeps, { input }: CommandCall): AsyncGenerator<CommandOutput> {
  const { about, octets } = await openBatch(links, input)
  yield { text: escapeLine(about) }
  let messages = 0
  for await (const { index, from, recipients, refused, content } of readBatch(octets, LIMITS)) {
    const { size, subject } = await glance(content)
    const to = recipients.map((one) => one.address)
    const wrong = refused.map(({ reply }) => `  ${reply.text}`).join('')
    const text = `${index}  ${formatSize(size)}  <${from}>  ${to.map((one) => `<${one}>`).join(' ')}  ${subject}${wrong}`
    yield { text: escapeLine(text), value: { index, size, from, to, subject } }
    messages++
  }
  yield { text: `${messages} messages` }
}

async function glance(
  content: AsyncIterable<Uint8Array>,
): Promise<{ readonly size: number; readonly subject: string }> {
  const head: Uint8Array[] = []
  let size = 0
  for await (const chunk of content) {
    if (size < HEADER) head.push(chunk)
    size += chunk.byteLength
  }
  const octets = Buffer.concat(head).subarray(0, HEADER)
  const scanner = createHeaderScanner()
  const end = scanner.push(octets) ?? scanner.finish()
  const subject = readFields(octets.subarray(0, end.fields)).get('subject') ?? ''
  return { size, subject: decodeWords(subject).trim().slice(0, 200) }
}

async function* send(deps: CommandDeps, { arguments: [name] }: CommandCall): AsyncGenerator<CommandOutput> {
  const links = name === undefined ? deps.links.all.filter(({ to }) => to) : [linkNamed(deps, name)]
  for (const link of links) {
    await deps.exchange.sendAll(link)
    yield { text: `${link.name}: sent, ${await deps.sender.count(link)} batches under way` }
  }
}

async function* receive(deps: CommandDeps, { arguments: [name], input }: CommandCall): AsyncGenerator<CommandOutput> {
  const link = linkNamed(deps, name)
  const reply = await deps.inbox.receive(input, { link })
  if (reply.code >= 300) throw new Error(`${reply.code} ${reply.text}`)
  yield { text: reply.text, value: reply }
}

async function* status({ ctx: { store }, links, sender, idle }: CommandDeps): AsyncGenerator<CommandOutput> {
  await idle()
  for (const link of links.all) {
    let waiting = 0
    for await (const _ of store.scan(below('w', link.name))) waiting++
    const batches = await sender.count(link)
    const text = `${link.name}: ${waiting} messages wait, ${batches} batches under way`
    yield { text, value: { partner: link.name, waiting, batches } }
  }
}
