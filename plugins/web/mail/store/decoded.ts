/**
 * Files that a message holds in formats older than MIME. The server has a form of such a message with the files as MIME
 * parts, which is read instead.
 */
import { BODY_ARGUMENTS, bodyOf } from './body.ts'
import type { JmapClient, Json } from './client.ts'
import type { Body } from './objects.ts'

/** Before the blob id of a message: its form with all files as MIME parts. */
const DECODED = 'D'
const FILE_IN_TEXT = /^(?:begin(?:-base64)? [0-7]{3,4} \S|=ybegin |\(This file must be converted with BinHex)/m
const OLD_TYPE = /^application\/(?:(?:vnd\.)?ms-tnef|applefile|(?:x-)?(?:mac-)?binhex(?:40)?)$/
const OLD_NAME = /^winmail.{0,50}\.dat$|\.hqx$/i

const hidesFiles = ({ text, attachments }: Body): boolean =>
  FILE_IN_TEXT.test(text) || attachments.some(({ type, name }) => OLD_TYPE.test(type) || OLD_NAME.test(name ?? ''))

/** The bodies of emails, in their order, as `Email/get` or `Email/parse` answered them, with their `blobId`. */
export async function decodedBodies(client: JmapClient, emails: readonly Json[]): Promise<readonly Body[]> {
  const bodies = emails.map(bodyOf)
  const blobIds = emails.flatMap(({ blobId }, index) => (hidesFiles(bodies[index] as Body) ? [DECODED + blobId] : []))
  if (blobIds.length === 0) return bodies
  const [parsed] = await client.call(['Email/parse', { blobIds, ...BODY_ARGUMENTS }])
  return emails.map(({ blobId }, index) => {
    const decoded = parsed?.parsed?.[DECODED + blobId] as Json | undefined
    return decoded ? bodyOf(decoded) : (bodies[index] as Body)
  })
}
