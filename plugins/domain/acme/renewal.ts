/**
 * Keeps the configured certificates valid: decides when to order, asks the authorities in turn, stores the result.
 *
 * Invariants: one kernel orders at a time; failed orders wait longer each time, because authorities limit them; a
 * certificate is replaced only by one that is valid for its key.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { encodeRecord, type Op, type Problem, reasonOf, type SetupContext } from 'iems'
import { Authority, type AuthoritySettings, certificateId, newKey } from './authority.ts'
import type { CertificateOptions, Options } from './options.ts'
import { CHANGED, type Proofs } from './proofs.ts'
import {
  type AccountRecord,
  accountKey,
  alone,
  type CertificateRecord,
  certificateKey,
  type FailureRecord,
  failureKey,
  read,
} from './records.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const LOCK_MS = 30 * 60_000
/** A failed order is repeated after an hour, then two, four, … up to a day. */
const FIRST_RETRY_MS = HOUR_MS

export interface RenewalDeps extends Pick<SetupContext, 'store' | 'log' | 'signals' | 'signal'> {
  readonly options: Options
  readonly authorities: readonly AuthoritySettings[]
  readonly proofs: Proofs
}

export interface CertificateState {
  readonly name: string
  readonly names: readonly string[]
  readonly record: CertificateRecord | undefined
  readonly failure: FailureRecord | undefined
}

/** The result of `renew` for one certificate. */
export interface Renewed {
  readonly name: string
  readonly outcome: 'ordered' | 'still valid' | 'waits' | 'failed'
  readonly why?: string
}

export class Renewal {
  readonly #deps: RenewalDeps

  constructor(deps: RenewalDeps) {
    this.#deps = deps
  }

  async states(): Promise<CertificateState[]> {
    const { store, options } = this.#deps
    return Promise.all(
      options.certificates.map(async ({ names }) => {
        const name = names[0] as string
        const record = await read<CertificateRecord>(store, certificateKey(name))
        return { name, names, record, failure: await read<FailureRecord>(store, failureKey(name)) }
      }),
    )
  }

  /** Orders what is due, or with `force` the named certificates. Undefined: another kernel orders now. */
  async renew(force: (name: string) => boolean = () => false): Promise<Renewed[] | undefined> {
    const done: Renewed[] = []
    const ran = await alone(this.#deps.store, LOCK_MS, async () => {
      for (const [index, state] of (await this.states()).entries()) {
        const wanted = this.#deps.options.certificates[index] as CertificateOptions
        const isForced = force(state.name)
        if (!isForced && !isDue(state, this.#deps.store.now())) done.push({ name: state.name, outcome: 'still valid' })
        else if (!isForced && (state.failure?.next ?? 0) > this.#deps.store.now())
          done.push({ name: state.name, outcome: 'waits', why: state.failure?.why ?? '' })
        else done.push(await this.#renewOne(wanted, state))
      }
    })
    return ran ? done : undefined
  }

  async #renewOne(wanted: CertificateOptions, { name, record, failure }: CertificateState): Promise<Renewed> {
    const { store, log, signals, signal } = this.#deps
    const faults: string[] = []
    for (const settings of this.#deps.authorities) {
      try {
        const fresh = await this.#order(wanted, record, settings)
        await store.commit([{ put: certificateKey(name), value: encodeRecord(fresh) }, { del: failureKey(name) }])
        signals.publish(CHANGED, 'certificates')
        log.info('a certificate was issued', { name, authority: settings.directory })
        return { name, outcome: 'ordered' }
      } catch (cause) {
        if (signal.aborted) throw cause
        const why = `${new URL(settings.directory).host}: ${reasonOf(cause)}`
        faults.push(why)
        log.warn('a certificate was not issued', { name, why })
      }
    }
    const count = (failure?.count ?? 0) + 1
    const now = store.now()
    const why = faults.join('; ')
    const next = now + Math.min(FIRST_RETRY_MS * 2 ** (count - 1), DAY_MS)
    const put: Op = {
      put: failureKey(name),
      value: encodeRecord({ count, why, at: now, next } satisfies FailureRecord),
    }
    await store.commit([put])
    return { name, outcome: 'failed', why }
  }

  async #order(
    { names, keyType }: CertificateOptions,
    old: CertificateRecord | undefined,
    settings: AuthoritySettings,
  ): Promise<CertificateRecord> {
    const { store, options, proofs, signal } = this.#deps
    const at = accountKey(settings.directory)
    const authority = await Authority.open(settings, await read<AccountRecord>(store, at), {
      signal,
      save: async (account) => void (await store.commit([{ put: at, value: encodeRecord(account) }])),
    })
    const isKept = options.keepKey && old !== undefined && typeOf(old.key) === keyType
    const key = isKept ? old.key : newKey(keyType)
    const replaces = old?.authority === settings.directory ? certificateId(old.cert) : undefined
    const cert = await authority.order({
      names,
      key,
      challenges: options.challenges,
      replaces,
      publish: (proof) => proofs.publish(proof),
      remove: (proof) => proofs.remove(proof),
    })
    const leaf = new X509Certificate(cert)
    if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('the certificate is not for the key of the order')
    const renewAt = await authority.renewalTime(cert).catch(() => undefined)
    return {
      names,
      cert,
      key,
      since: Date.parse(leaf.validFrom),
      until: Date.parse(leaf.validTo),
      authority: settings.directory,
      ...(renewAt === undefined ? {} : { renewAt }),
    }
  }

  /** Asks again when to renew (RFC 9773 section 4.3), so that certificates about to be revoked are replaced in time. */
  async refreshTimes(): Promise<void> {
    const { store, authorities, signal } = this.#deps
    for (const { name, record } of await this.states()) {
      const settings = authorities.find(({ directory }) => directory === record?.authority)
      const account = settings && (await read<AccountRecord>(store, accountKey(settings.directory)))
      if (!record || !settings || !account) continue
      const authority = await Authority.open(settings, account, { signal, save: async () => {} })
      const renewAt = await authority.renewalTime(record.cert).catch(() => undefined)
      const isMoved = renewAt !== undefined && !(record.renewAt !== undefined && record.renewAt <= renewAt)
      if (isMoved) {
        const before = encodeRecord(record)
        const ops = [{ put: certificateKey(name), value: encodeRecord({ ...record, renewAt }) }]
        await store.commit(ops, [{ key: certificateKey(name), is: before }])
      }
    }
  }

  async problems(): Promise<Problem[]> {
    const now = this.#deps.store.now()
    return (await this.states()).flatMap(({ name, record, failure }) => problemOf({ name, record, failure }, now) ?? [])
  }
}

const typeOf = (pem: string) => (createPrivateKey(pem).asymmetricKeyType === 'ec' ? 'ecdsa' : 'rsa')

/** Missing, for other names, at the time that the authority suggests, or with less than a third of its life left. */
export function isDue({ names, record }: Pick<CertificateState, 'names' | 'record'>, now: number): boolean {
  if (!record) return true
  if ([...names].sort().join() !== [...record.names].sort().join()) return true
  return now >= Math.min(record.renewAt ?? Number.POSITIVE_INFINITY, record.until - (record.until - record.since) / 3)
}

function problemOf({ name, record, failure }: Omit<CertificateState, 'names'>, now: number): Problem | undefined {
  const cure = 'See iems acme status; correct the cause, then run iems acme renew.'
  const id = `certificate:${name}`
  const why = failure ? `: ${failure.why}` : ''
  if (!record) return failure && { id, text: `there is no certificate for ${name}${why}`, cure, isGrave: true }
  const left = record.until - now
  if (left <= 0) return { id, text: `the certificate for ${name} has ended${why}`, cure, isGrave: true }
  // Half of the time in which it should have been renewed is over.
  if (left > (record.until - record.since) / 6) return undefined
  return {
    id,
    text: `the certificate for ${name} ends ${new Date(record.until).toISOString()}${why}`,
    cure,
    isGrave: false,
  }
}
