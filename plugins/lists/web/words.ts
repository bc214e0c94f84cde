/**
 * The words of the pages for readers and members, in the language of their list.
 *
 * Invariants: English is the key, so that a page can be read in its code; every other language has all keys, and `{}`
 * stands for a value.
 */
import type { Language, MailingList } from '../api.ts'

export const GERMAN = {
  'Mailing lists': 'Mailinglisten',
  'Search {}': '{} durchsuchen',
  'Search the archive': 'Archiv durchsuchen',
  Subscribe: 'Abonnieren',
  'Where you are': 'Standort',
  'Skip to the content': 'Zum Inhalt springen',
  Pages: 'Seiten',
  Previous: 'Zurück',
  Next: 'Weiter',
  Threads: 'Themen',
  Authors: 'Verfasser',
  Dates: 'Datum',
  Views: 'Ansichten',
  Archive: 'Archiv',
  'Latest posts': 'Neueste Beiträge',
  'Starred posts': 'Markierte Beiträge',
  'The archive has no posts yet.': 'Das Archiv hat noch keine Beiträge.',
  'You have starred no posts here. The button "Star" is below each post.':
    'Sie haben hier keine Beiträge markiert. „Markieren“ steht unter jedem Beitrag.',
  'Addresses are hidden from programs that collect them.': 'Adressen sind vor Programmen verborgen, die sie sammeln.',
  'Month as mbox': 'Monat als mbox',
  '{} post': '{} Beitrag',
  '{} posts': '{} Beiträge',
  'More than {} posts': 'Mehr als {} Beiträge',
  'in {} thread': 'in {} Thema',
  'in {} threads': 'in {} Themen',
  'of {} person': 'von {} Person',
  'of {} people': 'von {} Personen',
  '{} answer': '{} Antwort',
  '{} answers': '{} Antworten',
  'the latest {} are shown': 'die neuesten {} werden gezeigt',
  'No post has all these words. Search for fewer words, or for the beginning of a word.':
    'Kein Beitrag enthält alle diese Wörter. Suchen Sie nach weniger Wörtern oder nach einem Wortanfang.',
  'Enter words of the author, the subject or the text above.':
    'Geben Sie oben Wörter aus Verfasser, Betreff oder Text ein.',
  'Search: {}': 'Suche: {}',
  Search: 'Suche',
  '(no subject)': '(kein Betreff)',
  'answers {}': 'antwortet {}',
  'An owner of the list changed the text of this post on {}.':
    'Ein Eigentümer der Liste hat den Text dieses Beitrags am {} geändert.',
  'Reply by mail': 'Per E-Mail antworten',
  'Reply here': 'Hier antworten',
  'Permanent link': 'Dauerhafter Link',
  Star: 'Markieren',
  'Remove the star': 'Markierung entfernen',
  'Remove or redact': 'Entfernen oder ändern',
  'Whole thread': 'Ganzes Thema',
  'In this thread': 'In diesem Thema',
  'About the list': 'Über die Liste',
  'Subscribe, change or leave': 'Abonnieren, ändern oder verlassen',
  'Posts go to {}.': 'Beiträge gehen an {}.',
  'Sign in with an account': 'Mit einem Konto anmelden',
  'Your membership': 'Ihre Mitgliedschaft',
  'Join with your account': 'Mit Ihrem Konto beitreten',
  Moderation: 'Moderation',
  'Posts and requests that await a decision': 'Beiträge und Anträge, die auf eine Entscheidung warten',
  Members: 'Mitglieder',
  Settings: 'Einstellungen',
  Join: 'Beitreten',
  'The owners add the members of this list.': 'Die Eigentümer nehmen Mitglieder in diese Liste auf.',
  'Your e-mail address': 'Ihre E-Mail-Adresse',
  'A message with a link to confirm is sent to the address. No account is needed.':
    'An die Adresse geht eine Nachricht mit einem Link zum Bestätigen. Ein Konto ist nicht nötig.',
  'Change or leave': 'Ändern oder verlassen',
  'Your e-mail address, for a link to your options': 'Ihre E-Mail-Adresse, für einen Link zu Ihren Einstellungen',
  'Send the link': 'Link senden',
  'Nearly done': 'Fast fertig',
  'A moderator decides about it.': 'Ein Moderator entscheidet darüber.',
  'Look into your mailbox': 'Sehen Sie in Ihr Postfach',
  'If the address can be used for this, a message with a link is on its way to it.':
    'Wenn die Adresse dafür in Frage kommt, ist eine Nachricht mit einem Link unterwegs.',
  'Join the list': 'Der Liste beitreten',
  'Leave the list': 'Die Liste verlassen',
  'Change your options': 'Einstellungen ändern',
  'Get the posts again': 'Beiträge wieder erhalten',
  Confirmed: 'Bestätigt',
  'Done: {}': 'Erledigt: {}',
  'Leave {}': '{} verlassen',
  'Options: {}': 'Einstellungen: {}',
  'Join: {}': 'Beitreten: {}',
  'You have left the list': 'Sie haben die Liste verlassen',
  Saved: 'Gespeichert',
  Save: 'Speichern',
  Name: 'Name',
  Mail: 'Post',
  'Every post': 'Jeder Beitrag',
  'Digest (MIME)': 'Sammelnachricht (MIME)',
  'Digest (plain text)': 'Sammelnachricht (nur Text)',
  'No mail': 'Keine Post',
  'Language of messages from the list': 'Sprache der Nachrichten von der Liste',
  'As the list': 'Wie die Liste',
  'Copies of my own posts': 'Kopien meiner eigenen Beiträge',
  'Posts that name me in To or Cc': 'Beiträge, die auch direkt an mich gehen (An oder Cc)',
  'A note when my post was sent': 'Hinweis, wenn mein Beitrag gesendet wurde',
  'Posts wait for a moderator': 'Beiträge warten auf einen Moderator',
  'Topics; none means all': 'Themengebiete; keines heißt alle',
  'Posts without any of these topics': 'Beiträge ohne eines dieser Themengebiete',
  'No mail until': 'Keine Post bis',
  'Your address': 'Ihre Adresse',
  'The answer is sent': 'Die Antwort ist gesendet',
  'It appears in the archive when {} has taken it.': 'Sie erscheint im Archiv, sobald {} sie angenommen hat.',
  'From {} to {}': 'Von {} an {}',
  'Your answer': 'Ihre Antwort',
  'Send to the list': 'An die Liste senden',
  Back: 'Zurück',
  'Answer: {}': 'Antwort: {}',
} as const

export type Phrase = keyof typeof GERMAN

const WORDS: Readonly<Partial<Record<Language, Readonly<Record<Phrase, string>>>>> = { de: GERMAN }

/** Languages of the pages; the others are in English. */
export const pageLanguage = (language: Language): Language => (WORDS[language] ? language : 'en')

export type Words = (phrase: Phrase, ...values: readonly (string | number)[]) => string

export function wordsIn(language: Language): Words {
  return (phrase, ...values) => {
    let at = 0
    return (WORDS[language]?.[phrase] ?? phrase).replaceAll('{}', () => String(values[at++] ?? ''))
  }
}

export const wordsOf = ({ settings }: MailingList): Words => wordsIn(settings.language)
