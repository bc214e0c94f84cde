/**
 * Messages with the files of older formats (`winmail.dat`, uuencode, yEnc, BinHex) as MIME parts, for mail that the
 * plugin attachments did not change when it came in.
 */
import { gather } from 'iems/mime'
import { asMime } from '../../content/attachments/api.ts'
import type { JmapApi } from '../jmap/api.ts'

/** A message's MIME form has this letter before the message's own blob id; `store/decoded.ts` asks for it. */
const DECODED = 'D'
const MAX_SIZE = 100 * 1024 * 1024

export function addDecodedBlobs(jmap: JmapApi): void {
  jmap.blobs(DECODED, async (account, id, call) => {
    // A form of a form is the same, and one request would read the message as often as it has letters.
    const message = id.startsWith(DECODED) ? undefined : await jmap.openBlob(account, id, call)
    const size = message?.size
    if (!message || size === undefined || size > MAX_SIZE) return undefined
    const content = await asMime({ size, open: (range) => message.open(range) })
    if (!content) return undefined
    const octets = await gather(content(), MAX_SIZE)
    return {
      size: octets.length,
      async *open({ start, end } = { start: 0, end: octets.length }) {
        yield octets.subarray(start, end)
      },
    }
  })
}
