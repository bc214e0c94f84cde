/**
 * Passkeys in the browser (WebAuthn), as JSON to and from the server.
 */
import { ask } from './ask.ts'

/** Passkeys are for host names, not for addresses, and need a secure context. */
export const hasPasskeys = (): boolean =>
  'PublicKeyCredential' in window &&
  typeof PublicKeyCredential.parseRequestOptionsFromJSON === 'function' &&
  !/^[\d.]+$|:/.test(location.hostname)

/** Shows a passkey: the answer for the server. Throws when the person does not. */
export async function showPasskey(): Promise<unknown> {
  const options = await ask<PublicKeyCredentialRequestOptionsJSON>('POST', '/api/login/passkey/options')
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options)
  return ((await navigator.credentials.get({ publicKey })) as PublicKeyCredential).toJSON()
}

export async function makePasskey(name: string): Promise<void> {
  const options = await ask<PublicKeyCredentialCreationOptionsJSON>('POST', '/api/passkeys/options')
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options)
  const made = (await navigator.credentials.create({ publicKey })) as PublicKeyCredential
  await ask('POST', '/api/passkeys', { name, response: made.toJSON() })
}
