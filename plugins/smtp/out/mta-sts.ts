/**
 * MTA-STS (RFC 8461): the TLS policy a domain publishes, found by a TXT record and fetched by HTTPS.
 *
 * What must stay true: a policy that was fetched holds until it expires, even if its record or its web server is gone
 * meanwhile (section 5.1: else whoever can suppress an answer could suppress the policy); no policy server can make us
 * wait or read without end, or lead us elsewhere.
 */
import { request } from 'node:https'
import type { LookupFunction } from 'node:net'
import { below, Cache, type Dns, decodeRecord, encodeRecord, key, type Op, type Store } from 'iems'

export interface StsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none'
  /** Names in lower case; `*.` stands for one label. */
  readonly mx: readonly string[]
  readonly maxAge: number
}

export interface StsSettings {
  readonly dns: Dns
  /** Policies outlive a restart. */
  readonly store: Pick<Store, 'get' | 'commit' | 'scan'>
  /** A policy server is never this host. */
  readonly isOwn: (address: string) => boolean
  readonly now: () => number
  /** For tests; 443 otherwise. */
  readonly port: number
  readonly ca: readonly string[] | undefined
  readonly signal: AbortSignal
  /** Is told why a policy could not be fetched. */
  readonly warn: (domain: string, why: string) => void
}

export type FindPolicy = (domain: string) => Promise<StsPolicy | undefined>

const SIZE_LIMIT = 65_536
const FETCH_MS = 60_000
/** Section 3.3 suggests not to ask again for five minutes after a failure. */
const RETRY_MS = 300_000
/** Section 5.1: often enough that a fetch that is suppressed for a while does no harm. */
const REFRESH_MS = 86_400_000
/** Section 3.2: a year or so at most. */
const MAX_AGE_S = 31_557_600
const MAX_ENTRIES = 20_000
const SWEPT_TOGETHER = 500

interface Cached {
  readonly id: string
  readonly policy: StsPolicy | undefined
  readonly until: number
  /** When it is to be fetched again, though its id is the same. */
  readonly askAt: number
}

export function createFindPolicy(settings: StsSettings): FindPolicy {
  const { dns, now } = settings
  const cache = new Cache<Cached>({ max: MAX_ENTRIES })
  const underWay = new Map<string, Promise<StsPolicy | undefined>>()

  function remember(domain: string, entry: Cached): StsPolicy | undefined {
    cache.set(domain, entry)
    return entry.policy
  }

  async function refresh(domain: string, id: string, valid: Cached | undefined): Promise<StsPolicy | undefined> {
    const text = await fetchPolicy(domain, settings)
    const policy = text.kind === 'policy' ? parsePolicy(text.body) : undefined
    if (policy) {
      const ms = policy.maxAge * 1000
      const entry = { id, policy, until: now() + ms, askAt: now() + Math.min(ms, REFRESH_MS) }
      await settings.store.commit([{ put: policyKey(domain), value: encodeRecord(entry) }])
      return remember(domain, entry)
    }
    settings.warn(domain, text.kind === 'policy' ? 'the policy is not well-formed' : text.why)
    const askAt = now() + RETRY_MS
    // The old one stays in force, for as long as it was to be.
    return remember(domain, { id, policy: valid?.policy, until: valid?.until ?? askAt, askAt })
  }

  return async (domain) => {
    const record = await dns.ask(`_mta-sts.${domain}`, 'TXT')
    const cached = cache.get(domain) ?? (await stored(settings, domain))
    const valid = cached && cached.until > now() ? cached : undefined
    if (valid && !cache.has(domain)) remember(domain, valid)
    const id = record.kind === 'found' ? idIn(record.records.map((strings) => strings.join(''))) : undefined
    if (id === undefined || (valid?.id === id && valid.askAt > now())) return valid?.policy
    const asked = underWay.get(domain) ?? refresh(domain, id, valid)
    underWay.set(domain, asked)
    try {
      return await asked
    } finally {
      underWay.delete(domain)
    }
  }
}

const policyKey = (domain: string) => key('sts', domain)

async function stored({ store }: StsSettings, domain: string): Promise<Cached | undefined> {
  const value = await store.get(policyKey(domain))
  return value && decodeRecord(value)
}

/** Removes what has expired. */
export async function sweepPolicies({ store, now }: Pick<StsSettings, 'store' | 'now'>): Promise<void> {
  const gone: Op[] = []
  for await (const [at, value] of store.scan(below('sts'))) {
    if (decodeRecord<Cached>(value).until <= now()) gone.push({ del: at })
    if (gone.length >= SWEPT_TOGETHER) await store.commit(gone.splice(0))
  }
  if (gone.length > 0) await store.commit(gone)
}

/** Section 3.1: exactly one record with a version and an id, or it counts as none. */
export function idIn(records: readonly string[]): string | undefined {
  const [record, second] = records.filter((text) => /^v=STSv1\s*(;|$)/.test(text))
  return record === undefined || second !== undefined
    ? undefined
    : /;\s*id\s*=\s*([A-Za-z0-9]{1,32})\s*(?:;|$)/.exec(record)?.[1]
}

/** Section 3.2; undefined if it is not well-formed. */
export function parsePolicy(body: string): StsPolicy | undefined {
  const fields = body.split(/\r?\n/).map((line) => {
    const [name = '', ...value] = line.split(':')
    return { name: name.trimEnd(), value: value.join(':').trim() }
  })
  const values = (wanted: string) => fields.filter(({ name }) => name === wanted).map(({ value }) => value)
  const [version] = values('version')
  const [mode] = values('mode')
  const [age = ''] = values('max_age')
  const mx = values('mx').map((pattern) => pattern.toLowerCase().replace(/\.$/, ''))
  if (version !== 'STSv1' || !/^\d{1,10}$/.test(age)) return undefined
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') return undefined
  if (mode !== 'none' && mx.length === 0) return undefined
  return { mode, mx, maxAge: Math.min(Number(age), MAX_AGE_S) }
}

/** Section 4.1: `*.` matches exactly one label. */
export function matchMx(patterns: readonly string[]): (host: string) => boolean {
  return (host) =>
    patterns.some(
      (pattern) => pattern === host || (pattern.startsWith('*.') && host.slice(host.indexOf('.')) === pattern.slice(1)),
    )
}

type Fetched = { readonly kind: 'policy'; readonly body: string } | { readonly kind: 'failure'; readonly why: string }

function fetchPolicy(domain: string, { dns, isOwn, port, ca, signal }: StsSettings): Promise<Fetched> {
  const host = `mta-sts.${domain}`
  const stop = AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS)])
  return new Promise((resolve) => {
    const fail = (why: string) => resolve({ kind: 'failure', why })
    const asked = request(
      {
        host,
        port,
        path: '/.well-known/mta-sts.txt',
        agent: false,
        signal: stop,
        lookup: lookupBy(dns, isOwn),
        ...(ca ? { ca: [...ca] } : {}),
      },
      (response) => {
        const type = response.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
        // Section 3.3: redirects are not followed.
        if (response.statusCode !== 200 || type !== 'text/plain') {
          fail(`the answer is ${response.statusCode} ${type ?? 'without a type'}`)
          return void response.destroy()
        }
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (text: string) => {
          body += text
          if (body.length > SIZE_LIMIT) response.destroy(new Error('it is too long'))
        })
        response.on('end', () => resolve({ kind: 'policy', body }))
        response.on('error', (error) => fail(error.message))
      },
    )
    asked.on('error', (error) => fail(error.message))
    asked.end()
  })
}

/** The HTTPS client asks our resolver, so that tests and admins decide for it too. */
function lookupBy(dns: Dns, isOwn: StsSettings['isOwn']): LookupFunction {
  return (name, _, done) => {
    dns.host(name).then(
      (answer) => {
        const addresses = answer.kind === 'found' ? answer.records.filter((one) => !isOwn(one)) : []
        if (addresses.length === 0) return done(new Error(`no address for ${name}`), [])
        done(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        )
      },
      (cause: Error) => done(cause, []),
    )
  }
}
