/** Messages as files, for plugins that convert mail of other systems: mbox, Maildir in a tar, a ZIP of .eml files. */
export { importedName } from '../names.ts'
export { FORMATS, type Format, type TransferredMessage, toMaildir, toMbox, toZip } from './formats.ts'
export { messagesOf } from './messages.ts'
