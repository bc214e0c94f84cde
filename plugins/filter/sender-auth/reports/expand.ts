/**
 * Extracts the XML of an attachment: plain, gzipped, or in a ZIP archive.
 *
 * Invariants: an attachment never expands to more than `most` octets, whatever it declares.
 */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { readZip } from 'iems'

const unzip = promisify(gunzip)
/** Maximum files in an archive; reports have one. */
const MAX_FILES = 10

/** Undefined when there is none; throws when it is corrupt or larger than `most` octets. */
export async function expandReport(content: Buffer, most: number): Promise<string | undefined> {
  if (content.length > most) throw new Error('the attachment is too large')
  if (content[0] === 0x1f && content[1] === 0x8b)
    return (await unzip(content, { maxOutputLength: most })).toString('utf8')
  if (content.subarray(0, 4).equals(Buffer.from('PK\x03\x04', 'latin1'))) return fromArchive(content, most)
  return /^(?:\ufeff)?\s*<(?:\?xml|feedback)/.test(content.subarray(0, 200).toString('utf8'))
    ? content.toString('utf8')
    : undefined
}

async function fromArchive(content: Buffer, most: number): Promise<string | undefined> {
  for await (const file of readZip(content, { files: MAX_FILES, size: most })) {
    if (/\.xml$/i.test(file.name)) return Buffer.concat(await Array.fromAsync(file.open())).toString('utf8')
  }
  return undefined
}
