/**
 * Rules over header fields: missing, forged and contradicting ones, and the subject.
 */
import { isIP } from 'node:net'
import type { Evidence, Rule } from './rule.ts'

const DAY = 86_400_000
/** Fields that may occur at most once (RFC 5322 section 3.6). */
const ONCE: readonly string[] = ['from', 'subject', 'date', 'message-id', 'to', 'reply-to', 'sender']
const FREE = new Set(
  'gmail.com googlemail.com yahoo.com yahoo.co.uk ymail.com hotmail.com outlook.com live.com msn.com aol.com gmx.net gmx.de gmx.com web.de mail.com email.com mail.ru yandex.ru yandex.com excite.com lycos.com netscape.net juno.com usa.net rediffmail.com protonmail.com proton.me icloud.com qq.com 163.com 126.com'.split(
    ' ',
  ),
)

const first = ({ letter }: Evidence, name: string) => letter.field(name)[0]
const has = ({ letter }: Evidence, name: string) => letter.fields.get(name) !== undefined
/** Ms between the date of the message and its receipt; NaN without a date. */
const age = ({ receivedAt, date = Number.NaN }: Evidence) => receivedAt - date

/** `from NAME (…)`: the client's HELO, as recorded by servers on the path. */
const heloOf = (field: string) => /^from\s{1,20}\[?([^\s()[\];]{1,255})/i.exec(field)?.[1]?.toLowerCase()

const missing: readonly Rule[] = [
  {
    name: 'from-missing',
    says: 'The message has no From field with an address.',
    weight: 1.5,
    test: ({ from }) => !from.some(({ address }) => address !== ''),
  },
  {
    name: 'date-missing',
    says: 'The message has no Date field, which every mail program writes.',
    weight: 1,
    test: (e) => !has(e, 'date'),
  },
  {
    name: 'message-id-missing',
    says: 'The message has no Message-ID.',
    weight: 0.8,
    test: (e) => !has(e, 'message-id'),
  },
  {
    name: 'recipients-missing',
    says: 'The message names no recipient in To or Cc.',
    weight: 0.8,
    test: ({ to }) => !to.some(({ address }) => address !== ''),
  },
  {
    name: 'subject-missing',
    says: 'The message has no subject.',
    weight: 0.3,
    test: ({ subject }) => subject.trim() === '',
  },
  {
    name: 'field-repeated',
    says: 'A field that may stand once stands several times.',
    weight: 1,
    test: ({ letter }) => ONCE.some((name) => letter.fields.all(name).length > 1),
  },
]

const forged: readonly Rule[] = [
  {
    name: 'date-malformed',
    says: 'The Date field is not a date.',
    weight: 1,
    test: (e) => has(e, 'date') && e.date === undefined,
  },
  {
    name: 'date-zone-odd',
    says: 'The Date field names no time zone, or one that does not exist.',
    weight: 0.8,
    test: (e) => {
      const date = first(e, 'date')
      if (date === undefined) return false
      const zone = /[+-](\d{2})(\d{2})\b/.exec(date.slice(0, 100))
      if (!zone) return !/\b(?:UT|UTC|GMT|[ECMP][SD]T)\b/.test(date)
      return Number(zone[1]) > 14 || Number(zone[2]) % 15 !== 0
    },
  },
  {
    name: 'date-future',
    says: 'The message is dated more than 12 hours after it was received.',
    weight: 1.5,
    test: (e) => age(e) < -DAY / 2,
  },
  {
    name: 'date-past',
    says: 'The message is dated more than four days before it was received.',
    weight: 0.7,
    test: (e) => age(e) > 4 * DAY,
  },
  {
    name: 'message-id-malformed',
    says: 'The Message-ID does not have the form <left@right>.',
    weight: 1,
    test: (e) =>
      has(e, 'message-id') && !/^<[^<>@\s]{1,500}@[^<>@\s]{1,255}>$/.test((first(e, 'message-id') ?? '').trim()),
  },
  {
    name: 'message-id-host-odd',
    says: 'The right side of the Message-ID is not a host name with a domain.',
    weight: 0.4,
    test: (e) => {
      const host = /@([^<>@\s]{1,255})>/.exec(first(e, 'message-id') ?? '')?.[1]
      return host !== undefined && !/\.[a-z][a-z0-9-]{1,30}$/i.test(host)
    },
  },
  {
    name: 'mailer-forged',
    says: 'The message claims to come from Outlook, whose Message-ID and fields look different.',
    weight: 1.5,
    test: (e) => {
      const mailer = first(e, 'x-mailer') ?? ''
      if (!/^Microsoft Outlook(?: Express|,| IMO)/.test(mailer)) return false
      const id = first(e, 'message-id') ?? ''
      const isExpress = /Express/.test(mailer)
      return isExpress
        ? !/^<[0-9a-f]{12}\$[0-9a-f]{8}\$[0-9a-f]{8}@/i.test(id.trim()) || !has(e, 'x-mimeole')
        : !/^<[!A-Z0-9/+=$.-]{14,200}@/i.test(id.trim())
    },
  },
  {
    name: 'priority-without-mailer',
    says: 'The message is marked as urgent by a program that does not name itself.',
    weight: 0.8,
    test: (e) => /^\s{0,5}[12]\b/.test(first(e, 'x-priority') ?? '') && !has(e, 'x-mailer') && !has(e, 'user-agent'),
  },
  {
    name: 'reply-without-reference',
    says: 'The subject begins with Re:, but the message answers no other.',
    weight: 0.6,
    test: (e) => /^\s{0,5}re:/i.test(e.subject) && !has(e, 'in-reply-to') && !has(e, 'references'),
  },
  {
    name: 'received-helo-address',
    says: 'A server on the way took the message from a client that named itself by a bare IP address.',
    weight: 0.8,
    test: (e) => e.received.some((field) => /^from\s{1,20}\d/i.test(field) && isIP(heloOf(field) ?? '') !== 0),
  },
  {
    name: 'received-helo-short',
    says: 'A server on the way took the message from a client in the internet that named itself without a domain.',
    weight: 0.3,
    test: (e) =>
      e.received.some((field) => {
        const helo = heloOf(field)
        return (
          helo !== undefined &&
          !helo.includes('.') &&
          helo !== 'localhost' &&
          !helo.includes(':') &&
          /\[(?!10\.|127\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)\d{1,3}\./.test(field.slice(0, 500))
        )
      }),
  },
  {
    name: 'received-helo-mismatch',
    says: 'A client on the way named itself after a large mail provider, but its address has another name.',
    weight: 1.2,
    test: (e) =>
      e.received.some((field) => {
        const domain = heloOf(field)?.split('.').slice(-2).join('.') ?? ''
        const name = /^from\s{1,20}\S{1,255}\s{1,20}\(([^\s()[\]]{3,255})\s/i.exec(field)?.[1]?.toLowerCase()
        return FREE.has(domain) && name?.includes('.') === true && !name.endsWith(domain)
      }),
  },
  {
    name: 'received-unnamed',
    says: 'A client on the way had an address without a name in the DNS.',
    weight: 0.5,
    test: (e) =>
      e.received.some((field) =>
        /^from\s{1,20}\S{1,255}\s{1,20}\((?:unknown\s{1,5})?\[(?!10\.|127\.|192\.168\.)\d/i.test(field),
      ),
  },
]

const sender: readonly Rule[] = [
  {
    name: 'from-name-address',
    says: 'The display name of the sender holds another address than the address behind it.',
    weight: 1.5,
    test: ({ from }) =>
      from.some(({ name, address, domain }) => {
        const shown = /(?<![\w.+-])[\w.+-]{1,64}@([\w-]{1,63}\.[\w.-]{2,200})/.exec(name.slice(0, 300))
        return (
          shown !== null &&
          address !== '' &&
          !shown[0].toLowerCase().includes(address) &&
          !(shown[1] ?? '').toLowerCase().endsWith(domain)
        )
      }),
  },
  {
    name: 'reply-to-elsewhere',
    says: 'Answers go to a free mail provider, though the message comes from another domain.',
    weight: 0.8,
    test: ({ from, replyTo }) => {
      const [author] = from
      return author !== undefined && replyTo.some(({ domain }) => FREE.has(domain) && domain !== author.domain)
    },
  },
  {
    name: 'reply-to-differs',
    says: 'Answers go to another domain than that of the sender, and no list says so.',
    weight: 0.4,
    test: (e) => {
      const [author] = e.from
      return (
        author !== undefined &&
        !has(e, 'list-id') &&
        !has(e, 'list-post') &&
        e.replyTo.some(({ domain }) => domain !== '' && domain !== author.domain)
      )
    },
  },
  {
    name: 'from-digits',
    says: 'The local part of the sender ends in four digits or more, as generated addresses do.',
    weight: 0.6,
    test: ({ from }) =>
      from.some(({ address }) => /\d{4,64}@|^\d{1,64}[a-z]{1,64}\d{1,64}[^@]{0,64}@/.test(address.slice(0, 320))),
  },
  {
    name: 'from-is-recipient',
    says: 'The message claims to come from its own recipient.',
    weight: 0.8,
    test: ({ from, to }) =>
      from.some(({ address }) => address !== '' && to.some((recipient) => recipient.address === address)),
  },
  {
    name: 'from-free-elsewhere',
    says: 'The message comes from a free mail provider without passing its servers.',
    weight: 0.8,
    test: (e) => {
      const domain = e.from[0]?.domain ?? ''
      const fields = e.received
      return (
        FREE.has(domain) &&
        fields.length > 0 &&
        !has(e, 'list-id') &&
        !has(e, 'list-post') &&
        !fields.some((field) => field.toLowerCase().includes(domain.split('.')[0] as string))
      )
    },
  },
  {
    name: 'recipients-many',
    says: 'To and Cc name ten addresses or more.',
    weight: 0.5,
    test: ({ to }) => to.length >= 10,
  },
]

export const headerRules: readonly Rule[] = [...missing, ...forged, ...sender]
