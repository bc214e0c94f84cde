/**
 * Publishes what a certificate authority checks: a file for http-01, a certificate for tls-alpn-01, a TXT record for
 * dns-01.
 *
 * Invariants: an answer is in the store before the authority asks, so that every server and worker can give it.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { defineSignal, encodeRecord, type RecordChange, type SetupContext } from 'iems'
import type { ZonesApi } from '../zones/api.ts'
import type { Proof } from './authority.ts'
import { type ChallengeRecord, challengeKey, challengesIn, read } from './records.ts'

/** Certificates or challenges in the store have changed. */
export const CHANGED = defineSignal<'certificates' | 'challenges'>('acme:changed')

/** Ms for the other workers and servers to take up a challenge. */
const SPREAD_MS = 1000
const VISIBLE_MS = 60_000
const LOOK_MS = 1000
const LIFE_MS = 3_600_000
const TTL_S = 60

export interface ProofDeps extends Pick<SetupContext, 'store' | 'signals' | 'dns' | 'signal' | 'log'> {
  readonly zones: ZonesApi | undefined
  readonly dnsDelayMs: number
}

export class Proofs {
  readonly #deps: ProofDeps

  constructor(deps: ProofDeps) {
    this.#deps = deps
  }

  async publish(proof: Proof): Promise<void> {
    if (proof.type === 'dns-01') return this.#publishRecord(proof)
    const { store, signals, signal } = this.#deps
    const { token, answer, name, certificate } = proof
    const until = store.now() + LIFE_MS
    const record: ChallengeRecord = certificate ? { name, ...certificate, until } : { token, answer, until }
    await store.commit([{ put: placeOf(proof), value: encodeRecord(record) }])
    signals.publish(CHANGED, 'challenges')
    if (certificate) await wait(SPREAD_MS, undefined, { signal })
  }

  /** Never throws: what stays behind does no harm, and a certificate must not fail because of it. */
  async remove(proof: Proof): Promise<void> {
    try {
      await this.#remove(proof)
    } catch (cause) {
      this.#deps.log.warn('a challenge could not be removed', { type: proof.type, name: proof.name, cause })
    }
  }

  async #remove(proof: Proof): Promise<void> {
    if (proof.type === 'dns-01') return this.#deps.zones?.change([recordOf(proof, 'remove')])
    await this.#deps.store.commit([{ del: placeOf(proof) }])
    this.#deps.signals.publish(CHANGED, 'challenges')
  }

  async #publishRecord(proof: Proof): Promise<void> {
    const { zones, dns, signal, dnsDelayMs, log } = this.#deps
    if (!zones) throw new Error('dns-01 needs the plugin zones')
    const change = recordOf(proof, 'add')
    await zones.change([change])
    const isVisible = async () => {
      const found = await dns.ask(change.name, 'TXT', { fresh: true })
      return found.kind === 'found' && found.records.some((strings) => strings.join('') === proof.answer)
    }
    const end = performance.now() + VISIBLE_MS
    while (!(await isVisible()) && performance.now() < end) await wait(LOOK_MS, undefined, { signal })
    if (performance.now() >= end) log.warn('the record for dns-01 is not visible in the DNS', { name: change.name })
    await wait(dnsDelayMs, undefined, { signal })
  }

  /** The answer to a client that asks for the file of a token (RFC 8555 section 8.3). */
  async answerTo(token: string): Promise<string | undefined> {
    return (await read<ChallengeRecord>(this.#deps.store, challengeKey('http-01', token)))?.answer
  }

  /** Removes challenges that a killed server has left. */
  async sweep(): Promise<void> {
    const { store } = this.#deps
    const old = (await challengesIn(store)).filter(({ challenge }) => challenge.until <= store.now())
    if (old.length > 0) await store.commit(old.map(({ at }) => ({ del: at })))
  }
}

const placeOf = ({ type, name, token }: Proof) => challengeKey(type, type === 'http-01' ? token : name)

function recordOf({ name, answer }: Proof, action: 'add' | 'remove'): RecordChange<'TXT'> {
  return { action, name: `_acme-challenge.${name}`, type: 'TXT', ttl: TTL_S, records: [[answer]] }
}
