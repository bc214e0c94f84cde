/**
 * The server side: a stage of another mail server's session runs the hooks of this server's plugins.
 *
 * Invariants: each request stands for itself, so the steps up to its stage run again; a fault is a temporary refusal.
 */
import {
  type Examination,
  FAULT,
  type Refusal,
  type Reply,
  type ServerSession,
  type SetupContext,
  splitContent,
} from 'iems'
import { headerChanges } from '../milter-server/api.ts'
import type { HookRequest, HookResponse, Modification } from './protocol.ts'

const MAX_HEADER = 4_194_304
const ACCEPT: HookResponse = { action: 'accept', modifications: [] }

const rejected = ({ code, enhanced, text }: Reply): HookResponse => ({
  action: 'reject',
  response: { status: code, enhanced_status: enhanced, message: text },
  modifications: [],
})

export async function answerTo(
  ctx: Pick<SetupContext, 'openSession' | 'log'>,
  asked: HookRequest,
): Promise<HookResponse> {
  const { client, tls, sasl } = asked.context
  const session = ctx.openSession({
    protocol: 'ESMTP',
    remote: { address: client.ip, ...(client.port ? { port: client.port } : {}), name: client.ptr ?? null },
    ...(tls ? { tls } : {}),
    isElsewhere: true,
  })
  try {
    session.update({
      ...(client.helo ? { helo: client.helo } : {}),
      ...(sasl ? { identity: { kind: 'identity', user: sasl.login, mayRelay: true } } : {}),
    })
    return await run(session, asked)
  } catch (cause) {
    ctx.log.error('an MTA hook failed', { stage: asked.context.stage, cause })
    return rejected(FAULT.reply)
  } finally {
    session.close()
  }
}

async function run(
  session: ServerSession,
  { context: { stage }, envelope, message }: HookRequest,
): Promise<HookResponse> {
  const refusal = await session.connect()
  if (refusal) return rejected(refusal.reply)
  if (!envelope || stage === 'connect' || stage === 'ehlo' || stage === 'auth') return ACCEPT
  const { from, to } = envelope
  const mail = await session.mail(from.address, {})
  if (mail) return rejected(mail.reply)
  let last: Refusal | undefined
  const taken: string[] = []
  for (const { address } of to) {
    last = await session.rcpt({ address })
    if (!last) taken.push(address)
  }
  // At rcpt the request is about the last recipient; at data the mail server has decided about all of them.
  if (last && (stage === 'rcpt' || taken.length === 0)) return rejected(last.reply)
  if (stage !== 'data' || !message || taken.length === 0) return ACCEPT
  const before = message.headers.map(([name, value]) => ({ name, value: rawValue(value) }))
  const header = before.map(({ name, value }) => `${name}:${value}\r\n`).join('')
  const content = Buffer.from(`${header}\r\n${message.contents.replace(/\r?\n/g, '\r\n')}`)
  return session.examine(once(content), (examination) => responseTo(examination, { before, from: from.address, taken }))
}

/** Everything after the colon but the last line end; a space follows the colon if the mail server has left it out. */
function rawValue(value: string): string {
  const plain = value.replace(/\r?\n$/, '').replace(/\r?\n/g, '\r\n')
  return /^[ \t]/.test(plain) ? plain : ` ${plain}`
}

interface Given {
  readonly before: readonly { readonly name: string; readonly value: string }[]
  readonly from: string
  readonly taken: readonly string[]
}

async function responseTo(
  { verdict, refused, messages }: Examination,
  { before, from, taken }: Given,
): Promise<HookResponse> {
  if (verdict?.kind === 'refuse') return rejected(verdict.reply)
  if (verdict?.kind === 'discard') return { action: 'discard', modifications: [] }
  const [one] = refused
  if (one) return rejected(one.refusal.reply)
  const [message] = messages
  const split = message && (await splitContent(message.open(), MAX_HEADER))
  if (!message || !split) return message ? rejected(FAULT.reply) : ACCEPT
  const recipients = messages.flatMap((each) => each.recipients.map(({ address }) => address))
  const after = split.fields.map(({ name, value }) => ({ name, value: utf8(value) }))
  const { removals, additions } = headerChanges({ before, after })
  const modifications: Modification[] = [
    ...removals.map(({ count, name }) => ({ type: 'deleteHeader' as const, index: count, name })),
    ...additions.map(({ at, name, value }) => ({
      type: 'insertHeader' as const,
      index: at,
      name,
      value: value.trim(),
    })),
    ...(message.from === from ? [] : [{ type: 'changeFrom' as const, value: message.from }]),
    ...recipients.filter((one) => !taken.includes(one)).map((value) => ({ type: 'addRecipient' as const, value })),
    ...taken.filter((one) => !recipients.includes(one)).map((value) => ({ type: 'deleteRecipient' as const, value })),
  ]
  if (message.isReplaced)
    modifications.push({
      type: 'replaceContents',
      value: Buffer.concat(await Array.fromAsync(split.body)).toString(),
    })
  return { action: verdict ? 'quarantine' : 'accept', modifications }
}

const utf8 = (value: string) => Buffer.from(value, 'latin1').toString()

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content
}
