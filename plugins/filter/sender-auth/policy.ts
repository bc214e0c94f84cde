/**
 * Decides about a message from its verification: by the sender's DMARC policy and the configuration.
 *
 * Invariants: nothing is refused permanently while a missing DNS answer could change the result; a policy is never
 * enforced more strictly than its owner asks; a message that passes DMARC is not refused for SPF.
 */
import type { DmarcVerdict, Policy, Verification } from './verify.ts'

export type Action = 'refuse' | 'quarantine' | 'tag'

export interface PolicyOptions {
  readonly dmarc: {
    readonly reject: Action
    readonly quarantine: 'quarantine' | 'tag'
    readonly temporary: 'defer' | 'tag'
    readonly ambiguousFrom: 'refuse' | 'tag'
    readonly honourSampling: boolean
  }
  readonly spf: { readonly fail: 'refuse' | 'tag' }
  readonly arc: { readonly trusted: readonly string[] }
}

export interface Circumstances {
  /** The client is a configured forwarder. */
  readonly isForwarder: boolean
  /** From 0 to 1, exclusive. */
  readonly chance: () => number
}

/** The reason for not enforcing a policy as published (RFC 9990 section 3.1.6). */
export interface Override {
  readonly type: 'local_policy' | 'other' | 'policy_test_mode' | 'trusted_forwarder'
  readonly comment: string
}

export interface Judgement {
  readonly action: Action | 'accept' | 'defer'
  /** For the sender or the administrator; one line of ASCII. */
  readonly reason: string
  /** As reported to the domain's owner. */
  readonly disposition: 'none' | 'pass' | 'quarantine' | 'reject'
  readonly override?: Override
  /** Refused for a reason other than a DMARC policy. */
  readonly because?: 'spf' | 'from'
}

const ACCEPTED: Judgement = { action: 'accept', reason: '', disposition: 'none' }
const WEAKER: Readonly<Record<Policy, Policy>> = { reject: 'quarantine', quarantine: 'none', none: 'none' }

export function judge(found: Verification, options: PolicyOptions, circumstances: Circumstances): Judgement {
  const { dmarc, spf } = found
  if (dmarc.result === 'pass') return { ...ACCEPTED, disposition: dmarc.policy === 'none' ? 'none' : 'pass' }
  const judgement = byDmarc(found, options, circumstances)
  if (judgement.action === 'refuse' || judgement.action === 'defer') return judgement
  if (spf.result !== 'fail' || options.spf.fail !== 'refuse' || circumstances.isForwarder) return judgement
  return {
    action: 'refuse',
    because: 'spf',
    reason: `SPF: ${plain(spf.domain)} does not allow this client to send its messages`,
    disposition: 'reject',
    ...(dmarc.record === undefined ? {} : { override: { type: 'local_policy', comment: 'SPF fail' } }),
  }
}

function byDmarc(found: Verification, options: PolicyOptions, circumstances: Circumstances): Judgement {
  const { dmarc } = found
  if (dmarc.result === 'permerror' && dmarc.problem !== 'no author' && options.dmarc.ambiguousFrom === 'refuse')
    return { action: 'refuse', because: 'from', reason: `From: ${dmarc.problem}`, disposition: 'none' }
  if (!circumstances.isForwarder && isUnclear(found, options))
    return {
      action: options.dmarc.temporary === 'defer' ? 'defer' : 'accept',
      reason: `DMARC of ${plain(dmarc.from ?? '')} cannot be checked now, try again later`,
      disposition: 'none',
    }
  return dmarc.result === 'fail' ? onFailure(found, options, circumstances) : ACCEPTED
}

/** Whether a DNS answer could still make DMARC pass, change the policy, or make SPF fail. */
function isUnclear({ dmarc, spf, dkim }: Verification, options: PolicyOptions): boolean {
  if (spf.result === 'temperror' && options.spf.fail === 'refuse') return true
  if (dmarc.result === 'temperror') return dmarc.record === undefined || /reject|quarantine/i.test(dmarc.record)
  if (dmarc.result !== 'fail' || dmarc.policy === 'none') return false
  return spf.result === 'temperror' || dkim.some(({ result }) => result === 'temperror')
}

function onFailure({ dmarc, arc }: Verification, options: PolicyOptions, circumstances: Circumstances): Judgement {
  if (dmarc.policy === 'none') return { ...ACCEPTED, ...testing(dmarc) }
  if (circumstances.isForwarder)
    return { ...ACCEPTED, override: { type: 'trusted_forwarder', comment: 'known forwarder' } }
  if (isVouchedFor(arc, options.arc.trusted))
    return { ...ACCEPTED, override: { type: 'trusted_forwarder', comment: `arc=pass ${arc.sealers.join(' ')}` } }
  const sampled = options.dmarc.honourSampling ? sample(dmarc, circumstances.chance) : dmarc.policy
  const isSampledOut = sampled !== dmarc.policy
  const why = isSampledOut ? { override: { type: 'other', comment: 'sampled out' } as const } : testing(dmarc)
  if (sampled === 'none') return { ...ACCEPTED, ...why }
  const action = options.dmarc[sampled]
  const reason = `DMARC policy of ${plain(dmarc.policyDomain ?? '')}: neither SPF nor DKIM vouches for ${plain(dmarc.from ?? '')}`
  const done = ({ refuse: 'reject', quarantine: 'quarantine', tag: 'none' } as const)[action]
  const isLess = done !== sampled
  return {
    action,
    reason,
    disposition: done,
    ...(isLess ? { override: { type: 'local_policy', comment: `this server's rule: ${action}` } } : why),
  }
}

function testing({ isTesting, published, policy }: DmarcVerdict): { override?: Override } {
  return isTesting && published !== policy ? { override: { type: 'policy_test_mode', comment: 't=y' } } : {}
}

/**
 * RFC 7489 section 6.6.4: `pct` of the failing messages get the policy, the others the next weaker one; `t` replaces
 * it.
 */
function sample({ record = '', policy }: DmarcVerdict, chance: () => number): Policy {
  if (/;[ \t]*t[ \t]*=/i.test(record)) return policy
  const percent = /;[ \t]*pct[ \t]*=[ \t]*(\d{1,3})[ \t]*(?:;|$)/i.exec(record)?.[1]
  return percent === undefined || chance() * 100 < Number(percent) ? policy : WEAKER[policy]
}

/** RFC 8617: all sealers are trusted, and the first of them saw DMARC pass. */
function isVouchedFor({ result, sealers, firstDmarc }: Verification['arc'], trusted: readonly string[]): boolean {
  if (result !== 'pass' || firstDmarc !== 'pass' || sealers.length === 0) return false
  return sealers.every((sealer) => trusted.some((domain) => domain.toLowerCase() === sealer))
}

/** A remote name, sanitized for a reply. */
function plain(text: string): string {
  return text.replace(/[^\w.-]/g, '?').slice(0, 255)
}
