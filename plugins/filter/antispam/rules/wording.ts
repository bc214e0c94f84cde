/**
 * Rules over wording: each is a list of phrases and the number of different ones required.
 *
 * The text is compared in lower case with single spaces, so that line breaks inside phrases do not hide them.
 */
import type { Rule } from './rule.ts'

interface Wording {
  readonly name: string
  readonly says: string
  readonly weight: number
  /** Different phrases required in the text or the subject. */
  readonly atLeast: number
  /** Separated by commas. */
  readonly phrases: string
}

const WORDINGS: readonly Wording[] = [
  {
    name: 'words-advance-fee',
    says: 'The text promises a share of a large sum, as advance-fee fraud does.',
    weight: 2.5,
    atLeast: 3,
    phrases: `
      next of kin, million dollars, million united states, million us, million u.s, us$, usd, foreign account,
      foreign partner, confidential, utmost, beneficiary, inheritance, late husband, late father, late president,
      transfer of, transfer the, this transaction, business proposal, deceased, barrister, bank account,
      your assistance, strictly, consignment, security company, nigeria, ivory coast, sierra leone, liberia,
      zimbabwe, south africa, your share, percent of the total, god bless, risk free, overseas, my late,
      diplomatic, compensation fund, atm card`,
  },
  {
    name: 'words-lottery',
    says: 'The text announces a prize that the recipient has won.',
    weight: 2,
    atLeast: 2,
    phrases: `
      you have won, you've won, you are a winner, lottery, claim your prize, prize money, winning number,
      lucky winner, sweepstake, congratulations, you have been selected, you've been selected, has been selected,
      claims agent, lotto, you are the winner, gift card`,
  },
  {
    name: 'words-pharmacy',
    says: 'The text sells medicine or miracle cures.',
    weight: 2,
    atLeast: 1,
    phrases: `
      viagra, cialis, levitra, valium, xanax, phentermine, online pharmacy, prescription drug, no prescription,
      without prescription, weight loss, lose weight, human growth hormone, hgh, diet pill, burn fat, body fat,
      cellulite, anti-aging, penis, sexual performance, herbal, hair loss, wrinkle, steroid, energy level`,
  },
  {
    name: 'words-loan',
    says: 'The text offers loans, mortgages or insurance.',
    weight: 1.5,
    atLeast: 2,
    phrases: `
      mortgage, refinanc, interest rate, lowest rate, low rate, home loan, home equity, debt consolidation,
      consolidate your, credit rating, bad credit, good credit, your credit, credit history, lenders, loan,
      life insurance, term life, insurance quote, free quote, no obligation, get out of debt, credit card debt,
      pre-approved, pre approved, cash out, monthly payment, approved, tax debt`,
  },
  {
    name: 'words-income',
    says: 'The text promises easy income.',
    weight: 1.8,
    atLeast: 2,
    phrases: `
      work from home, work at home, working from home, home based business, home-based business, home business,
      extra income, financial freedom, financial independence, be your own boss, make money, making money,
      earn money, get paid, get rich, thousands of dollars, per month, per week, a week, residual income, mlm,
      multi-level, network marketing, business opportunity, this opportunity, this program, no experience,
      part time, income, investment, double your, bitcoin, crypto, passive income, from the comfort of, six figure,
      million email, success`,
  },
  {
    name: 'words-adult',
    says: 'The text offers sexual content.',
    weight: 1.8,
    atLeast: 2,
    phrases: `
      xxx, porn, hardcore, hot girls, teen, naked, nude, over 18, 18 years, must be 18, horny, sluts, pussy,
      live sex, sex, adult, webcam, lesbian, cum, free membership, singles in your, lonely`,
  },
  {
    name: 'words-bulk-software',
    says: 'The text sells addresses or mass mailing.',
    weight: 2,
    atLeast: 1,
    phrases: `
      bulk email, bulk e-mail, bulk mail, million email addresses, million e-mail, million emails,
      email addresses on cd, email marketing, e-mail marketing, targeted email, direct email, opt-in email,
      opt in email, search engine ranking, search engine placement, fresh email, submit your site, seo service,
      first page of google`,
  },
  {
    name: 'words-goods',
    says: 'The text sells goods that are mostly sold by spam.',
    weight: 1.5,
    atLeast: 1,
    phrases: `
      replica watch, rolex, university diploma, diplomas, cable descrambler, descrambler, copy dvd, copy any dvd,
      toner, inkjet cartridge, ink cartridge, laser printer, online casino, casino, gambling, long distance,
      satellite system, spy, find out anything, private investigat, judicial judgment, judgments, timeshare,
      extended warranty, auto warranty, penny stock, stock pick, offshore, prepaid legal, background check,
      vacation package, free vacation`,
  },
  {
    name: 'words-phishing',
    says: 'The text asks the recipient to confirm an account or a password.',
    weight: 2,
    atLeast: 2,
    phrases: `
      verify your account, confirm your account, update your account, account has been, account will be,
      been suspended, been limited, will be suspended, will be closed, unusual activity, unauthorized,
      verify your identity, confirm your identity, your password, log in to, login to, sign in to,
      click the link below, click on the link below, security alert, within 24 hours, within 48 hours,
      billing information, mailbox is full, storage limit, validate your, ssn, social security number,
      dear customer, dear user, dear account, dear member`,
  },
  {
    name: 'words-extortion',
    says: 'The text demands a payment and threatens to publish something.',
    weight: 2.5,
    atLeast: 3,
    phrases: `
      bitcoin, btc, wallet, your password, recorded you, your webcam, your camera, your contacts, hacked, malware,
      adult site, adult website, send the video, i will delete, hours to pay, embarrass, your device, pay me, trojan`,
  },
  {
    name: 'words-call-to-buy',
    says: 'The text presses the reader to act at once.',
    weight: 1,
    atLeast: 2,
    phrases: `
      act now, order now, order today, call now, call today, call toll, toll free, toll-free, limited time,
      limited offer, for a limited, while supplies, supplies last, don't miss, don't delay, once in a lifetime,
      special offer, this offer, money back, money-back, satisfaction guarantee, risk-free, risk free, no risk,
      no obligation, no cost, 100% free, absolutely free, free info, free trial, free gift, free bonus,
      lowest price, best price, save up to, only $, just $, for only, guarantee, click here now,
      shipping and handling, credit card, visa, hurry, amazing, incredible, 24 hours a day, fax`,
  },
  {
    name: 'words-removal',
    says: 'The text explains how to be removed from a list that no field of the message names.',
    weight: 1,
    atLeast: 2,
    phrases: `
      to be removed, be removed from, removed from, to remove, remove yourself, removal, remove in the subject,
      with remove, "remove", unsubscribe, no longer wish to receive, do not wish to receive, not wish to receive,
      opt-out, opt out, opt-in, opted in, opted-in, future mailings, further mailings, future emails, mailing list,
      our list, our database, you are receiving this, you received this, received this email,
      received this message, this message was sent to you, our partners, marketing partner, in error, we apologize`,
  },
  {
    name: 'words-law-claimed',
    says: 'The text says that it is no spam, or names a law that allows it.',
    weight: 2.5,
    atLeast: 1,
    phrases: `
      section 301, s.1618, s. 1618, bill 1618, title iii, cannot be considered spam, not considered spam,
      this is not spam, this is not a spam, not unsolicited, never unsolicited, not spam, one time mailing,
      one-time mailing, one time message, one time e-mail, one time email, can-spam act`,
  },
  {
    name: 'words-dear-stranger',
    says: 'The text greets an unnamed recipient.',
    weight: 0.8,
    atLeast: 1,
    phrases: `
      dear friend, dear sir, dear madam, dear beneficiary, dear homeowner, dear valued, dear winner, dear email,
      dear e-mail, attention:, dear webmaster, dear business owner, hello friend, greetings to you, dear beloved`,
  },
  {
    name: 'words-click-here',
    says: 'The text asks the reader to click here.',
    weight: 0.5,
    atLeast: 1,
    phrases: `
      click here, click below, click on the link, click the link, clicking here, visit our web, visit our site,
      clickhere`,
  },
]

interface Phrase {
  readonly text: string
  /** Index of its wording. */
  readonly of: number
}

/** The first characters of a phrase; the shortest phrase has three. */
function startAt(text: string, at: number): number {
  return (text.charCodeAt(at) << 16) ^ (text.charCodeAt(at + 1) << 8) ^ text.charCodeAt(at + 2)
}

/** By their start; those of one wording in the order in which they are tried. */
const PHRASES: ReadonlyMap<number, readonly Phrase[]> = Map.groupBy(
  WORDINGS.flatMap(({ phrases }, of) => phrases.split(',').map((one) => ({ text: one.trim(), of }))),
  ({ text }) => startAt(text, 0),
)

/** A mark for the start of each phrase, which few other texts share: a look into the map takes longer. */
const MARKS = 1 << 15
const markOf = (start: number) => (start ^ (start >>> 9)) & (MARKS - 1)
const STARTS = startMarks(PHRASES.keys())

function startMarks(starts: Iterable<number>): Uint8Array {
  const marks = new Uint8Array(MARKS)
  for (const start of starts) marks[markOf(start)] = 1
  return marks
}

/** The names of the wordings that the texts contain. One pass over each text finds the phrases of all of them. */
export function wordingsIn(texts: readonly string[]): ReadonlySet<string> {
  const found = new Set<Phrase>()
  const counts = WORDINGS.map(() => 0)
  for (const text of texts)
    findPhrases(text, (phrase) => {
      if (found.has(phrase)) return
      found.add(phrase)
      counts[phrase.of] = (counts[phrase.of] ?? 0) + 1
    })
  return new Set(WORDINGS.flatMap(({ name, atLeast }, of) => ((counts[of] ?? 0) >= atLeast ? [name] : [])))
}

/** A phrase matches only at the start of a word, and phrases of one wording do not overlap. */
function findPhrases(text: string, each: (phrase: Phrase) => void): void {
  const ends = WORDINGS.map(() => 0)
  let before = 0
  for (let at = 0, code = 0; at < text.length - 2; at++, before = code) {
    code = text.charCodeAt(at)
    if (isAsciiWord(before)) continue
    const start = startAt(text, at)
    const phrases = STARTS[markOf(start)] === 1 ? PHRASES.get(start) : undefined
    if (!phrases || (before > 127 && isAfterLetter(text, at))) continue
    for (const phrase of phrases) {
      if (at < (ends[phrase.of] ?? 0) || !text.startsWith(phrase.text, at)) continue
      ends[phrase.of] = at + phrase.text.length
      each(phrase)
    }
  }
}

function isAsciiWord(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || (code >= 65 && code <= 90)
}

/** Whether a letter or digit of any script precedes, which may take two units of UTF-16. */
function isAfterLetter(text: string, at: number): boolean {
  return /[\p{L}\p{N}]$/u.test(text.slice(Math.max(0, at - 2), at))
}

export const wordingRules: readonly Rule[] = WORDINGS.map(({ name, says, weight }) => ({
  name,
  says,
  weight,
  test: ({ wordings }) => wordings.has(name),
}))
