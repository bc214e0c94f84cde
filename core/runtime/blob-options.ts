/** The options of the configuration's `blobs`. */
import * as z from 'zod'
import { type Secret, secretValue } from './secret.ts'

const KEY_OCTETS = 32

/** A key of 32 octets as written in hexadecimal or base64. Throws RangeError. */
export function keyOctets(text: string): Buffer {
  const octets = Buffer.from(text.trim(), /^[\da-f]{64}$/i.test(text.trim()) ? 'hex' : 'base64')
  if (octets.length !== KEY_OCTETS) throw new RangeError('it is not 32 octets in hexadecimal or base64')
  return octets
}

const isKey = (secret: Secret): boolean => {
  let text: string
  try {
    text = secret.reveal()
  } catch {
    // Reported as a missing secret.
    return true
  }
  try {
    return keyOctets(text).length === KEY_OCTETS
  } catch {
    return false
  }
}

const keyId = z.string().regex(/^[\w.-]{1,64}$/, 'must be letters, digits, dots, hyphens and underscores')

export const blobOptions = z
  .strictObject({
    compress: z
      .boolean()
      .default(false)
      .describe(
        'Compress new content with Zstandard, in blocks of 64 KiB; blocks that would hardly shrink stay as they are.',
      ),
    keys: z
      .record(
        keyId,
        secretValue().refine(isKey, 'must be 32 octets in hexadecimal or base64, as `openssl rand -hex 32` prints'),
      )
      .default({})
      .describe(
        "Keys for encryption at rest, by a name that is stored with each blob: { '2026': secret.file('/etc/iems/blobs-2026.key') }. A key that was used on the store stays here.",
      ),
    encrypt: keyId
      .optional()
      .describe('Name of the key that encrypts new content (AES-256-GCM). Default: no encryption.'),
    verify: z
      .boolean()
      .default(false)
      .describe(
        'Store new content with its SHA-256 hash, and compare it whenever the content is read whole. Always on with `place`.',
      ),
    place: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Folder, mounted on all servers of the store, or bucket ('s3://BUCKET/PREFIX') for content larger than 64 KiB. Default: the store itself.",
      ),
    credentials: z
      .string()
      .min(1)
      .optional()
      .describe(
        'File with the credentials of the bucket, in the format of AWS. Default: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL of the environment.',
      ),
  })
  .refine(({ encrypt, keys }) => encrypt === undefined || encrypt in keys, {
    path: ['encrypt'],
    error: 'must be the name of one of the keys',
  })
