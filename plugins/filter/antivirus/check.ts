/**
 * The taps: act on the scan result of a message.
 *
 * Invariants: a message that could not be scanned is deferred, unless the administrator lets it continue; a message
 * accepted in order to be bounced is never delivered; this server never sends a virus, not even in a report.
 */
import {
  AllBackendsDown,
  type Bounce,
  type Delivery,
  type Disposition,
  defer,
  type HookContext,
  type Message,
  type ReadableMessage,
  type Refusal,
  refuse,
  type Verdict,
} from 'iems'
import type { Answer } from './clamd.ts'
import type { Action, Options } from './options.ts'
import type { Scan } from './scan.ts'

type Found = Exclude<Answer['kind'], 'clean'>

/** Passed from `check` to later taps. */
interface Scanned {
  readonly kind: Answer['kind'] | 'unavailable'
  readonly name: string
  readonly action?: Action
}

/** Prefix of the reason for messages held by this plugin. */
export const HELD = 'antivirus: '
export const reasonFor = ({ kind, name }: Answer) => `${HELD}${kind}${name === '' ? '' : ` ${name}`}`

const LATER = defer(451, '4.7.1', 'The message cannot be scanned for viruses now, try again later')

export function createCheck(options: Options, scan: Scan) {
  return async function check(
    message: ReadableMessage,
    { note, state, log }: HookContext,
  ): Promise<Verdict | undefined> {
    const answer = await scan.message(message).catch((cause: unknown) => {
      if (!(cause instanceof AllBackendsDown)) throw cause
      log.debug('not scanned', { cause })
      return undefined
    })
    note('antivirus', answer?.kind ?? 'unavailable')
    if (!answer) {
      Object.assign(state, { kind: 'unavailable', name: '' } satisfies Scanned)
      return options.whenDown === 'defer' ? LATER : undefined
    }
    const { kind, name } = answer
    if (name !== '') note('antivirus-name', name)
    const action = kind === 'clean' ? undefined : options[kind]
    Object.assign(state, { kind, name, ...(action ? { action } : {}) } satisfies Scanned)
    if (kind === 'clean') return undefined
    if (action === 'refuse') return refusalFor(kind, name)
    if (action === 'discard' || action === 'quarantine') return { kind: action, reason: reasonFor(answer) }
    return undefined
  }
}

const REFUSALS: Readonly<Record<Found, (name: string) => Refusal>> = {
  virus: (name) => refuse(554, '5.7.1', `This message contains a virus: ${name}`),
  encrypted: () => refuse(554, '5.7.1', 'Encrypted attachments are not accepted here'),
  oversize: () => refuse(552, '5.3.4', 'The message or what is in it is too large to be scanned for viruses'),
  unreadable: () => refuse(554, '5.7.1', 'Archives that cannot be scanned for viruses are not accepted here'),
  unscannable: () => refuse(554, '5.6.0', 'The message cannot be scanned for viruses'),
}
const refusalFor = (kind: Found, name: string) => REFUSALS[kind](name)

/** Accepted in order to be bounced: ends here, and the kernel reports to the sender. */
export function dispatch(_: Delivery, { state }: HookContext): Disposition | undefined {
  const { kind, name = '', action } = state as Partial<Scanned>
  if (action !== 'bounce' || kind === undefined || kind === 'clean' || kind === 'unavailable') return undefined
  return { kind: 'fail', reply: refusalFor(kind, name).reply }
}

/** A report about a suspect message returns only its header. */
export function bounce(report: Bounce): Bounce | undefined {
  const isSuspect = report.message.findings.some(({ name, value }) => name === 'antivirus' && value !== 'clean')
  return isSuspect ? { ...report, headerOnly: true } : undefined
}

/** Fields in which scanners report to mail programs. */
const FORGED = ['X-Virus-Scanned', 'X-Virus-Status', 'X-Virus-Flag', 'X-Amavis-Alert']

export function createModify({ headers: when }: Pick<Options, 'headers'>, hostname: string) {
  return function modify({ headers }: Message, { state }: HookContext): void {
    for (const name of FORGED) headers.remove(name)
    const { kind, name } = state as Partial<Scanned>
    if (kind === undefined || when === 'never' || (when === 'found' && kind === 'clean')) return
    headers.prepend('X-Virus-Status', kind === 'clean' ? 'clean' : name ? `${kind} (${name})` : kind)
    if (kind !== 'unavailable') headers.prepend('X-Virus-Scanned', `clamd at ${hostname}`)
  }
}
