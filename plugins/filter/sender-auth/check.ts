/**
 * The `check` tap: verifies a message, records the findings, counts it for reports, and decides.
 *
 * Invariants: exempt clients cost nothing and leave no findings; data for `modify` is in the message's state, as JSON;
 * a refusal names domains, never internal details.
 */
import { isIP } from 'node:net'
import {
  type Dns,
  defer,
  type HookContext,
  inNetworks,
  type ReadableMessage,
  refuse,
  type Session,
  type Verdict,
} from 'iems'
import { limitQuestions, withDeadline } from './dns.ts'
import type { Options } from './options.ts'
import { type Judgement, judge } from './policy.ts'
import { destinationsOf } from './reports/destinations.ts'
import type { Tally } from './reports/tally.ts'
import { createVerify, type Verification } from './verify.ts'

export interface CheckDeps {
  readonly config: Options
  readonly authservId: string
  readonly dns: Dns
  readonly now: () => number
  readonly chance: () => number
  /** Undefined when no reports are sent. */
  readonly tally: Tally | undefined
}

/** Passed from `check` to `modify`. */
export interface CheckState {
  readonly rows: readonly string[]
  readonly receivedSpf: string
  readonly bimi?: Verification['bimi']
}

export function createCheck({ config, authservId, dns, now, chance, tally }: CheckDeps) {
  const isForwarder = inNetworks(config.forwarders)
  const { signatures, fieldSize, minKeyBits } = config.dkim
  const verify = createVerify()

  function isExempt({ brings, protocol, remote, identity, trusted }: Session): boolean {
    if (brings !== 'mail' || protocol === 'LOCAL' || isIP(remote.address) === 0) return true
    return (config.exempt.authenticated && identity !== undefined) || (config.exempt.trusted && trusted)
  }

  return async function check(message: ReadableMessage, ctx: HookContext): Promise<Verdict | undefined> {
    if (isExempt(message.session)) return undefined
    const found = await withDeadline(ctx.signal, config.timeout, (signal) =>
      verify(message, {
        resolve: limitQuestions(dns, config.questions, signal),
        authservId,
        now: now(),
        spf: config.spf,
        minKeyBits,
        isBimiWanted: config.bimi,
        limits: { signatures, fieldSize },
      }),
    )
    const kept: CheckState = {
      rows: found.rows,
      receivedSpf: found.receivedSpf,
      ...(found.bimi ? { bimi: found.bimi } : {}),
    }
    Object.assign(ctx.state, kept)
    const { address } = message.session.remote
    const judgement = judge(found, config, { isForwarder: isForwarder(address), chance })
    noteAll(found, judgement, ctx.note)
    if (judgement.action !== 'defer') count(tally, message, found, judgement)
    return verdictOf(judgement)
  }
}

/** The findings that antispam and users' filters rely on. */
function noteAll({ spf, dkim, dmarc, arc, bimi }: Verification, { action }: Judgement, note: HookContext['note']) {
  note('spf', spf.result)
  if (spf.result === 'pass') note('spf-domain', spf.domain)
  const passed = dkim.filter(({ result }) => result === 'pass')
  note('dkim', passed.length > 0 ? 'pass' : (dkim[0]?.result ?? 'none'))
  if (passed.length > 0) note('dkim-domains', [...new Set(passed.map(({ domain }) => domain))].join(' '))
  note('dmarc', dmarc.result)
  if (dmarc.from) note('from-domain', dmarc.from)
  if (dmarc.record !== undefined) note('dmarc-policy', dmarc.policy)
  if (dmarc.result !== 'pass' && action !== 'accept') note('dmarc-action', action)
  if (arc.result !== 'none') note('arc', arc.result)
  if (bimi) note('bimi', bimi.result)
}

/** RFC 7372 defines the enhanced codes. */
function verdictOf({ action, reason, because }: Judgement): Verdict | undefined {
  switch (action) {
    case 'refuse':
      if (because === 'from') return refuse(550, '5.6.0', reason)
      return because === 'spf' ? refuse(550, '5.7.23', reason) : refuse(550, '5.7.26', reason)
    case 'defer':
      return defer(451, '4.4.3', reason)
    case 'quarantine':
      return { kind: 'quarantine', reason }
    default:
      return undefined
  }
}

/** Maximum signatures in one row, and octets of a record stored for a report. */
const MAX_SIGNATURES = 20
const MAX_RECORD = 4096

function count(
  tally: Tally | undefined,
  { session, from }: ReadableMessage,
  { dmarc, dkim, spf }: Verification,
  { disposition, override }: Judgement,
) {
  const { policyDomain, organization, record, published } = dmarc
  if (!tally || policyDomain === undefined || organization === undefined || record === undefined) return
  if (destinationsOf(record, 1).length === 0) return
  tally.add(
    { domain: policyDomain, organization, record: record.slice(0, MAX_RECORD), published },
    {
      ip: session.remote.address.replace(/^::ffff:(?=\d+\.)/i, ''),
      disposition,
      isDkimAligned: dmarc.isDkimAligned,
      isSpfAligned: dmarc.isSpfAligned,
      ...(override ? { override } : {}),
      from: dmarc.from ?? '',
      envelopeFrom: from === '' ? '' : spf.domain,
      dkim: dkim.slice(0, MAX_SIGNATURES),
      spf,
    },
  )
}
