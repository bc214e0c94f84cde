/**
 * The grammar of what an LDAP server sends (RFC 4511 appendix B), read by a decoder of its own: `checkMessage` throws what
 * is wrong with a message.
 */
interface Element {
  readonly tag: number
  readonly content: Buffer
}

/** Elements one behind the other: definite lengths (section 5.1), nothing left over. */
function elementsIn(octets: Buffer, what: string): Element[] {
  const all: Element[] = []
  for (let at = 0; at < octets.length; ) {
    const tag = octets[at++] as number
    const first = octets[at++]
    if (first === undefined || first === 0x80 || first === 0xff) throw new Error(`${what}: no definite length`)
    const count = first < 0x80 ? 0 : first & 0x7f
    const length = count === 0 ? first : octets.readUIntBE(at, count)
    at += count
    if (at + length > octets.length) throw new Error(`${what}: an element is longer than what it is in`)
    all.push({ tag, content: octets.subarray(at, at + length) })
    at += length
  }
  return all
}

/** Takes elements in their order; `end` throws if one is left. */
class Walk {
  readonly #left: Element[]
  readonly #what: string
  constructor(octets: Buffer, what: string) {
    this.#left = elementsIn(octets, what)
    this.#what = what
  }
  is(tag: number): boolean {
    return this.#left[0]?.tag === tag
  }
  get isAtEnd(): boolean {
    return this.#left.length === 0
  }
  take(tag: number): Buffer {
    const next = this.#left.shift()
    if (next?.tag !== tag)
      throw new Error(`${this.#what}: tag ${next?.tag.toString(16)} in the place of ${tag.toString(16)}`)
    return next.content
  }
  text(tag = 0x04): string {
    return new TextDecoder('utf-8', { fatal: true }).decode(this.take(tag))
  }
  number(tag: number, least: number, most: number): number {
    const content = this.take(tag)
    const isShortest =
      content.length === 1 || !((content[0] === 0 && (content[1] as number) < 0x80) || content[0] === 0xff)
    if (content.length < 1 || content.length > 4 || !isShortest) throw new Error(`${this.#what}: no number`)
    const value = content.readIntBE(0, content.length)
    if (value < least || value > most) throw new Error(`${this.#what}: ${value} is out of range`)
    return value
  }
  end(): void {
    if (this.#left.length > 0) throw new Error(`${this.#what}: something is left`)
  }
}

const MAX_INT = 2_147_483_647
/** Of section 4.1.9 and its extensions. */
const isResultCode = (code: number) =>
  code <= 8 ||
  (code >= 10 && code <= 14) ||
  (code >= 16 && code <= 21) ||
  (code >= 32 && code <= 36) ||
  (code >= 48 && code <= 54) ||
  (code >= 64 && code <= 71) ||
  code === 80 ||
  (code >= 118 && code <= 123)
const ATTRIBUTE = /^(?:[a-z][a-z0-9-]*|\d+(?:\.\d+)+)(?:;[a-z0-9-]+)*$/i
const OID = /^\d+(?:\.\d+)+$/
/** RFC 4514, without a look into values. */
const DN = /^(?:(?:[a-z][a-z0-9-]*|\d+(?:\.\d+)+)=(?:\\.|[^\\,+"<>;\0])*(?:[,+](?=.)|$))*$/is

function must(is: boolean, why: string): void {
  if (!is) throw new Error(why)
}

function checkResult(walk: Walk): void {
  const code = walk.number(0x0a, 0, MAX_INT)
  must(isResultCode(code), `${code} is no result code`)
  const matched = walk.text()
  must(DN.test(matched), `the matched name ${matched}`)
  walk.text()
  if (walk.is(0xa3)) {
    const uris = new Walk(walk.take(0xa3), 'a referral')
    must(code === 10 && !uris.isAtEnd, 'a referral has a URI, and its code')
    while (!uris.isAtEnd) uris.text()
  } else must(code !== 10, 'a referral without one')
}

function checkEntry(walk: Walk): void {
  const dn = walk.text()
  must(DN.test(dn), `the name ${dn}`)
  const list = new Walk(walk.take(0x30), 'attributes')
  const seen = new Set<string>()
  while (!list.isAtEnd) {
    const attribute = new Walk(list.take(0x30), 'an attribute')
    const type = attribute.text()
    must(ATTRIBUTE.test(type), `the attribute ${type}`)
    must(!seen.has(type.toLowerCase()), `${type} is there twice`)
    seen.add(type.toLowerCase())
    const set = new Walk(attribute.take(0x31), 'values')
    const values = new Set<string>()
    while (!set.isAtEnd) {
      const value = set.take(0x04).toString('latin1')
      must(!values.has(value), `${type}: one value twice`)
      values.add(value)
    }
    attribute.end()
  }
}

function checkExtended(walk: Walk, isIntermediate: boolean): void {
  const [name, value] = isIntermediate ? [0x80, 0x81] : [0x8a, 0x8b]
  if (walk.is(name)) must(OID.test(walk.text(name)), 'the name of an extended response')
  if (walk.is(value)) walk.take(value)
}

function checkControls(octets: Buffer): void {
  const list = new Walk(octets, 'controls')
  must(!list.isAtEnd, 'an empty list of controls')
  while (!list.isAtEnd) {
    const control = new Walk(list.take(0x30), 'a control')
    must(OID.test(control.text()), 'the type of a control')
    // DER-like restriction of section 5.1: TRUE is 0xff, and FALSE, the default, is left out.
    if (control.is(0x01)) must(control.take(0x01).equals(Buffer.from([0xff])), 'a criticality')
    if (control.is(0x04)) control.take(0x04)
    control.end()
  }
}

const RESULTS: readonly number[] = [0x65, 0x67, 0x69, 0x6b, 0x6d, 0x6f]

/** `content`: what is inside the message's sequence. */
export function checkMessage(content: Buffer): void {
  const [, operation] = elementsIn(content, 'a message')
  const walk = new Walk(content, 'a message')
  const id = walk.number(0x02, 0, MAX_INT)
  const tag = operation?.tag ?? 0
  const inner = new Walk(walk.take(tag), `a response of tag ${tag.toString(16)}`)
  if (tag === 0x64) checkEntry(inner)
  else if (tag === 0x79) checkExtended(inner, true)
  else {
    must(RESULTS.includes(tag) || tag === 0x61 || tag === 0x78, `a server sends nothing of tag ${tag.toString(16)}`)
    checkResult(inner)
    if (tag === 0x61 && inner.is(0x87)) inner.take(0x87)
    if (tag === 0x78) checkExtended(inner, false)
  }
  inner.end()
  must(id !== 0 || tag === 0x78, 'only notices have the id 0')
  if (walk.is(0xa0)) checkControls(walk.take(0xa0))
  walk.end()
}
