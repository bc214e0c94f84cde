/**
 * Parses links as a browser does, and detects deceptive hosts.
 *
 * Invariants: linear in the length of the link; at most `MAX_LINKS` links of a message are parsed.
 */
import { isIP } from 'node:net'
import { domainToUnicode } from 'node:url'
import { registeredDomain } from '../dns/names.ts'
import type { HtmlFacts } from './html.ts'

export interface Link {
  /** As a browser resolves it: lower case, ASCII, with numbers and percent-encoding decoded. */
  readonly host: string
  readonly domain: string
  /** As written in the message, without scheme and path. */
  readonly written: string
  readonly hasUser: boolean
  readonly port: string
  readonly path: string
  /** The host named by the link's text, if any. */
  readonly shown?: string
}

export const MAX_LINKS = 300
const MAX_LENGTH = 1_000

const PLAIN = /\bhttps?:\/\/[^\s<>"']{1,1000}/gi
/** Text that looks like a URL: a host, with or without a path. */
const SHOWN = /^(?:https?:\/\/)?((?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,62})\.){1,6}[\p{L}]{2,24})(?:[/:?#]|$)/iu

/** Each different link once. */
export function linksOf(text: string, html: readonly HtmlFacts[]): readonly Link[] {
  const links = new Map<string, Link | undefined>()
  let read = 0
  const add = (target: string, shown = '') => {
    if (read >= MAX_LINKS) return
    const key = `${shown}\n${target}`
    if (!links.has(key)) links.set(key, readLink(target, shown))
    if (links.get(key)) read++
  }
  for (const { links: found } of html) for (const { target, text: shown } of found) add(target, shown)
  let count = 0
  for (const [target] of text.matchAll(PLAIN)) {
    if (++count > MAX_LINKS) break
    add(target)
  }
  return [...links.values()].filter((link) => link !== undefined)
}

function readLink(target: string, shownText: string): Link | undefined {
  const plain = target.slice(0, MAX_LENGTH).replaceAll('&amp;', '&').replace(/\s+/g, '')
  const written = /^https?:[\\/]{0,4}([^\\/?#]{0,300})/i.exec(plain)?.[1]
  if (written === undefined) return undefined
  const url = URL.parse(plain)
  if (!url) return undefined
  const host = url.hostname.replace(/\.$/, '').replace(/^\[|\]$/g, '')
  const shown = SHOWN.exec(shownText.trim().slice(0, 300))?.[1]
  return {
    host,
    domain: isIP(host) === 0 ? registeredDomain(host) : host,
    written: written.toLowerCase(),
    hasUser: url.username !== '' || url.password !== '',
    port: url.port,
    path: url.pathname + url.search,
    ...(shown === undefined ? {} : { shown: shown.toLowerCase() }),
  }
}

/** Whether a label of the host mixes Latin letters with Cyrillic or Greek ones. */
export function isMixedScript(host: string): boolean {
  return domainToUnicode(host)
    .split('.')
    .some((label) => /[a-z]/i.test(label) && /[\p{Script=Cyrillic}\p{Script=Greek}]/u.test(label))
}

/** Letters of other scripts, digits and pairs that look like Latin letters. */
const LOOK_ALIKES: Readonly<Record<string, string>> = {
  а: 'a',
  е: 'e',
  о: 'o',
  р: 'p',
  с: 'c',
  у: 'y',
  х: 'x',
  і: 'i',
  ј: 'j',
  ѕ: 's',
  һ: 'h',
  ԁ: 'd',
  ո: 'n',
  ʟ: 'l',
  α: 'a',
  ο: 'o',
  ρ: 'p',
  ν: 'v',
  ι: 'i',
  κ: 'k',
  τ: 't',
  υ: 'u',
  0: 'o',
  1: 'l',
  3: 'e',
  5: 's',
  ı: 'i',
  ł: 'l',
}

/** The Latin text that a label resembles. */
export function skeletonOf(label: string): string {
  const plain = label.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
  return [...plain]
    .map((letter) => LOOK_ALIKES[letter] ?? letter)
    .join('')
    .replaceAll('rn', 'm')
    .replaceAll('vv', 'w')
    .replaceAll('i', 'l')
}
