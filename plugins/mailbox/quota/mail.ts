/**
 * Mail that the plugin writes: UTF-8 text, marked as made by a program.
 */
import type { SetupContext, Submission } from 'iems'

export interface Letter {
  readonly to: string
  readonly subject: string
  readonly text: string
  /** An HTML attachment for mail programs that display it. */
  readonly html?: { readonly name: string; readonly content: string }
  /** Idempotency key. */
  readonly once: string
}

const base64 = (text: string) =>
  Buffer.from(text)
    .toString('base64')
    .match(/.{1,76}/g)
    ?.join('\r\n') ?? ''
const part = (type: string, text: string, more: readonly string[] = []) =>
  [`Content-Type: ${type}; charset=utf-8`, 'Content-Transfer-Encoding: base64', ...more, '', base64(text)].join('\r\n')

/** Encoded words of at most 75 characters (RFC 2047). */
function words(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text
  const pieces: string[] = []
  let piece = ''
  for (const character of text) {
    if (Buffer.byteLength(piece + character) > 42) {
      pieces.push(piece)
      piece = ''
    }
    piece += character
  }
  return [...pieces, piece].map((one) => `=?utf-8?B?${Buffer.from(one).toString('base64')}?=`).join('\r\n ')
}

export function writeLetter({ to, subject, text, html }: Letter, hostname: string, at: number): string {
  const boundary = '=_iems-quota'
  const body = part('text/plain', text.replace(/\r?\n/g, '\r\n'))
  const attached = html && part('text/html', html.content, [`Content-Disposition: attachment; filename="${html.name}"`])
  return [
    `From: Mail quota <postmaster@${hostname}>`,
    `To: <${to}>`,
    `Subject: ${words(subject.replace(/[\r\n]/g, ' '))}`,
    `Date: ${new Date(at).toUTCString().replace('GMT', '+0000')}`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    attached === undefined
      ? body
      : `Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n--${boundary}\r\n${body}\r\n--${boundary}\r\n${attached}\r\n--${boundary}--`,
    '',
  ].join('\r\n')
}

/** Hands a letter in; throws when it is not accepted for now. */
export function createPost({ submit, hostname, clock }: Pick<SetupContext, 'submit' | 'hostname' | 'clock'>) {
  return async function post(letter: Letter): Promise<void> {
    const content = writeLetter(letter, hostname, clock.now())
    const message: Submission = { from: '', to: [letter.to], content, submission: true, once: letter.once }
    const { reply } = await submit(message)
    if (reply.code >= 400 && reply.code < 500) throw new Error(`not sent: ${reply.code} ${reply.text}`)
  }
}
export type Post = ReturnType<typeof createPost>
