/**
 * Images that the HTML of a text shows: parts beside it, with an id that its `cid:` address names.
 *
 * Invariant: one image has one id, whatever the message, so that a thread does not collect copies with ids of one name.
 */
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { basename, extname } from 'node:path'
import type { NewPart } from 'iems/mime'

/** Octets of one image: it goes out with every message. */
const MAX_IMAGE = 1_048_576
const TYPES: Readonly<Record<string, string>> = {
  '.gif': 'image/gif',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
}

export interface ImageOption {
  readonly id: string
  readonly file: string
}

export interface Image {
  /** As the HTML names it. */
  readonly name: string
  /** Content-ID. */
  readonly id: string
  readonly part: NewPart
}

/** Reads the files. Throws for one that cannot be read, is too large, or is no image. */
export function readImages(images: readonly ImageOption[]): readonly Image[] {
  return images.map(({ id: name, file }) => {
    const type = TYPES[extname(file).toLowerCase()]
    if (type === undefined) throw new Error(`${file}: must be ${Object.keys(TYPES).join(', ')}`)
    if (statSync(file).size > MAX_IMAGE) throw new Error(`${file}: has more than ${MAX_IMAGE} octets`)
    const content = readFileSync(file)
    const id = `${name}.${createHash('sha256').update(content).digest('hex').slice(0, 32)}@iems`
    return { name, id, part: { type, name: basename(file), disposition: 'inline', id, content } }
  })
}

/** HTML with the ids of its images. */
export function withIds(html: string, images: readonly Image[]): string {
  const ids = new Map(images.map(({ name, id }) => [name, id]))
  return html.replace(/\bcid:([\w.-]{1,64})/gi, (all, name: string) => (ids.has(name) ? `cid:${ids.get(name)}` : all))
}

/** Those that HTML shows. */
export const imagesIn = (html: string, images: readonly Image[]): readonly Image[] =>
  images.filter(({ id }) => html.includes(`cid:${id}`))
