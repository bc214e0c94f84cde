/**
 * Reading MIME, lent to plugins that look into messages: the structure, decoded parts and fields, the words of HTML.
 */
export { tokensOf } from './addresses.ts'
export { type MailDate, readDate } from './dates.ts'
export { gather } from './gather.ts'
export { type Fields, readFields } from './header.ts'
export { createCharsets, decodeCharset, readLong } from './parameters.ts'
export { createSources } from './sources.ts'
export { envelopeOf, type MimePart, readStructure } from './structure.ts'
export { fromHtml } from './text.ts'
export { partBody } from './transfer.ts'
export { decodeWords } from './words.ts'
