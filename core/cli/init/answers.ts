/**
 * The input of `iems init`: each answer is an option of the command, or a question at a terminal.
 *
 * Invariants: with all options, or --yes, it asks nothing; an invalid answer is refused immediately.
 */
import { createInterface } from 'node:readline/promises'
import { IemsError } from '../../api/errors.ts'

export interface Answers {
  readonly domain: string
  readonly hostname: string
  readonly account: string
  readonly address: string
  readonly ports: string
  readonly tls: string
  readonly protection: string
  readonly outgoing: string
  readonly data: string
}
type Name = keyof Answers

interface Question {
  readonly flag: string
  readonly about: string
  /** The default, from the answers so far; undefined when there is none. */
  preset(known: Partial<Answers>): string | undefined
  readonly pattern: RegExp
  readonly must: string
}

const DOMAIN = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/i

/** In the order of the questions. */
export const QUESTIONS: Readonly<Record<Name, Question>> = {
  domain: {
    flag: '--domain <name>',
    about: 'the domain whose mail the server takes, such as example.org',
    preset: () => undefined,
    pattern: DOMAIN,
    must: 'a domain such as example.org',
  },
  hostname: {
    flag: '--hostname <name>',
    about: 'the name of this server in the DNS',
    preset: ({ domain }) => `mail.${domain}`,
    pattern: DOMAIN,
    must: 'a name such as mail.example.org',
  },
  account: {
    flag: '--account <name>',
    about: 'the first account, an administrator',
    preset: () => 'admin',
    pattern: /^[a-z0-9][a-z0-9._-]{0,63}$/,
    must: 'lower-case letters, digits, dots, hyphens and underscores',
  },
  address: {
    flag: '--address <address>',
    about: 'where it listens: all, or an address of this machine such as 127.0.0.1',
    preset: () => 'all',
    pattern: /^(?:all|[0-9.]{7,15}|\[[0-9a-fA-F:]{2,39}\])$/,
    must: 'all, 192.0.2.1 or [2001:db8::1]',
  },
  ports: {
    flag: '--ports <kind>',
    about: 'standard (25, 587, 993, …), or high (2525, 2587, 2993, …), which needs no rights',
    preset: () => 'standard',
    pattern: /^(?:standard|high)$/,
    must: 'standard or high',
  },
  tls: {
    flag: '--tls <kind>',
    about: 'self-signed makes a certificate; or the PEM files of one, as CERT,KEY; or none',
    preset: () => 'self-signed',
    pattern: /^(?:self-signed|none|[^,\0\r\n]+,[^,\0\r\n]+)$/,
    must: 'self-signed, none, or /path/cert.pem,/path/key.pem',
  },
  protection: {
    flag: '--protection <level>',
    about: 'standard (SPF, DKIM, DMARC, antispam), clamav (also clamd), or none',
    preset: () => 'standard',
    pattern: /^(?:standard|clamav|none)$/,
    must: 'standard, clamav or none',
  },
  outgoing: {
    flag: '--outgoing <way>',
    about: 'how mail leaves: internet, none, or the next hop, as smtp.provider.example:587',
    preset: () => 'internet',
    pattern: /^(?:internet|none|[A-Za-z0-9.[\]:-]{1,260})$/,
    must: 'internet, none, or a host with or without a port',
  },
  data: {
    flag: '--data <folder>',
    about: 'where it keeps mail and records',
    preset: () => 'data',
    pattern: /^[^\0\r\n']+$/,
    must: 'the path of a folder',
  },
}

function accepted(name: Name, text: string): string {
  const { pattern, must, flag } = QUESTIONS[name]
  if (!pattern.test(text)) throw new IemsError('IEMS_CONTROL_REFUSED', { why: `${flag.split(' ')[0]} must be ${must}` })
  return name === 'domain' || name === 'hostname' ? text.toLowerCase() : text
}

/** Takes options first, then asks at a terminal, then uses defaults. Throws IEMS_CONTROL_REFUSED. */
export async function answersFrom(given: Partial<Answers>, isQuiet: boolean): Promise<Answers> {
  const known: { -readonly [K in Name]?: string } = {}
  const names = Object.keys(QUESTIONS) as Name[]
  for (const name of names) if (given[name] !== undefined) known[name] = accepted(name, given[name])
  const isAsking = !isQuiet && process.stdin.isTTY === true && names.some((name) => known[name] === undefined)
  const terminal = isAsking ? createInterface({ input: process.stdin, output: process.stderr }) : undefined
  try {
    for (const name of names) {
      if (known[name] !== undefined) continue
      const { about, preset, flag } = QUESTIONS[name]
      const usual = preset(known)
      const typed =
        terminal && (await terminal.question(`${about}${usual === undefined ? '' : ` [${usual}]`}: `)).trim()
      const answer = typed || usual
      if (answer === undefined) throw new IemsError('IEMS_CONTROL_REFUSED', { why: `${flag} is needed` })
      known[name] = accepted(name, answer)
    }
  } finally {
    terminal?.close()
  }
  return known as Answers
}
