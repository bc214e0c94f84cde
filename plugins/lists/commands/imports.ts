/**
 * `iems list import-config|import-archive`: what a list had in Mailman.
 */
import { type Command, type CommandOutput, counted, defineCommand, escapeText } from 'iems'
import { gather, readDate, readFields } from 'iems/mime'
import * as z from 'zod'
import { messageIdHash } from '../content.ts'
import type { NewPost } from '../filing.ts'
import { readMailmanConfig } from '../import/mailman-config.ts'
import { readMailman2 } from '../import/mailman2.ts'
import { type MboxPost, readMbox } from '../import/mbox.ts'
import type { Fault, NewMember } from '../import/members.ts'
import { readListservConfig, readSympaConfig } from '../import/other-configs.ts'
import { addMembers } from '../many.ts'
import { type ListSettings, merged, settingsSchema } from '../settings.ts'
import { type CommandDeps, listNamed, shownResults } from './named.ts'

const list = z.string().describe('The address of the list.')
const MAX_CONFIG = 16 * 1024 * 1024
const MAX_HEADER = 262_144
/** Posts that are filed together, and their octets. */
const TOGETHER = 500
const TOGETHER_SIZE = 8 * 1024 * 1024

export function createImportCommands(deps: CommandDeps): Readonly<Record<string, Command>> {
  const { roster, archive, clock } = deps

  /** Files posts that were read together, and returns their faults. */
  async function keep(name: string, posts: readonly MboxPost[]): Promise<readonly Fault[]> {
    if (!archive) throw new Error('Archives need the mail store')
    const faults: Fault[] = []
    const lines = new Map<string, number>()
    const given: NewPost[] = []
    for (const post of posts) {
      const read = newPost(post, clock.now())
      if (read) given.push(read)
      else faults.push({ line: post.line, fault: 'no Message-ID' })
      if (read) lines.set(read.hash, post.line)
    }
    const refused = await archive.keepAll(await listNamed(roster, name), given)
    for (const [hash, fault] of refused) faults.push({ line: lines.get(hash) ?? 0, fault })
    return faults.sort((a, b) => a.line - b.line)
  }

  async function* archiveOf(
    name: string,
    input: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): AsyncGenerator<CommandOutput> {
    await listNamed(roster, name)
    let read = 0
    let wrong = 0
    for await (const posts of together(readMbox(input))) {
      signal.throwIfAborted()
      const faults = await keep(name, posts)
      read += posts.length
      wrong += faults.length
      for (const { line, fault } of faults) yield { text: `line ${line}: ${fault}`, value: { line, fault } }
      yield { progress: counted(read, 'post') }
    }
    const done = read - wrong
    yield { text: `${counted(done, 'post')} done, ${counted(wrong, 'fault')}`, value: { done, faults: wrong } }
  }

  return {
    'list import-config': defineCommand({
      summary: 'take over a list: config.pck of Mailman 2, JSON of Mailman 3, config of Sympa, header of LISTSERV',
      fields: z.strictObject({ list }),
      arguments: ['<list>'],
      reads: true,
      async *run({ values, input, signal }) {
        const one = await listNamed(roster, values.list)
        const { settings, unknown, members = [] } = readConfig(await gather(input, MAX_CONFIG))
        const next = merged(one.settings, settings)
        for (const key of unknown) yield { text: `not taken over: ${escapeText(key)}`, value: { unknown: key } }
        const { maxSize, digestSize, ...rest } = next
        settingsSchema.omit({ maxSize: true, digestSize: true }).parse(rest)
        await roster.setList(one.address, (before) => ({ ...before, settings: { ...rest, maxSize, digestSize } }))
        yield { text: `${counted(Object.keys(settings).length, 'setting')} taken over`, value: settings }
        if (members.length > 0) yield* shownResults(addMembers(deps, one.address, members, signal))
      },
    }),
    'list import-archive': defineCommand({
      summary: 'add the posts of an mbox to the archive of a list; posts that are there already stay as they are',
      fields: z.strictObject({ list }),
      arguments: ['<list>'],
      reads: true,
      run: ({ values, input, signal }) => archiveOf(values.list, input, signal),
    }),
  }
}

interface Read {
  readonly settings: Partial<ListSettings>
  readonly unknown: readonly string[]
  readonly members?: readonly (NewMember | Fault)[]
}

/** By what the file begins with. */
function readConfig(octets: Buffer): Read {
  const start = octets.subarray(0, 4096).toString('latin1').trimStart()
  if (start.startsWith('{')) return readMailmanConfig(octets.toString())
  if (start.startsWith('*')) return readListservConfig(octets.toString())
  // A pickle begins with its protocol, an empty dictionary or a mark.
  if (/^(?:\x80|\}|\(d)/.test(start)) return readMailman2(octets)
  return readSympaConfig(octets.toString())
}

/** Undefined without a Message-ID. */
function newPost({ octets, received }: MboxPost, now: number): NewPost | undefined {
  const end = octets.indexOf('\r\n\r\n')
  const header = readFields(octets.subarray(0, Math.min(end < 0 ? octets.length : end, MAX_HEADER)))
  const messageId = header.last('message-id')
  if (messageId === undefined) return undefined
  const at = received ?? readDate(header.last('date'))?.at ?? now
  return {
    hash: messageIdHash(messageId),
    messageId: messageId.trim(),
    subject: header.last('subject') ?? '',
    isReferring: header.last('references') !== undefined || header.last('in-reply-to') !== undefined,
    received: Math.max(0, Math.min(at, now)),
    open: () => whole(octets),
  }
}

/** Posts in groups that are filed in one commit. */
async function* together(posts: AsyncIterable<MboxPost>): AsyncGenerator<readonly MboxPost[]> {
  let some: MboxPost[] = []
  let size = 0
  for await (const post of posts) {
    some.push(post)
    size += post.octets.length
    if (some.length < TOGETHER && size < TOGETHER_SIZE) continue
    yield some
    some = []
    size = 0
  }
  if (some.length > 0) yield some
}

async function* whole(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  yield octets
}
