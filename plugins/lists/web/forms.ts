/**
 * A proof that a form was shown and filled in by a person, without a service outside: a signed time, and a field that
 * only programs fill in.
 */
import { createHmac } from 'node:crypto'
import { isSameSecret } from 'iems'
import { type Html, HttpProblem, html } from '../../web/http/api.ts'

/** A form is filled in after this time, and before that one. */
const MIN_MS = 2000
const MAX_MS = 3 * 3_600_000

const macOf = (secret: Buffer, purpose: string, at: number) =>
  createHmac('sha256', secret).update(`form\0${purpose}\0${at}`).digest('base64url')

export function proofFields(secret: Buffer, purpose: string, now: number): Html {
  return html`<input type="hidden" name="proof" value="${`${now}.${macOf(secret, purpose, now)}`}"><p class="extra" aria-hidden="true"><label for="${purpose}-website">Leave this empty</label><input id="${purpose}-website" name="website" tabindex="-1" autocomplete="off"></p>`
}

/** Throws for a form that a program has sent. */
export function checkProof(
  secret: Buffer,
  purpose: string,
  now: number,
  form: { readonly proof?: string | undefined; readonly website?: string | undefined },
): void {
  const [time = '', mac = ''] = (form.proof ?? '').split('.')
  const at = Number(time)
  const isRight = isSameSecret(mac, macOf(secret, purpose, at))
  const age = now - at
  if (!isRight || age < MIN_MS || age > MAX_MS || (form.website ?? '') !== '')
    throw new HttpProblem(400, 'The form has expired or was sent too quickly: go back, reload the page and try again')
}
