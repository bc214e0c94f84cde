/**
 * MTA-STS (RFC 8461): the TLS policy of a domain, announced by a TXT record and fetched over HTTPS.
 *
 * Invariants: a fetched policy is valid until it expires, even if its record or web server disappears (section 5.1:
 * otherwise an attacker who suppresses an answer suppresses the policy); a policy server can neither delay a delivery
 * without limit, nor send unbounded data, nor redirect the request.
 */
import { request } from 'node:https'
import type { LookupFunction } from 'node:net'
import { below, Cache, type Dns, decodeRecord, encodeRecord, key, type Op, type Store } from 'iems'

export interface StsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none'
  /** Names in lower case; `*.` matches one label. */
  readonly mx: readonly string[]
  readonly maxAge: number
}

export interface StsSettings {
  readonly dns: Dns
  /** Policies outlive a restart. */
  readonly store: Pick<Store, 'get' | 'commit' | 'scan'>
  /** A policy server must not be this host. */
  readonly isOwn: (address: string) => boolean
  readonly now: () => number
  /** Other than 443 only in tests. */
  readonly port: number
  readonly ca: readonly string[] | undefined
  readonly signal: AbortSignal
  /** Called with the reason when a policy cannot be fetched. */
  readonly warn: (domain: string, why: string, failure: 'sts-policy-fetch-error' | 'sts-policy-invalid') => void
}

export type FindPolicy = (domain: string) => Promise<StsPolicy | undefined>

const SIZE_LIMIT = 65_536
const FETCH_MS = 60_000
/** Section 3.3 suggests five minutes between attempts after a failure. */
const RETRY_MS = 300_000
/** Section 5.1: frequent enough that a temporarily suppressed fetch does no harm. */
const REFRESH_MS = 86_400_000
/** Section 3.2: at most about a year. */
const MAX_AGE_S = 31_557_600
const MAX_ENTRIES = 20_000
const SWEPT_TOGETHER = 500

interface Cached {
  readonly id: string
  readonly policy: StsPolicy | undefined
  readonly until: number
  /** Time of the next fetch, even if the id does not change. */
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
    if (text.kind === 'policy') settings.warn(domain, 'the policy is not well-formed', 'sts-policy-invalid')
    else settings.warn(domain, text.why, 'sts-policy-fetch-error')
    const askAt = now() + RETRY_MS
    // The old policy stays in force until it expires.
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

/** Removes expired policies. */
export async function sweepPolicies({ store, now }: Pick<StsSettings, 'store' | 'now'>): Promise<void> {
  const gone: Op[] = []
  for await (const [at, value] of store.scan(below('sts'))) {
    if (decodeRecord<Cached>(value).until <= now()) gone.push({ del: at })
    if (gone.length >= SWEPT_TOGETHER) await store.commit(gone.splice(0))
  }
  if (gone.length > 0) await store.commit(gone)
}

/** Section 3.1: exactly one record with a version and an id, otherwise there is none. */
export function idIn(records: readonly string[]): string | undefined {
  const [record, second] = records.filter((text) => /^v=STSv1\s*(;|$)/.test(text))
  return record === undefined || second !== undefined
    ? undefined
    : /;\s*id\s*=\s*([A-Za-z0-9]{1,32})\s*(?:;|$)/.exec(record)?.[1]
}

/** Section 3.2; undefined if malformed. */
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

/** Fetches the policy file of a domain over HTTPS, with a certificate that is valid for its host. */
export function fetchPolicy(
  domain: string,
  { dns, isOwn, port, ca, signal }: Pick<StsSettings, 'dns' | 'isOwn' | 'port' | 'ca' | 'signal'>,
): Promise<Fetched> {
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

/** The HTTPS client uses the server's resolver, so that its configuration applies. */
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
