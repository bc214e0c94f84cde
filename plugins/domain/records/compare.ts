/**
 * Compares the DNS with the records that a domain should have.
 *
 * Invariants: a name server that does not answer is never taken for a missing record; control characters in DNS data
 * are escaped before they are shown.
 */
import { type Dns, type DnsAnswer, type DnsRecords, escapeLine, type RecordType } from 'iems'
import type { Finding, State, WantedRecord } from './api.ts'
import { dataText } from './wanted.ts'

type Judge = (found: readonly unknown[], wanted: WantedRecord) => State

/** Version tags by purpose: at a name, one TXT record of the kind counts. */
export const TAGS: Readonly<Record<string, RegExp>> = {
  spf: /^v=spf1(?: |$)/i,
  dkim: /^v=DKIM1|^[kp]=/i,
  dmarc: /^v=DMARC1/i,
  'mta-sts': /^v=STSv1/i,
  'tls-rpt': /^v=TLSRPTv1/i,
  bimi: /^v=BIMI1/i,
}

export const textOf = (data: unknown) => (data as DnsRecords['TXT']).join('')

/** The tags of a text without the white space around and within them. */
const squeezed = (text: string) =>
  text
    .split(';')
    .map((tag) => tag.trim().replace(/\s+/g, ' '))
    .filter((tag) => tag !== '')
    .join(';')

const tagOf = (text: string, tag: string) =>
  squeezed(text)
    .split(';')
    .find((part) => part.startsWith(`${tag}=`))
    ?.slice(tag.length + 1)
    .replace(/ /g, '')

const judgeText: Judge = (found, { purpose, records }) => {
  const tag = TAGS[purpose]
  const own = found.map(textOf).filter((text) => tag?.test(text))
  if (own.length === 0) return 'missing'
  const wanted = textOf(records[0])
  const [first = ''] = own
  // RFC 7208 section 4.5, RFC 8461 section 3.1, RFC 9989: several records count as none.
  if (own.length > 1 && purpose !== 'dkim') return 'wrong'
  if (purpose === 'dkim') return own.some((text) => tagOf(text, 'p') === tagOf(wanted, 'p')) ? 'ok' : 'wrong'
  if (purpose === 'dmarc') return strength(first) >= strength(wanted) ? 'ok' : 'wrong'
  return squeezed(first) === squeezed(wanted) ? 'ok' : 'wrong'
}

const strength = (dmarc: string) => ['none', 'quarantine', 'reject'].indexOf(tagOf(dmarc, 'p') ?? '')

/** All that is wanted must be there; further TLSA records and MX hosts may. */
const judgeSet: Judge = (found, { type, records }) => {
  const there = new Set(found.map((data) => dataText(type, data).toLowerCase()))
  const has = records.filter((data) => there.has(dataText(type, data).toLowerCase()))
  return has.length === records.length ? 'ok' : 'wrong'
}

export async function compare(dns: Dns, wanted: WantedRecord): Promise<Finding> {
  const { purpose, name, type, isOptional, lines, why } = wanted
  const subject = `${name} ${type}`
  const answer = await dns.ask(name, type, { fresh: true })
  const state = await stateOf(dns, answer, wanted)
  const isGrave = !isOptional && (purpose === 'mx' || purpose === 'spf')
  const make = (text: string, cure?: string): Finding => ({
    topic: purpose,
    subject,
    state,
    text,
    isGrave,
    ...(cure === undefined ? {} : { cure }),
  })
  if (state === 'unclear')
    return make(`${subject}: the name servers do not answer`, 'Check the name servers of the domain.')
  if (state === 'ok') {
    const isUnsigned = type === 'TLSA' && answer.kind === 'found' && !answer.isAuthenticated
    return isUnsigned
      ? make(`${subject} is right, but not protected by DNSSEC, so senders ignore it`, 'Sign the zone.')
      : make(`${subject} is right`)
  }
  const cure = `Publish: ${lines.join('  ')}`
  if (state === 'missing' || answer.kind !== 'found') return make(`${subject} is missing. ${why}`, cure)
  const found = (answer.records as readonly unknown[]).map((data) => dataText(type, data)).join(', ')
  return make(`${subject} is ${escapeLine(found)}`, cure)
}

async function stateOf(dns: Dns, answer: DnsAnswer<unknown>, wanted: WantedRecord): Promise<State> {
  if (answer.kind === 'unavailable') return 'unclear'
  if (answer.kind === 'found') return (wanted.type === 'TXT' ? judgeText : judgeSet)(answer.records, wanted)
  // An alias may be written as addresses.
  if (wanted.type === 'CNAME') return sameAddresses(dns, wanted.name, wanted.records[0] as string)
  return 'missing'
}

async function sameAddresses(dns: Dns, name: string, target: string): Promise<State> {
  const types: readonly RecordType[] = ['A', 'AAAA']
  const of = (host: string) => Promise.all(types.map((type) => dns.ask(host, type)))
  const [own, wanted] = [await of(name), await of(target)]
  if (own.some(({ kind }) => kind === 'unavailable')) return 'unclear'
  const flat = (answers: typeof own) => answers.flatMap((one) => (one.kind === 'found' ? one.records.map(String) : []))
  const there = flat(own)
  if (there.length === 0) return 'missing'
  return there.some((address) => flat(wanted).includes(address)) ? 'ok' : 'wrong'
}
