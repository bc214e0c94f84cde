/** What migrations share: the ledger that lets an import be run again, and mailboxes by their use. */
export { type Filed, Ledger, type Target } from './ledger.ts'
export { isRefusedByStore, mailboxFor, type Place } from './mailboxes.ts'
