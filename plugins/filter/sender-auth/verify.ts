/**
 * Verifies SPF, DKIM, ARC, DMARC and BIMI of a message: mailauth's results as plain JSON.
 *
 * DKIM, ARC and DMARC follow their RFCs strictly, and SPF too unless configured otherwise. Invariants: every query uses the limited resolver; a result without a DNS answer is `temperror`, never
 * `fail` or `none`.
 */
import { isIP } from 'node:net'
import type { ReadableMessage } from 'iems'
import { type AuthorProblem, authorProblem } from './author.ts'
import type { Resolve } from './dns.ts'
import { type ARCResult, type Dkim, type DNSResolver, type Library, loadLibrary } from './library.ts'
import { limitSignatures, type SignatureLimits } from './signature-limit.ts'

export type Policy = 'none' | 'quarantine' | 'reject'
export type DmarcResult = 'pass' | 'fail' | 'none' | 'temperror' | 'permerror'

export interface SpfVerdict {
  readonly result: string
  readonly domain: string
  readonly scope: 'mfrom' | 'helo'
}

export interface Signature {
  readonly result: string
  readonly domain: string
  readonly selector: string
}

export interface DmarcVerdict {
  readonly result: DmarcResult
  /** The author's domain, if there is exactly one. */
  readonly from?: string
  /** The reason why there is no single author domain. */
  readonly problem?: string
  /** The domain of the record, its organizational domain, and its text. */
  readonly policyDomain?: string
  readonly organization?: string
  readonly record?: string
  /** The requested policy for failing messages; one step weaker in test mode. */
  readonly policy: Policy
  readonly published: Policy
  readonly isTesting: boolean
  readonly isSpfAligned: boolean
  readonly isDkimAligned: boolean
}

export interface ArcVerdict {
  readonly result: string
  /** The sealers, oldest first. */
  readonly sealers: readonly string[]
  /** The first sealer's DMARC result. */
  readonly firstDmarc?: string
}

export interface Verification {
  readonly spf: SpfVerdict
  readonly dkim: readonly Signature[]
  readonly arc: ArcVerdict
  readonly dmarc: DmarcVerdict
  readonly bimi?: { readonly result: string; readonly location?: string; readonly authority?: string }
  /** For Authentication-Results (RFC 8601), one per result. */
  readonly rows: readonly string[]
  /** The value of Received-SPF (RFC 7208 section 9.1). */
  readonly receivedSpf: string
}

export interface VerifyOptions {
  readonly resolve: Resolve
  /** The authserv-id of this server. */
  readonly authservId: string
  readonly now: number
  readonly spf: { readonly lookups: number; readonly voidLookups: number; readonly strict: boolean }
  readonly minKeyBits: number
  readonly isBimiWanted: boolean
  readonly limits: SignatureLimits
}

type Dmarc = Awaited<ReturnType<Library['dmarc']>>
type Spf = Awaited<ReturnType<Library['spf']>>

/** Follows RFC 6376, 8617 and 9989 strictly. */
const strict = true

export type Verify = (message: ReadableMessage, options: VerifyOptions) => Promise<Verification>

/** The library is loaded at the first message, because commands that verify nothing start faster without it. */
export function createVerify(): Verify {
  let library: Promise<Library> | undefined
  return async (message, options) => {
    library ??= loadLibrary()
    return verify(await library, message, options)
  }
}

async function verify(library: Library, message: ReadableMessage, options: VerifyOptions): Promise<Verification> {
  const { arc, bimi, dmarc, spf, verifyDkim } = library
  const resolver = options.resolve as DNSResolver
  const { minKeyBits: minBitLength } = options
  const [dkim, spfResult] = await Promise.all([
    verifyDkim(limitSignatures(message.open(), options.limits), {
      resolver,
      strict,
      minBitLength,
      sender: message.from,
      curTime: new Date(options.now),
    }),
    spf(spfQuestion(message, options, resolver)),
  ])
  const chain = dkim.arc as Parameters<Library['arc']>[0]
  const arcResult = await arc(chain, { resolver, strict, minBitLength })
  const problem = authorProblem(message.headers.get('from'), dkim.fromFields > 1 ? [] : dkim.headerFrom)
  const dmarcResult = problem === undefined && (await dmarc(dmarcQuestion(dkim, spfResult, resolver)))
  const bimiResult = options.isBimiWanted
    ? await bimi({ ...(dmarcResult ? { dmarc: dmarcResult } : {}), headers: dkim.headers, resolver, strict })
    : false
  const verdict = dmarcVerdict(dmarcResult, problem)
  const dmarcRow = dmarcResult ? dmarcResult.info : `dmarc=permerror (${verdict.problem})`
  const infos = [spfResult, ...dkim.results, arcResult].map(({ info }) => info)
  return {
    spf: {
      result: spfResult.status.result,
      domain: nameOf(spfResult.domain),
      scope: message.from === '' ? 'helo' : 'mfrom',
    },
    dkim: signaturesOf(dkim),
    arc: arcVerdict(arcResult),
    dmarc: verdict,
    ...(bimiResult ? { bimi: bimiVerdict(bimiResult) } : {}),
    rows: [...infos, dmarcRow, ...(bimiResult ? [bimiResult.info] : [])].filter((row) => row !== undefined),
    receivedSpf: spfResult.header.replace(/\r\n/g, '').replace(/^Received-SPF:\s*/, ''),
  }
}

function spfQuestion({ from, session }: ReadableMessage, options: VerifyOptions, resolver: DNSResolver) {
  const ip = session.remote.address
  const helo = session.helo ?? ip
  return {
    sender: from,
    ip,
    // RFC 5321 section 4.1.3: an address literal, which has no policy.
    helo: isIP(helo) === 0 ? helo : `[${helo}]`,
    mta: options.authservId,
    resolver,
    maxResolveCount: options.spf.lookups,
    maxVoidCount: options.spf.voidLookups,
    strict: options.spf.strict,
  }
}

function dmarcQuestion({ headerFrom, fromFields, results }: Dkim, { status, domain }: Spf, resolver: DNSResolver) {
  return {
    headerFrom,
    fromFields,
    spfDomains: status.result === 'pass' ? [domain] : [],
    dkimDomains: results
      .filter(({ status }) => status.result === 'pass')
      .map(({ signingDomain = '', status: { underSized } }) => ({
        domain: signingDomain,
        ...(underSized === undefined ? {} : { underSized }),
      })),
    resolver,
    strict,
  }
}

function signaturesOf({ results }: Dkim): Signature[] {
  return results
    .filter(({ status }) => status.result !== 'none')
    .map(({ status: { result }, signingDomain = '', selector = '' }) => ({
      result,
      domain: nameOf(signingDomain),
      selector: nameOf(selector),
    }))
}

/** Remote text in place of a name may have any length; stored and reported names do not. */
function nameOf(text: string): string {
  return text.toLowerCase().slice(0, 253)
}

const NOTHING_ASKED = {
  policy: 'none',
  published: 'none',
  isTesting: false,
  isSpfAligned: false,
  isDkimAligned: false,
} as const

function dmarcVerdict(found: Dmarc, problem: AuthorProblem = 'no one author domain'): DmarcVerdict {
  if (!found) return { ...NOTHING_ASKED, result: 'permerror', problem }
  const { status, domain, policyDomain, policy, p, rr, testMode, alignment } = found
  const result = status.result as DmarcResult
  const from = nameOf(`${status.header?.from ?? ''}`)
  // Without a record there is only a result.
  if (rr === undefined || policyDomain === undefined) return { ...NOTHING_ASKED, result, from }
  return {
    result,
    from,
    policyDomain,
    organization: domain,
    record: rr,
    policy: policy as Policy,
    published: p as Policy,
    isTesting: testMode,
    isSpfAligned: alignment.spf.result !== undefined,
    isDkimAligned: alignment.dkim.result !== undefined,
  }
}

function arcVerdict({ status, chain, authenticationResults }: ARCResult): ArcVerdict {
  const sets = Array.isArray(chain) ? chain : []
  const sealers = sets.map((set) => `${set['arc-seal']?.parsed?.d?.value ?? ''}`.toLowerCase())
  // mailauth moves the newest set's results into `authenticationResults`.
  const firstDmarc =
    sets.length > 1
      ? sets[0]?.['arc-authentication-results']?.parsed?.dmarc?.value
      : authenticationResults?.dmarc?.result
  return { result: status.result, sealers, ...(firstDmarc === undefined ? {} : { firstDmarc: `${firstDmarc}` }) }
}

function bimiVerdict({ status, location, authority }: Exclude<Awaited<ReturnType<Library['bimi']>>, false>) {
  return {
    result: status.result,
    ...(location === undefined ? {} : { location }),
    ...(authority === undefined ? {} : { authority }),
  }
}
