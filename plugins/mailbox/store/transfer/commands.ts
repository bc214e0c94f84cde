/**
 * `iems mailbox export` and `iems mailbox import`.
 */
import { createWriteStream } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Command, type CommandOutput, counted, escapeLine } from 'iems'
import type { Account } from '../../../directory/static/api.ts'
import { isRefused } from '../account-transactions.ts'
import type { Mailbox, MailStoreApi } from '../api.ts'
import { importedName } from '../names.ts'
import {
  FORMATS,
  type Format,
  fromMaildir,
  fromMbox,
  fromZip,
  type TransferredMessage,
  toMaildir,
  toMbox,
  toZip,
} from './formats.ts'
import { ALL, messagesOf } from './messages.ts'

/** Messages between two words about how far it is. */
const TOLD = 100

export interface TransferDeps {
  readonly service: MailStoreApi
  accountOf(name: string | undefined): Promise<Account>
}

export function createTransferCommands({ service, accountOf }: TransferDeps): Readonly<Record<string, Command>> {
  return {
    'mailbox export': {
      summary: "an account's mailboxes as a file",
      arguments: ['<account>'],
      options: {
        '--mailbox <name>': 'only this one; an mbox holds one, INBOX if none is named',
        '--format <format>': `${FORMATS.join(', ')} (a tar); default: zip`,
      },
      writes: true,
      async *run({ arguments: [name], options }) {
        const wanted = typeof options.format === 'string' ? options.format : 'zip'
        const format = FORMATS.find((known) => known === wanted)
        if (!format) throw new Error(`--format ${wanted}: it must be one of ${FORMATS.join(', ')}`)
        const mailbox = typeof options.mailbox === 'string' ? options.mailbox : undefined
        yield* exported(service, await accountOf(name), { name: mailbox, format })
      },
    },
    'mailbox import': {
      summary: 'messages of a ZIP of .eml files, an mbox, a tar of a Maildir or a single message into mailboxes',
      arguments: ['<account>'],
      options: {
        '--mailbox <name>': 'where what names no mailbox goes; default: INBOX',
        '--missing': 'leave out messages that are there already: same mailbox, time of arrival and size',
      },
      reads: true,
      async *run({ arguments: [name], options, input }) {
        const account = await accountOf(name)
        // A ZIP is read from its end.
        const folder = await mkdtemp(join(tmpdir(), 'iems-import-'))
        try {
          const path = join(folder, 'file')
          yield { progress: 'reading the file' }
          await pipeline(Readable.from(input), createWriteStream(path, { mode: 0o600 }))
          yield* imported(service, account, {
            name: typeof options.mailbox === 'string' ? options.mailbox : 'INBOX',
            path,
            isMissingOnly: options.missing === true,
          })
        } finally {
          await rm(folder, { recursive: true, force: true })
        }
      },
    },
  }
}

async function* exported(
  service: MailStoreApi,
  account: Account,
  { name, format }: { readonly name: string | undefined; readonly format: Format },
): AsyncGenerator<CommandOutput> {
  // An mbox is one mailbox.
  const wanted = name ?? (format === 'mbox' ? 'INBOX' : undefined)
  const all = (await service.mailboxes(account.id)).filter(({ noSelect }) => !noSelect)
  const chosen = wanted === undefined ? all : all.filter((mailbox) => mailbox.name === wanted)
  if (chosen.length === 0) throw new Error(`${account.name} has no mailbox ${wanted}`)
  let count = 0
  const messages = messagesOf(service, chosen, () => {
    count++
  })
  const total = chosen.reduce((sum, { messages }) => sum + messages, 0)
  let told = 0
  for await (const bytes of { zip: toZip, mbox: toMbox, maildir: toMaildir }[format](messages)) {
    yield { bytes }
    if (count < told + TOLD) continue
    told = count
    yield { progress: `${count} of ${total} messages` }
  }
  yield {
    text: `${counted(count, 'message')} of ${counted(chosen.length, 'mailbox')}`,
    value: { messages: count, mailboxes: chosen.length },
  }
}

async function* imported(
  service: MailStoreApi,
  account: Account,
  { name, path, isMissingOnly }: { readonly name: string; readonly path: string; readonly isMissingOnly: boolean },
): AsyncGenerator<CommandOutput> {
  const made = new Map<string, Mailbox>()
  const present = new Map<string, Present>()
  const renamed = new Map<string, string>()
  let [count, leftOut] = [0, 0]
  for await (const { mailbox, flags, received, size, open } of await readAny(path, name)) {
    const target = made.get(mailbox) ?? (await mailboxFor(service, account, mailbox))
    made.set(mailbox, target)
    if (target.name !== mailbox && importedName(mailbox) !== mailbox) renamed.set(mailbox, target.name)
    if (isMissingOnly) {
      const there = present.get(target.name) ?? (await presentIn(service, target))
      present.set(target.name, there)
      if (there.take(received, size)) {
        leftOut++
        continue
      }
    }
    const message = { content: open(), flags, ...(received === undefined ? {} : { received }) }
    const done = await service.append(target, [message])
    if (isRefused(done)) throw new Error(`after ${count} messages: ${done.why}`)
    if (++count % TOLD === 0) yield { progress: `${count} messages` }
  }
  for (const [from, to] of renamed)
    yield { text: `${escapeLine(from)} has characters that no name may have: its mail is in ${to}` }
  yield {
    text: `${counted(count, 'message')} into ${counted(made.size, 'mailbox')}${leftOut > 0 ? `, ${leftOut} were there` : ''}`,
    value: { messages: count, mailboxes: [...made.values()].map((mailbox) => mailbox.name), renamed: [...renamed] },
  }
}

/** The messages of a mailbox before an import, each of which stands for one imported message. */
interface Present {
  take(received: number | undefined, size: number): boolean
}

async function presentIn(service: MailStoreApi, mailbox: Mailbox): Promise<Present> {
  const counts = new Map<string, number>()
  for await (const { received, size } of service.entries(mailbox, ALL))
    counts.set(`${received} ${size}`, (counts.get(`${received} ${size}`) ?? 0) + 1)
  return {
    take(received, size) {
      const left = counts.get(`${received} ${size}`) ?? 0
      counts.set(`${received} ${size}`, left - 1)
      return left > 0
    },
  }
}

async function mailboxFor(service: MailStoreApi, account: Account, name: string): Promise<Mailbox> {
  const safe = importedName(name)
  // A mailbox that has such a name from before keeps it.
  const found = (await service.find(account.id, name)) ?? (await service.find(account.id, safe))
  if (found && !found.noSelect) return found
  const made = await service.create(account.id, safe)
  if (isRefused(made)) throw new Error(`${name}: ${made.why}`)
  return made
}

/** Detects the format by the first octets. */
async function readAny(path: string, mailbox: string): Promise<AsyncIterable<TransferredMessage>> {
  const file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0)
  const start = buffer.subarray(0, bytesRead)
  if (start.toString('latin1', 0, 2) === 'PK') {
    await file.close()
    return fromZip(path, mailbox)
  }
  const source = file.createReadStream()
  if (start.toString('latin1', 257, 262) === 'ustar') return fromMaildir(source, mailbox)
  if (start.toString('latin1', 0, 5) === 'From ') return fromMbox(source, mailbox)
  return single({ mailbox, flags: [], size: 0, open: () => source })
}

async function* single(message: TransferredMessage): AsyncGenerator<TransferredMessage> {
  yield message
}
