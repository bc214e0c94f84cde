/**
 * Annotations (RFC 5464).
 */
import type { MetadataPlace } from '../../../mailbox/store/api.ts'
import type { CommandDefinition } from '../command.ts'
import type { CommandContext } from '../context.ts'
import type { Cursor } from '../grammar/cursor.ts'
import { isAnswer, no, ok, refusal, type TaggedResponse } from '../responses.ts'
import { astring, string } from '../text.ts'

/** Maximum entries of one command. */
const MOST = 100

function readEntry(cursor: Cursor): string {
  const name = cursor.astring().toLowerCase()
  const isSound = /^\/(?:shared|private)(?:\/[\x21-\x7e]+)?$/.test(name) && !/[*%]|\/\/|\/$/.test(name)
  return isSound ? name : cursor.fail('an entry below /shared or /private')
}

/** The annotated object of a name; '' is the account itself. */
async function placeOf(session: CommandContext, name: string, right: string): Promise<MetadataPlace | TaggedResponse> {
  const who = session.account?.id ?? ''
  if (name === '') return { account: who, who }
  const mailbox = await session.mailbox(name, right)
  return isAnswer(mailbox) ? mailbox : { account: mailbox.account, mailbox: mailbox.id, who }
}

interface Options {
  readonly maxSize: number
  readonly depth: number
}

function readOptions(cursor: Cursor): Options {
  let options: Options = { maxSize: Number.POSITIVE_INFINITY, depth: 0 }
  cursor.list(() => {
    if (cursor.takes('MAXSIZE ')) options = { ...options, maxSize: cursor.number() }
    else if (cursor.takes('DEPTH INFINITY')) options = { ...options, depth: Number.POSITIVE_INFINITY }
    else if (cursor.takes('DEPTH ')) options = { ...options, depth: cursor.number() }
    else cursor.fail('MAXSIZE or DEPTH')
  })
  return options
}

/** Whether an entry is requested, directly or within the depth below a requested one. */
function isAsked(name: string, asked: readonly string[], depth: number): boolean {
  return asked.some((one) => {
    if (name === one) return true
    return name.startsWith(`${one}/`) && name.slice(one.length + 1).split('/').length <= depth
  })
}

export const getmetadata: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    // Options may precede the name or, as in many clients, follow it.
    let options: Options = { maxSize: Number.POSITIVE_INFINITY, depth: 0 }
    if (cursor.peek() === '(') {
      options = readOptions(cursor)
      cursor.space()
    }
    const name = session.readName(cursor)
    cursor.space()
    if (cursor.sees('(MAXSIZE') || cursor.sees('(DEPTH')) {
      options = readOptions(cursor)
      cursor.space()
    }
    const asked = cursor.peek() === '(' ? cursor.list(() => readEntry(cursor)) : [readEntry(cursor)]
    cursor.end()
    const place = await placeOf(session, name, 'r')
    if (isAnswer(place)) return place
    const found = Object.entries(await session.mail.metadata(place)).filter(([entry]) =>
      isAsked(entry, asked, options.depth),
    )
    const sent = found.filter(([, value]) => Buffer.byteLength(value) <= options.maxSize)
    // A requested entry that does not exist is NIL; entries below one are listed only if they exist.
    const missing = options.depth > 0 ? [] : asked.filter((entry) => !found.some(([there]) => there === entry))
    const words = [
      ...sent.map(([entry, value]) => `${astring(entry, session.isUtf8)} ${string(value, session.isUtf8)}`),
      ...missing.map((entry) => `${astring(entry, session.isUtf8)} NIL`),
    ]
    if (words.length > 0) session.output.line(`* METADATA ${session.writeName(name)} (${words.join(' ')})`)
    const longest = Math.max(0, ...found.map(([, value]) => Buffer.byteLength(value)))
    return ok('GETMETADATA completed', sent.length < found.length ? `METADATA LONGENTRIES ${longest}` : undefined)
  },
}

export const setmetadata: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.space()
    const name = session.readName(cursor)
    cursor.space()
    const pairs = cursor.list(() => {
      const entry = readEntry(cursor)
      cursor.space()
      return [entry, cursor.nstring()?.toString('utf8') ?? null] as const
    })
    cursor.end()
    if (pairs.length > MOST) return no('Too many entries in one command', 'METADATA TOOMANY')
    const isShared = pairs.some(([entry]) => entry.startsWith('/shared/'))
    const place = await placeOf(session, name, isShared ? 'w' : 'r')
    if (isAnswer(place)) return place
    const done = await session.mail.setMetadata(place, Object.fromEntries(pairs))
    if (done === null) return ok('SETMETADATA completed')
    if (done.refused === 'LIMIT') return no(done.why, 'METADATA TOOMANY')
    return done.refused === 'TOOBIG' ? no(done.why, 'METADATA MAXSIZE 65536') : refusal(done)
  },
}
