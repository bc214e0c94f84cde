/**
 * Messages composed from what other systems have: fields, parts and their encodings, written as they are read.
 */
export { decode64, lines64 } from './base64.ts'
export { addressField, dateOf, type Mailbox, type Moment, parameter, rawField, textField } from './fields.ts'
export { typeOfName } from './media-types.ts'
export { type Attached, filePart, headerOf as partHeader, multipart, type Part, textPart } from './parts.ts'
