/**
 * Mail that the plugin writes: UTF-8 text, marked as made by a program.
 */
import { createHash } from 'node:crypto'
import type { SetupContext, Submission } from 'iems'
import { multipart, ownHeader, parameter, partHeader, textEntity, textPart } from 'iems/mime'

export interface Letter {
  readonly to: string
  readonly subject: string
  readonly text: string
  /** An HTML attachment for mail programs that display it. */
  readonly html?: { readonly name: string; readonly content: string }
  /** Idempotency key. */
  readonly once: string
}

async function* contentOf({ to, subject, text, html, once }: Letter, hostname: string, date: number) {
  yield Buffer.from(
    ownHeader({
      from: { name: 'Mail quota', address: `postmaster@${hostname}` },
      to: [to],
      subject,
      date,
      messageId: `<${createHash('sha256').update(once).digest('base64url').slice(0, 22)}@${hostname}>`,
      auto: 'auto-generated',
    }),
  )
  if (!html) {
    yield Buffer.from(textEntity(text))
    return
  }
  const attached = `\r\nContent-Disposition: attachment${parameter('filename', html.name)}`
  const parts = [textPart('text/plain', text), textPart('text/html', html.content, attached)]
  const whole = multipart('mixed', '=_iems-quota', () => parts)
  yield Buffer.from(partHeader(whole))
  yield* whole.body()
}

/** Hands a letter in; throws when it is not accepted for now. */
export function createPost({ submit, hostname, clock }: Pick<SetupContext, 'submit' | 'hostname' | 'clock'>) {
  return async function post(letter: Letter): Promise<void> {
    const content = contentOf(letter, hostname, clock.now())
    const message: Submission = { from: '', to: [letter.to], content, submission: true, once: letter.once }
    const { reply } = await submit(message)
    if (reply.code >= 400 && reply.code < 500) throw new Error(`not sent: ${reply.code} ${reply.text}`)
  }
}
export type Post = ReturnType<typeof createPost>
