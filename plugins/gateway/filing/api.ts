/** Shared by migrations: the ledger, which makes an import safe to repeat, and mailboxes by their use. */
export { type Filed, Ledger, type Target } from './ledger.ts'
export { isRefusedByStore, mailboxFor, type Place } from './mailboxes.ts'
