/**
 * Formats messages and deliveries for people: waiting ones, and the trace of one.
 */
import type { Finding } from '../api/hooks.ts'
import type { DeliveryTrace, MessageTrace, Step } from '../message/trace.ts'
import type { QueueEntry } from '../queue/admin.ts'
import { counted, formatSize } from '../runtime/text.ts'
import { ago, bold, dim, time } from './print.ts'

export function showEntry(entry: QueueEntry): string {
  const now = Date.now()
  const { due = now } = entry
  const when =
    entry.held !== undefined
      ? `held: ${entry.held}`
      : entry.active
        ? 'being delivered'
        : entry.notBefore !== undefined
          ? `to be sent in ${ago(entry.notBefore - now)}`
          : due <= now
            ? 'due now'
            : `next try in ${ago(due - now)}`
  const head = `${bold(entry.id)}  ${entry.priority}  ${formatSize(entry.size)}  ${ago(now - entry.since)} old  from <${entry.from}>`
  const way = `  ${entry.channel} → ${entry.nexthop}  ${when}, ${counted(entry.attempt, 'attempt')} made`
  return [
    head,
    way,
    ...entry.recipients.map(({ address, last }) => `    <${address}>${last === undefined ? '' : dim(`  ${last}`)}`),
  ].join('\n')
}

function showStep({ at, hook, plugin, recipient, fault, verdict, change, ms }: Step): string {
  const about = recipient === undefined ? '' : ` <${recipient}>`
  const said = fault ? `fault: ${fault}` : (verdict ?? 'no opinion')
  return `  ${time(at)}  ${hook} ${plugin}${about}: ${said}${change ? `, ${change}` : ''} ${dim(`${ms} ms`)}`
}

/** Steps of plugins; those without effect share one line unless all are requested. */
function showSteps(steps: readonly Step[], all: boolean): string[] {
  const isQuiet = ({ fault, verdict, change }: Step) => !fault && !verdict && !change
  const quiet = all ? [] : steps.filter(isQuiet)
  const counts = Object.entries(Object.groupBy(quiet, ({ hook }) => hook))
  const folded = counts.map(([hook, list]) => `${hook} ${list?.length ?? 0}`).join(', ')
  return [
    ...(all ? steps : steps.filter((step) => !isQuiet(step))).map(showStep),
    ...(quiet.length > 0 ? [dim(`  without an opinion: ${folded} (--all shows them)`)] : []),
  ]
}

const showFinding = ({ plugin, name, value }: Finding) => `  found by ${plugin}: ${name} = ${value}`

function showDelivery({ channel, nexthop, attempts, findings = [], waiting }: DeliveryTrace, all: boolean): string[] {
  const lines = [`${bold(`${channel} → ${nexthop}`)}`]
  for (const { at, ms, fates, steps = [] } of attempts) {
    lines.push(...showSteps(steps, all))
    for (const { address, status, reply, remote } of fates)
      lines.push(
        `  ${time(at)}  ${status} <${address}> in ${ms} ms: ${remote === undefined ? '' : `${remote}: `}${reply}`,
      )
  }
  lines.push(...findings.map(showFinding))
  if (waiting) {
    const when =
      waiting.held !== undefined
        ? `held: ${waiting.held}`
        : waiting.due === undefined
          ? 'waits'
          : `waits until ${time(waiting.due)}`
    for (const { address } of waiting.recipients) lines.push(`  ${when} <${address}>`)
  }
  return lines
}

export function showTrace(life: MessageTrace, all: boolean): string {
  const { session } = life
  const actor = session.identity?.actor ? ` (by ${session.identity.actor.user})` : ''
  const who = session.identity ? ` as ${session.identity.user}${actor}` : ''
  const tls = session.tls ? ` with ${session.tls.version}` : ''
  const lines = [
    `${bold(life.id)}  ${life.refused ? 'refused' : life.finished ? 'finished' : 'in the queue'}`,
    `from <${life.from}>  ${formatSize(life.size)}  ${life.priority}`,
    ...life.recipients.map(
      ({ address, original }) => `to <${address}>${address === original ? '' : ` (for <${original}>)`}`,
    ),
    `came in by ${session.channel} (${session.protocol}) from ${session.helo ?? 'unknown'} [${session.remote.address}]${who}${tls}`,
    '',
    ...showSteps(life.steps, all),
    ...life.findings.map(showFinding),
    `  ${time(life.at)}  ${life.refused ?? 'accepted'}`,
    '',
    ...life.deliveries.flatMap((delivery) => showDelivery(delivery, all)),
  ]
  return lines.join('\n')
}
