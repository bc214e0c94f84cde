/**
 * Seals mail of others that leaves again, such as forwards and posts to lists (ARC, RFC 8617).
 *
 * Invariants: only results that this server has found itself are sealed; a chain is continued only if it was verified
 * here, on arrival or by the key of its last seal; mail with a broken chain gets no seal.
 */
import { createPublicKey, verify } from 'node:crypto'
import type { Delivery, RawField } from 'iems'
import { relaxedField } from './canonical.ts'
import type { SigningKey } from './keys.ts'
import { type Fields, type Hashed, inPieces, signatureOf, signText } from './signature.ts'

export interface SealDeps {
  readonly key: SigningKey
  /** The id of this server in Authentication-Results. */
  readonly authservId: string
  readonly which: Fields
  /** Seconds since 1970. */
  readonly at: number
}

/** The three fields of one instance. */
interface ArcSet {
  readonly results: RawField
  readonly message: RawField
  readonly seal: RawField
}

const RESULTS = 'ARC-Authentication-Results'
const MESSAGE = 'ARC-Message-Signature'
const SEAL = 'ARC-Seal'
/** Section 4.2.1. */
const MAX_INSTANCES = 50

/** Adds a set. Returns whether it did. */
export async function seal(delivery: Delivery, hashed: Hashed, deps: SealDeps): Promise<boolean> {
  const sets = setsIn(hashed.fields)
  if (!sets || sets.length >= MAX_INSTANCES) return false
  const own = delivery.headers.get('Authentication-Results').find((value) => isBy(value, deps.authservId))
  const { session, findings } = delivery.message
  // A list of this server has changed what was sealed here; from outside, the message signature must be intact too.
  const isOurs = session.protocol === 'LOCAL' && sets.length > 0 && isSealedBy(sets, deps.key)
  const isVerified = findings.some(({ name, value }) => name === 'arc' && value === 'pass')
  if (sets.length > 0 && !isOurs && !isVerified) return false
  const info = own ?? (isOurs ? `${deps.authservId}; arc=pass` : undefined)
  if (info === undefined) return false
  await addSet(delivery, hashed, { ...deps, sets, info })
  return true
}

const isBy = (value: string, id: string) => value.trimStart().toLowerCase().startsWith(`${id.toLowerCase()};`)

async function addSet(
  { headers }: Delivery,
  hashed: Hashed,
  { key, which, at, sets, info }: SealDeps & { readonly sets: readonly ArcSet[]; readonly info: string },
): Promise<void> {
  const instance = sets.length + 1
  const results = { name: RESULTS, value: `i=${instance}; ${info.trim().replace(/\s+/g, ' ')}` }
  const message = {
    name: MESSAGE,
    value: await signatureOf(hashed, key, which, { at }, { name: MESSAGE, first: `i=${instance}` }),
  }
  const { domain, selector, algorithm } = key
  const cv = sets.length === 0 ? 'none' : 'pass'
  const tags = [`i=${instance}`, `a=${algorithm}-sha256`, `t=${at}`, `cv=${cv}`, `d=${domain}`, `s=${selector}`, 'b=']
  const value = tags.join('; ')
  const signature = await signText(sealedText([...sets, { results, message, seal: { name: SEAL, value } }]), key)
  headers.prepend(RESULTS, results.value)
  headers.prepend(MESSAGE, message.value)
  headers.prepend(SEAL, value + inPieces(signature.toString('base64')))
}

/** Section 5.1.1: all sets in order; the last seal without its signature and its line end. */
function sealedText(sets: readonly ArcSet[]): string {
  return sets
    .flatMap(({ results, message, seal: one }) => [results, message, one])
    .map(relaxedField)
    .join('\r\n')
}

/** The sets by instance, without gaps; undefined when the chain is malformed. */
function setsIn(fields: readonly RawField[]): ArcSet[] | undefined {
  const byInstance = new Map<number, Map<string, RawField>>()
  for (const field of fields) {
    const name = field.name.toLowerCase()
    if (!name.startsWith('arc-')) continue
    const instance = Number(
      /^\s*i\s*=\s*(\d{1,2})\s*;/.exec(field.value)?.[1] ?? /;\s*i\s*=\s*(\d{1,2})\s*(?:;|$)/.exec(field.value)?.[1],
    )
    const set = byInstance.get(instance) ?? new Map<string, RawField>()
    if (!(instance >= 1) || set.has(name)) return undefined
    byInstance.set(instance, set.set(name, field))
  }
  const sets: ArcSet[] = []
  for (let instance = 1; instance <= byInstance.size; instance++) {
    const set = byInstance.get(instance)
    const [results, message, one] = [RESULTS, MESSAGE, SEAL].map((name) => set?.get(name.toLowerCase()))
    if (!results || !message || !one || set?.size !== 3) return undefined
    sets.push({ results, message, seal: one })
  }
  return sets
}

/** Whether the last seal is valid by this key. */
function isSealedBy(sets: readonly ArcSet[], { domain, selector, algorithm, privateKey }: SigningKey): boolean {
  const last = sets.at(-1) as ArcSet
  const tagOf = (name: string) =>
    last.seal.value
      .split(';')
      .map((tag) => tag.trim())
      .find((tag) => tag.startsWith(`${name}=`))
      ?.slice(name.length + 1)
      .replace(/\s+/g, '')
  if (tagOf('d')?.toLowerCase() !== domain || tagOf('s') !== selector || algorithm !== 'rsa') return false
  const bare = { ...last.seal, value: last.seal.value.replace(/(;\s*b\s*=)[^;]*/, '$1') }
  const text = Buffer.from(sealedText([...sets.slice(0, -1), { ...last, seal: bare }]), 'latin1')
  return verify('sha256', text, createPublicKey(privateKey), Buffer.from(tagOf('b') ?? '', 'base64'))
}
