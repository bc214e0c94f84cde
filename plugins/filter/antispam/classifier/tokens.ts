/**
 * Tokens of a message for the classifier: hashes of its words.
 *
 * Hashes instead of words, so that mail cannot be read from a corpus. Invariants: the same message has the same tokens
 * everywhere; one pass over the text, with a limit on their number.
 */

import { isIPv4 } from 'node:net'
import type { MessageText } from '../content/message-text.ts'
import { isHostName, registeredDomain } from '../dns/names.ts'

/** Maximum tokens of one view. */
const MOST = 1_500
const LONGEST = 24
const SHORTEST = 3

/** FNV-1a, with a different basis for each kind of token. */
const BASIS = 0x811c9dc5
const PRIME = 0x01000193

function finish(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x297a2d39)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

function hashOf(text: string, start: number): number {
  let hash = start
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), PRIME)
  return hash
}

/** Letters and digits, `$`, `€`, `%` and `!`, and all non-ASCII characters except white space and punctuation. */
function isWord(code: number): boolean {
  if (code < 128)
    return (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code === 36 || code === 37 || code === 33
  return code >= 0xc0 && !(code >= 0x2000 && code <= 0x206f) && !(code >= 0x3000 && code <= 0x303f)
}

/** Scripts without spaces: each pair of neighbours is a word. */
const isIdeographic = (code: number) => code >= 0x3041 && code <= 0xd7ff

function addWords(text: string, start: number, into: Set<number>): void {
  const lower = text.toLowerCase()
  let hash = start
  let length = 0
  let before = 0
  for (let at = 0; at <= lower.length && into.size < MOST; at++) {
    const code = at < lower.length ? lower.charCodeAt(at) : 32
    if (isIdeographic(code)) {
      if (before > 0) into.add(finish(Math.imul(Math.imul(start ^ before, PRIME) ^ code, PRIME)))
      before = code
    } else if (isWord(code)) {
      hash = Math.imul(hash ^ code, PRIME)
      length++
      continue
    } else before = 0
    if (length >= SHORTEST && length <= LONGEST) into.add(finish(hash))
    hash = start
    length = 0
  }
}

const kind = (name: string) => hashOf(`${name}:`, BASIS)
const [BODY, SUBJECT, FROM, DOMAIN, FIELD, FILE, TO, ROUTE, LINK] = [
  kind('b'),
  kind('s'),
  kind('f'),
  kind('u'),
  kind('h'),
  kind('a'),
  kind('t'),
  kind('r'),
  kind('l'),
]

/** Groups of tokens that are rated separately, because tokens about the same thing are not independent. */
export const VIEWS = ['head', 'route', 'text', 'links'] as const
export type View = (typeof VIEWS)[number]
export type Views = Readonly<Record<View, Uint32Array>>

/** All tokens of a message, for learning. */
export function allOf(views: Views): Uint32Array {
  return Uint32Array.from(new Set(VIEWS.flatMap((view) => [...views[view]])))
}

/** Fields whose presence and abbreviated value count. */
const TOLD: readonly string[] = ['x-mailer', 'user-agent', 'content-type', 'reply-to', 'list-id']
/** Fields whose words count, and the maximum characters of each. */
const ADDRESSED: readonly string[] = ['to', 'cc', 'reply-to', 'list-id', 'sender', 'errors-to']
const ADDRESSED_LENGTH = 300
const HOPS = 8
const LINKS = 100

export function tokensOf(letter: MessageText, domains: readonly string[]): Views {
  return {
    head: headTokens(letter),
    route: routeTokens(letter),
    text: textTokens(letter),
    links: linkTokens(letter, domains),
  }
}

function add(tokens: Set<number>, text: string, start: number): void {
  tokens.add(finish(hashOf(text.toLowerCase(), start)))
}

function headTokens(letter: MessageText): Uint32Array {
  const tokens = new Set<number>()
  for (const subject of letter.field('subject')) addWords(subject, SUBJECT, tokens)
  for (const from of letter.field('from')) {
    addWords(from, FROM, tokens)
    const domain = /@([\w.-]{1,253})/.exec(from)?.[1]
    if (domain !== undefined) add(tokens, registeredDomain(domain), FROM)
  }
  for (const name of TOLD)
    for (const value of letter.field(name).slice(0, 1)) add(tokens, `${name} ${value.split(/[;/\s]/, 1)[0]}`, FIELD)
  for (const name of ADDRESSED)
    for (const value of letter.field(name).slice(0, 2))
      addWords(value.slice(0, ADDRESSED_LENGTH), hashOf(name, TO), tokens)
  for (const name of letter.attachments.slice(0, 20)) add(tokens, /\.\w{1,8}$/.exec(name)?.[0] ?? '', FILE)
  return Uint32Array.from(tokens)
}

/** Hosts and networks on the message's path. */
function routeTokens(letter: MessageText): Uint32Array {
  const tokens = new Set<number>()
  const names = letter
    .field('received')
    .slice(0, HOPS)
    .flatMap((hop) => hop.split(/[\s()[\];<>=,]+/))
  const host = /@([^<>@\s]{1,253})>/.exec(letter.field('message-id')[0] ?? '')?.[1]
  for (const name of names) {
    if (isIPv4(name)) {
      const [first, second, third] = name.split('.')
      add(tokens, `${first}.${second}`, ROUTE)
      add(tokens, `${first}.${second}.${third}`, ROUTE)
    } else if (isHostName(name)) add(tokens, registeredDomain(name), ROUTE)
  }
  add(tokens, host === undefined ? 'none' : `id ${registeredDomain(host)}`, ROUTE)
  return Uint32Array.from(tokens)
}

function textTokens(letter: MessageText): Uint32Array {
  const tokens = new Set<number>()
  addWords(letter.text, BODY, tokens)
  return Uint32Array.from(tokens)
}

const PAGE = /\bhttps?:\/\/([^\s"'<>)]{1,120})/gi

function linkTokens({ raw }: MessageText, domains: readonly string[]): Uint32Array {
  const tokens = new Set<number>()
  for (const domain of domains) add(tokens, domain, DOMAIN)
  const pages = new Set<string>()
  let count = 0
  for (const text of raw)
    for (const [, page = ''] of text.matchAll(PAGE)) {
      if (++count > LINKS) return Uint32Array.from(tokens)
      if (!pages.has(page)) addWords(page, LINK, tokens)
      pages.add(page)
    }
  return Uint32Array.from(tokens)
}
