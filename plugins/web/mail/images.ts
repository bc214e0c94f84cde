/**
 * Remote images of messages, fetched by the server when the reader allows it: the sender learns neither their address
 * nor their browser.
 *
 * Invariants: only public addresses are contacted, by TLS, without cookies or a referrer; only raster images are passed
 * on, judged by their octets instead of the server's content type.
 */
import type { Dns } from 'iems'
import * as z from 'zod'
import { Download, type HttpApi, HttpProblem, requestPublic } from '../http/api.ts'

const MAX_REDIRECTS = 3
const TIMEOUT_MS = 15_000
const MAX_AGE_S = 86_400
const PER_MINUTE = 600
const REDIRECTS = [301, 302, 303, 307, 308]

const startsWith = (octets: Buffer, text: string, at = 0) =>
  octets.subarray(at, at + text.length).toString('latin1') === text

/** The type of a raster image by its first octets. */
export function imageType(octets: Buffer): string | undefined {
  if (startsWith(octets, '\x89PNG\r\n\x1a\n')) return 'image/png'
  if (startsWith(octets, '\xff\xd8\xff')) return 'image/jpeg'
  if (startsWith(octets, 'GIF87a') || startsWith(octets, 'GIF89a')) return 'image/gif'
  if (startsWith(octets, 'RIFF') && startsWith(octets, 'WEBP', 8)) return 'image/webp'
  if (startsWith(octets, 'ftypavif', 4) || startsWith(octets, 'ftypavis', 4)) return 'image/avif'
  if (startsWith(octets, 'BM')) return 'image/bmp'
  return undefined
}

export interface ImageOptions {
  /** Octets of one image. */
  readonly maxSize: number
  /** Additional non-public networks, which need no TLS. */
  readonly allow: readonly string[]
}

async function fetchImage(given: string, { maxSize, allow }: ImageOptions, dns: Dns): Promise<Buffer> {
  let url = given
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const { status, headers, body } = await requestPublic(
      { url, headers: { accept: 'image/*' }, maxAnswer: maxSize, timeout: TIMEOUT_MS, allow },
      dns,
    )
    const { location } = headers
    if (REDIRECTS.includes(status) && typeof location === 'string') url = new URL(location, url).href
    else if (status === 200) return body
    else throw new Error(`the server answered ${status}`)
  }
  throw new Error('too many redirects')
}

export function addImageProxy(http: HttpApi, options: ImageOptions, dns: Dns): void {
  http.stream({
    method: 'GET',
    path: '/mail/image',
    who: 'user',
    summary: 'Fetches a remote image of a message',
    query: z.object({ url: z.url({ protocol: /^https?$/ }).max(4000) }),
    limit: { perMinute: PER_MINUTE },
    async run({ query: { url }, header }) {
      // An address bar or another site is no message.
      if ((header('sec-fetch-dest') ?? 'image') !== 'image') throw new HttpProblem(403, 'Only messages show images')
      const isAllowedPlain = options.allow.length > 0
      const asked = isAllowedPlain ? url : url.replace(/^http:/i, 'https:')
      const body = await fetchImage(asked, options, dns).catch((cause: unknown) => {
        throw new HttpProblem(502, `The image could not be fetched: ${cause instanceof Error ? cause.message : cause}`)
      })
      const type = imageType(body)
      if (type === undefined) throw new HttpProblem(415, 'The answer is no image')
      return new Download({
        type,
        size: body.length,
        maxAge: MAX_AGE_S,
        open: async function* () {
          yield body
        },
        headers: { 'content-security-policy': "default-src 'none'; sandbox", 'x-content-type-options': 'nosniff' },
      })
    },
  })
}
