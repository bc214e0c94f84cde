/**
 * The words of warnings, in each language.
 */
export type Language = 'en' | 'de'

export interface WarningFacts {
  /** The account, the domain, or nothing for the total. */
  readonly name: string
  readonly kind: 'account' | 'domain' | 'total'
  /** Percent of the limit that is used. */
  readonly share: number
  readonly used: string
  readonly limit: string
  /** The threshold that was passed; 0: below all of them again. */
  readonly level: number
}

interface Words {
  readonly subject: string
  readonly text: string
}

const subjectsEn = { account: 'Your mailbox', domain: 'The mail of the domain', total: 'The mail of all accounts' }
const subjectsDe = { account: 'Ihr Postfach', domain: 'Die Mail der Domain', total: 'Die Mail aller Konten' }

function english({ kind, name, share, used, limit, level }: WarningFacts): Words {
  const what = kind === 'account' ? `${subjectsEn.account} (${name})` : `${subjectsEn[kind]} ${name}`.trim()
  if (level === 0)
    return {
      subject: `${what} has room again`,
      text: `${what} uses ${used} of ${limit} (${share} %).\n\nIt is below all warning thresholds again.`,
    }
  const advice =
    kind === 'account'
      ? 'Please delete messages that you no longer need, and empty the trash.\nA full mailbox receives no mail.'
      : 'When the limit is reached, these accounts receive no mail.'
  return {
    subject: `${what} is ${share} % full`,
    text: `${what} uses ${used} of ${limit} (${share} %).\nThe warning threshold is ${level} %.\n\n${advice}`,
  }
}

function german({ kind, name, share, used, limit, level }: WarningFacts): Words {
  const what = kind === 'account' ? `${subjectsDe.account} (${name})` : `${subjectsDe[kind]} ${name}`.trim()
  if (level === 0)
    return {
      subject: `${what} hat wieder Platz`,
      text: `${what} belegt ${used} von ${limit} (${share} %).\n\nAlle Warnschwellen sind wieder unterschritten.`,
    }
  const advice =
    kind === 'account'
      ? 'Bitte löschen Sie Nachrichten, die Sie nicht mehr brauchen, und leeren Sie den Papierkorb.\nEin volles Postfach empfängt keine Mail.'
      : 'Ist die Grenze erreicht, empfangen diese Konten keine Mail.'
  return {
    subject: `${what} ist zu ${share} % voll`,
    text: `${what} belegt ${used} von ${limit} (${share} %).\nDie Warnschwelle liegt bei ${level} %.\n\n${advice}`,
  }
}

export const warningText = (language: Language, facts: WarningFacts): Words =>
  language === 'de' ? german(facts) : english(facts)
