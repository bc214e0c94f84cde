/**
 * One mail transaction: MAIL, RCPT and DATA, pipelined if supported (RFC 2920), then the content.
 *
 * Invariants: the end of the content is sent only after all of it; an unfinished transaction is reset before the next;
 * replies are interpreted elsewhere.
 */
import type { SmtpConnection } from './client.ts'
import type { Content } from './content.ts'
import type { Envelope } from './envelope.ts'
import { type Answers, isPositive } from './outcomes.ts'
import type { RemoteReply } from './replies.ts'

export interface TransactionOptions {
  readonly lmtp: boolean
  /** With BDAT (RFC 3030), octets unchanged. */
  readonly binary: boolean
  readonly timeouts: { readonly reply: number; readonly block: number; readonly final: number }
}

/** Replaces replies to commands that were not sent. */
const UNSAID: RemoteReply = { code: 451, text: '4.3.0 Not asked' }

/** Throws only if the content cannot be read; the connection is then closed. */
export async function transact(
  conversation: SmtpConnection,
  envelope: Envelope,
  content: Content,
  options: TransactionOptions,
): Promise<Answers> {
  const open = conversation.features.pipelining ? openInOneFlight : openStepByStep
  const opening = open(conversation, envelope, options)
  try {
    // While the replies are on their way.
    const whole = options.binary ? undefined : await content.whole()
    const { mail, rcpts, data } = await opening
    const accepted = isPositive(mail) ? rcpts.filter(isPositive).length : 0
    if (data.code !== 354 || (accepted === 0 && options.binary))
      return { mail, rcpts, data, finals: [], isComplete: false }
    if (accepted === 0) {
      // RFC 2920 section 3.1: a server may ask for content without accepted recipients; it gets empty content.
      conversation.send('.\r\n')
      await conversation.expect(1, options.timeouts.reply)
      return { mail, rcpts, data, finals: [], isComplete: false }
    }
    const count = options.lmtp ? accepted : 1
    const sent = await (options.binary ? sendBinary : sendContent)(conversation, whole ?? content, count, options)
    conversation.messages++
    return { mail, rcpts, data, ...sent }
  } catch (cause) {
    conversation.lose('stopped')
    await opening
    throw cause
  }
}

interface Opening {
  readonly mail: RemoteReply
  readonly rcpts: readonly RemoteReply[]
  readonly data: RemoteReply
}

async function openInOneFlight(
  conversation: SmtpConnection,
  { mail, rcpts }: Envelope,
  { binary, timeouts }: TransactionOptions,
): Promise<Opening> {
  const reset = conversation.isDirty
  conversation.isDirty = true
  conversation.send(`${reset ? 'RSET\r\n' : ''}${mail}${rcpts.join('')}${binary ? '' : 'DATA\r\n'}`)
  const replies = await conversation.expect(rcpts.length + (reset ? 2 : 1) + (binary ? 0 : 1), timeouts.reply)
  if (reset) replies.shift()
  const [first = UNSAID, ...rest] = replies
  return { mail: first, rcpts: rest.slice(0, rcpts.length), data: binary ? GO_AHEAD : (rest.at(-1) ?? UNSAID) }
}

/** BDAT needs no go-ahead. */
const GO_AHEAD: RemoteReply = { code: 354, text: '' }

async function openStepByStep(
  conversation: SmtpConnection,
  envelope: Envelope,
  { binary, timeouts }: TransactionOptions,
): Promise<Opening> {
  const ask = async (command: string) => {
    conversation.send(command)
    const [reply] = await conversation.expect(1, timeouts.reply)
    return reply as RemoteReply
  }
  if (conversation.isDirty) await ask('RSET\r\n')
  conversation.isDirty = true
  const mail = await ask(envelope.mail)
  if (!isPositive(mail)) return { mail, rcpts: [], data: UNSAID }
  const rcpts: RemoteReply[] = []
  for (const rcpt of envelope.rcpts) rcpts.push(await ask(rcpt))
  if (!rcpts.some(isPositive)) return { mail, rcpts, data: UNSAID }
  return { mail, rcpts, data: binary ? GO_AHEAD : await ask('DATA\r\n') }
}

type Sent = Pick<Answers, 'finals' | 'isComplete'>

async function sendContent(
  conversation: SmtpConnection,
  content: Buffer | Content,
  count: number,
  { timeouts }: TransactionOptions,
): Promise<Sent> {
  if (content instanceof Uint8Array) {
    const isComplete = !conversation.isOver
    conversation.send(content)
    conversation.isDirty = false
    return { finals: await conversation.expect(count, timeouts.final), isComplete }
  }
  return stream(conversation, content.stuffed(), count, timeouts)
}

async function sendBinary(
  conversation: SmtpConnection,
  content: Buffer | Content,
  count: number,
  { timeouts }: TransactionOptions,
): Promise<Sent> {
  const { size, raw } = content as Content
  conversation.send(`BDAT ${size} LAST\r\n`)
  return stream(conversation, raw(), count, timeouts)
}

/** Sends at the server's pace; a reply before the end stops it. */
async function stream(
  conversation: SmtpConnection,
  chunks: AsyncIterable<Uint8Array>,
  count: number,
  timeouts: TransactionOptions['timeouts'],
): Promise<Sent> {
  const finals = conversation.expect(count)
  let isComplete = true
  for await (const chunk of chunks) {
    isComplete = !conversation.isAnswered
    if (!isComplete) break
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (!conversation.send(buffer)) await conversation.drain(timeouts.block)
  }
  if (!isComplete) {
    // The server's treatment of the rest is unknown.
    const early = await finals
    conversation.lose('answered before the end of the content')
    return { finals: early.map(unlessPositive), isComplete }
  }
  conversation.isDirty = false
  if (!conversation.isAnswered) conversation.allow(timeouts.final)
  return { finals: await finals, isComplete }
}

function unlessPositive(reply: RemoteReply): RemoteReply {
  return isPositive(reply) ? { code: 451, text: '4.5.0 The server answered before the end of the content' } : reply
}
