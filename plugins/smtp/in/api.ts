/** The parts of the SMTP listener that other plugins use: readers of addresses, parameters and content, and the server itself. */
export { hasDomain, isAscii, isDomain, readLenientPath, readPath } from './addresses.ts'
export { createSmtpListener, type SmtpListener } from './listener.ts'
export type { Atrn, TakeReversed } from './listener-context.ts'
export { type Options as SmtpInOptions, options as smtpInOptions } from './options.ts'
export { isReply, type Offer, readMailParameters, readRcptParameters } from './parameters.ts'
export { createScanner, type Scanned, type Scanner } from './scanner.ts'
