/**
 * The words of reports, in each language.
 */
import type { Language } from '../texts.ts'

const EN = {
  title: 'Mail storage',
  all: 'all domains',
  made: 'As of',
  accounts: 'Accounts',
  messages: 'Messages',
  size: 'Size',
  stored: 'Stored',
  saved: 'Saved by deduplication',
  largest: 'Largest accounts',
  mailboxes: 'Largest mailboxes',
  growing: 'Fastest growth',
  full: 'Near or above the limit',
  idle: 'Idle accounts',
  history: 'Size over time',
  account: 'Account',
  mailbox: 'Mailbox',
  limit: 'Limit',
  used: 'Used',
  growth: 'Growth',
  seen: 'Last login',
  never: 'unknown',
  none: 'None.',
  date: 'Date',
}
export type Words = typeof EN
const DE: Words = {
  title: 'Mailspeicher',
  all: 'alle Domains',
  made: 'Stand',
  accounts: 'Konten',
  messages: 'Nachrichten',
  size: 'Größe',
  stored: 'Gespeichert',
  saved: 'Durch Deduplizierung gespart',
  largest: 'Größte Konten',
  mailboxes: 'Größte Mailboxen',
  growing: 'Stärkstes Wachstum',
  full: 'Nahe an oder über der Grenze',
  idle: 'Ungenutzte Konten',
  history: 'Größe im Zeitverlauf',
  account: 'Konto',
  mailbox: 'Mailbox',
  limit: 'Grenze',
  used: 'Belegt',
  growth: 'Wachstum',
  seen: 'Letzte Anmeldung',
  never: 'unbekannt',
  none: 'Keine.',
  date: 'Datum',
}
export const wordsOf = (language: Language): Words => (language === 'de' ? DE : EN)
