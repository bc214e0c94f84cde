/**
 * MIME, as 'iems/mime': the structure of a message, its parts and fields decoded, addresses, dates, text; messages
 * rewritten part by part; and files in every format that mail carries them in.
 *
 * Exports are stable within a major version, as in 'iems'. Every reader accepts any octets, in linear time and within
 * stated limits.
 */
export { type EnvelopeAddress, readAddresses, type Token, tokensOf } from './addresses.ts'
export {
  type Budget as ArchiveBudget,
  type Problem as ArchiveProblem,
  problemsOf as archiveProblems,
  RAR,
} from './archives/archives.ts'
export { rarOf } from './archives/rar.ts'
export { filesInTar, isTar, type TarredFile } from './archives/tar.ts'
export { type Author, type Authors, authorsIn } from './authors.ts'
export { codePage } from './charset.ts'
export {
  addressField,
  dateText,
  encodeWords,
  type Mailbox,
  type Moment,
  parameter,
  phrase,
  rawField,
  textField,
} from './compose/fields.ts'
export { type OwnHeader, ownHeader } from './compose/message.ts'
export { type Attached, filePart, multipart, type Part, partHeader, textEntity, textPart } from './compose/parts.ts'
export { type ReportMail, reportMail } from './compose/report-mail.ts'
export { type MailDate, readDate } from './dates.ts'
export { type Envelope, envelopeOf } from './envelope.ts'
export { type AppleFile, isApple, readApple, writeAppleDouble, writeAppleSingle } from './formats/apple.ts'
export { readBinhex, writeBinhex } from './formats/binhex.ts'
export type { DecodedFile, FileFacts, MacAttributes } from './formats/model.ts'
export { type RtfText, readRtf } from './formats/rtf.ts'
export { binariesOf, isTnef, readTnef, type Tnef, type TnefAttachment } from './formats/tnef.ts'
export { writeUuencode } from './formats/uuencode.ts'
export {
  decodeWrapped,
  findWrapped,
  joinYencParts,
  MAX_WRAPPED,
  openWrapped,
  type WrappedFile,
} from './formats/wrapped.ts'
export { writeYenc } from './formats/yenc.ts'
export { gather } from './gather.ts'
export { type Field, type Fields, readFields } from './header.ts'
export { typeOfName } from './media-types.ts'
export { attachmentName, baseName } from './names.ts'
export { type Charsets, createCharsets, decodeCharset, readLong, readParameters } from './parameters.ts'
export { decodePart } from './part-text.ts'
export type { EncodedBody, MimePart, Readable } from './parts.ts'
export type {
  NewPart,
  PartChange,
  PartEditor,
  PartFilter,
  PartView,
  Rewritable,
  RewriteOptions,
  RewriteProblem,
  Rewritten,
} from './rewrite/api.ts'
export { structureProblem } from './rewrite/editing.ts'
export { base64Lines, toBase64 } from './rewrite/encode.ts'
export { rewriteMime } from './rewrite/rewrite.ts'
export { writePart } from './rewrite/writing.ts'
export { createSources } from './sources.ts'
export { eachPart, readStructure } from './structure.ts'
export { type EmailText, fromHtml, preview, readText } from './text.ts'
export { fromBase64, partBody } from './transfer.ts'
export { decodeWords } from './words.ts'
export { createXmlReader, type XmlHandlers, type XmlReader } from './xml.ts'
