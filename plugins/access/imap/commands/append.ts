/**
 * APPEND with several messages (RFC 3502) and REPLACE (RFC 8508): content streams into the store.
 *
 * Invariants: a command stores all of its messages or none; input that the client sends without waiting is read to its
 * end, so that content is never taken for commands.
 */

import type { Literal } from 'iems'
import type { Mailbox, NewMessage } from '../../../mailbox/store/api.ts'
import type { Call, CommandDefinition } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { Cursor } from '../grammar/cursor.ts'
import { readSection } from '../grammar/fetch.ts'
import { compact, formatSet } from '../grammar/sets.ts'
import { bad, isAnswer, no, ok, refusal, type TaggedResponse } from '../responses.ts'
import { rangeOf } from '../sections.ts'
import { string } from '../text.ts'
import type { View } from '../view.ts'

/** Maximum messages per command. */
const MOST = 1000
const NAME_LIMIT = 4096

/** Ends the command with this response, from any depth of reading. */
class Refusing extends Error {
  readonly answer: TaggedResponse
  constructor(answer: TaggedResponse) {
    super(answer.text)
    this.answer = answer
  }
}

/** A command whose literals are read here. */
class Reading {
  readonly session: CommandContext
  readonly call: Call
  /** Octets of the current literal still to come. */
  #unread = 0

  constructor(session: CommandContext, call: Call) {
    this.session = session
    this.call = call
  }

  /** The name may itself be a literal, before those of the messages. */
  async name(): Promise<{ readonly name: string; readonly words: Cursor }> {
    const { session, call } = this
    let { cursor } = call
    cursor.space()
    const { literal } = call.more
    if (cursor.atEnd && literal) {
      if (literal.size > NAME_LIMIT) throw new Refusing(no('Mailbox name too long', 'CANNOT'))
      await call.more.invite(literal)
      cursor = new Cursor(['', await session.parts.input.octets(literal.size), await call.more.line()])
    }
    const name = session.readName(cursor)
    cursor.space()
    return { name, words: cursor }
  }

  /** Yields each message; its content must be read before the next is requested. */
  async *messages(first: Cursor): AsyncGenerator<NewMessage> {
    let cursor = first
    for (let count = 1; ; count++) {
      const words = readWords(cursor)
      // RFC 6855 section 4: declares a UTF-8 header, which the store accepts anyway.
      const isUtf8 = cursor.takes('UTF8 (')
      if (cursor.takes('CATENATE (')) {
        const parts = new Catenation(this, cursor)
        yield { ...words, content: parts.content() }
        cursor = await parts.rest()
        if (cursor.atEnd) return
        cursor.space()
        continue
      }
      cursor.end()
      const { literal } = this.call.more
      if (!literal) throw new Refusing(bad('Expected a literal'))
      const most = this.session.parts.options.limits.messagesPerCommand ?? MOST
      if (count > most) throw new Refusing(no('Too many messages in one command', `MESSAGELIMIT ${most}`))
      if (literal.size > this.session.parts.options.limits.messageSize)
        throw new Refusing(no('Message too large', 'TOOBIG'))
      await this.call.more.invite(literal)
      yield { ...words, content: this.content(literal) }
      cursor = new Cursor([await this.call.more.line()])
      if (isUtf8) cursor.expect(')')
      if (cursor.atEnd && !this.call.more.literal) return
      cursor.space()
    }
  }

  async *content({ size, isBinary }: Literal): AsyncGenerator<Uint8Array> {
    this.#unread = size
    this.call.more.literal = undefined
    for await (const chunk of this.session.parts.input.stream(size)) {
      this.#unread -= chunk.length
      // RFC 3516 section 4.4: NUL needs a literal8.
      if (!isBinary && chunk.includes(0)) throw new Refusing(no('NUL needs a literal8', 'CANNOT'))
      yield chunk
    }
  }

  /** Reads the rest of a failed command, if the client sends it without waiting. */
  async discard(): Promise<void> {
    const { more } = this.call
    const { input } = this.session.parts
    let isMidCommand = this.#unread > 0
    await input.skip(this.#unread)
    this.#unread = 0
    while (isMidCommand || more.literal?.isImmediate) {
      if (more.literal) await input.skip(more.literal.size)
      await more.line()
      isMidCommand = false
    }
  }
}

/** RFC 4469: content assembled from the client's input and parts of stored messages. */
class Catenation {
  readonly #reading: Reading
  #cursor: Cursor
  #octets = 0

  constructor(reading: Reading, cursor: Cursor) {
    this.#reading = reading
    this.#cursor = cursor
  }

  async *content(): AsyncGenerator<Uint8Array> {
    const { call } = this.#reading
    for (;;) {
      if (this.#cursor.takes('URL ')) yield* this.#counted(await openUrl(this.#reading.session, this.#cursor.astring()))
      else {
        this.#cursor.expect('TEXT ')
        const { literal } = call.more
        if (!literal || !this.#cursor.atEnd) throw new Refusing(bad('Expected a literal'))
        await call.more.invite(literal)
        yield* this.#counted(this.#reading.content(literal))
        this.#cursor = new Cursor([await call.more.line()])
      }
      if (this.#cursor.takes(')')) return
      this.#cursor.space()
    }
  }

  async *#counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#octets += chunk.byteLength
      if (this.#octets > this.#reading.session.parts.options.limits.messageSize)
        throw new Refusing(no('Message too large', 'TOOBIG'))
      yield chunk
    }
  }

  /** The words after it. */
  async rest(): Promise<Cursor> {
    return this.#cursor
  }
}

/** Invalid encoding is kept as it is. */
function decodeUrl(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (octets) => Buffer.from(octets.replaceAll('%', ''), 'hex').toString())
}

/**
 * RFC 5092, as far as RFC 4469 needs it: `/INBOX;UIDVALIDITY=1/;UID=2/;SECTION=1.2`; without a name it is relative to
 * the selected mailbox.
 */
async function openUrl(session: CommandContext, url: string): Promise<AsyncIterable<Uint8Array>> {
  const bad = new Refusing(no('URL not found', `BADURL ${string(url, session.isUtf8)}`))
  const found =
    /^(?:\/([^;]+)(?:;UIDVALIDITY=(\d{1,10}))?)?\/;UID=(\d{1,10})(?:\/;SECTION=([^;]+?))?(?:\/;PARTIAL=(\d{1,15})(?:\.(\d{1,15}))?)?$/i.exec(
      url,
    )
  if (!found) throw bad
  const [, name, validity, uid, section = '', start = '0', length] = found
  const shutOut = name === undefined ? await session.shutOut() : undefined
  if (shutOut) throw new Refusing(shutOut)
  const mailbox = name === undefined ? session.view?.mailbox : await session.mailbox(decodeUrl(name), 'r')
  if (!mailbox || isAnswer(mailbox) || (validity !== undefined && Number(validity) !== mailbox.uidValidity)) throw bad
  const [entry] = await Array.fromAsync(session.mail.entries(mailbox, [[Number(uid), Number(uid)]]))
  const email = entry && (await session.mail.email(entry.email))
  if (!email) throw bad
  const range =
    section === ''
      ? { start: 0, end: email.size }
      : rangeOf(await email.structure(), readSection(new Cursor([decodeUrl(section)])))
  if (!range) throw bad
  // As in FETCH, a range beyond the end is empty.
  const from = Math.min(range.end, range.start + Number(start))
  return email.open({
    ...range,
    start: from,
    end: length === undefined ? range.end : Math.min(range.end, from + Number(length)),
  })
}

/** The optional words before a literal: flags and a date. */
function readWords(cursor: Cursor): Pick<NewMessage, 'flags' | 'received'> {
  const flags = cursor.peek() === '(' ? cursor.flags() : undefined
  if (flags) cursor.space()
  const received = cursor.peek() === '"' ? cursor.dateTime() : undefined
  if (received !== undefined) cursor.space()
  return { ...(flags ? { flags } : {}), ...(received === undefined ? {} : { received }) }
}

async function targetOf(session: CommandContext, name: string): Promise<Mailbox> {
  const target = await session.mailbox(name, 'i')
  if (!isAnswer(target) && !target.noSelect) return target
  if (!isAnswer(target)) throw new Refusing(no('Mailbox cannot hold messages', 'TRYCREATE'))
  throw new Refusing(target.code === 'NONEXISTENT' ? { ...target, code: 'TRYCREATE' } : target)
}

/** Runs a reading function; if it ends early, the rest of the command is read. */
async function reading(
  session: CommandContext,
  call: Call,
  work: (reading: Reading) => Promise<TaggedResponse>,
): Promise<TaggedResponse> {
  const one = new Reading(session, call)
  let answer: TaggedResponse
  try {
    answer = await work(one)
  } catch (error) {
    await one.discard()
    if (!(error instanceof Refusing)) throw error
    answer = error.answer
  }
  return answer
}

async function appendTo(one: Reading, target: Mailbox, words: Cursor): Promise<string> {
  const done = await one.session.mail.append(target, one.messages(words))
  if ('refused' in done) throw new Refusing(refusal(done, true))
  await one.session.changed({ cause: 'APPEND', mailbox: target, uids: done.uids })
  return `APPENDUID ${done.uidValidity} ${formatSet(compact(done.uids))}`
}

export const append: CommandDefinition = {
  state: 'authenticated',
  reads: true,
  run: (session, call) =>
    reading(session, call, async (one) => {
      const { name, words } = await one.name()
      return ok('APPEND completed', await appendTo(one, await targetOf(session, name), words))
    }),
}

export const replace: CommandDefinition = {
  state: 'selected',
  uid: true,
  reads: true,
  run: (session, call) =>
    reading(session, call, async (one) => {
      const view = session.view as View
      call.cursor.space()
      const number = call.cursor.number()
      const uid = call.isUid ? number : view.uidOf(number)
      const { name, words } = await one.name()
      if (uid === undefined || view.numberOf(uid) === undefined) throw new Refusing(bad('No such message'))
      if (view.isReadOnly || !(await session.may(view.mailbox, 'te')))
        throw new Refusing(no('Permission denied', 'NOPERM'))
      const code = await appendTo(one, await targetOf(session, name), words)
      // RFC 8508 section 3.4: before the EXPUNGE of the replaced message.
      session.output.line(`* OK [${code}] Replacement message`)
      const gone = await session.mail.expunge(view.mailbox, [[uid, uid]])
      return 'refused' in gone ? refusal(gone) : ok('REPLACE completed')
    }),
}
