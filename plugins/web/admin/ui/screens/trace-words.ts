/**
 * The field of the trace as a question, and the way of a message in sentences: events, a summary, a text for the
 * sender. Pure.
 */
import { t } from '../../../app/ui/language.ts'
import { plural, size } from '../format.ts'
import type { Mark } from '../parts.tsx'

interface Fate {
  readonly address: string
  readonly status: string
  readonly reply: string
  readonly remote?: string
}
interface Attempt {
  readonly at: number
  readonly ms: number
  readonly fates: readonly Fate[]
}
interface DeliveryTrace {
  readonly number: number
  readonly channel: string
  readonly nexthop: string
  readonly attempts: readonly Attempt[]
  readonly waiting?: {
    readonly recipients: readonly { readonly address: string }[]
    readonly due?: number
    readonly held?: string
  }
}
export interface MessageTrace {
  readonly id: string
  readonly refused?: string
  readonly at: number
  readonly from: string
  readonly size: number
  readonly recipients: readonly { readonly address: string; readonly original?: string }[]
  readonly session: {
    readonly channel: string
    readonly protocol: string
    readonly remote: { readonly address: string }
    readonly identity?: { readonly user: string }
  }
  readonly steps: readonly {
    readonly at: number
    readonly hook: string
    readonly plugin: string
    readonly recipient?: string
    readonly verdict?: string
    readonly fault?: string
    readonly change?: string
  }[]
  readonly findings: readonly { readonly plugin?: string; readonly name: string; readonly value: unknown }[]
  readonly deliveries: readonly DeliveryTrace[]
  readonly finished: boolean
}

interface Event {
  readonly at: number
  readonly mark: Mark
  readonly what: string
  readonly note: string
  readonly talk?: readonly string[]
}

/** The message's way in the order of time. */
export function eventsOf(trace: MessageTrace): readonly Event[] {
  const { session, at, from, recipients } = trace
  const by = session.identity ? t(', logged in as {{user}}', { user: session.identity.user }) : ''
  const events: Event[] = [
    {
      at,
      mark: trace.refused ? 'no' : 'good',
      what: trace.refused ? t('Refused') : t('Accepted'),
      note: `${t('from {{from}} at {{address}} by {{channel}}', { from: from || t('the empty sender'), address: session.remote.address, channel: session.channel })}${by}, ${plural(recipients.length, '{{number}} recipient', '{{number}} recipients')}, ${size(trace.size)}`,
      ...(trace.refused ? { talk: [trace.refused] } : {}),
    },
  ]
  for (const step of trace.steps) {
    const said = step.fault ?? step.verdict ?? step.change
    if (said === undefined) continue
    events.push({
      at: step.at,
      mark: step.fault ? 'no' : 'step',
      what: step.plugin,
      note: `${said}${step.recipient ? t(' for {{recipient}}', { recipient: step.recipient }) : ''} (${step.hook})`,
    })
  }
  for (const delivery of trace.deliveries)
    for (const attempt of delivery.attempts)
      for (const fate of attempt.fates)
        events.push({
          at: attempt.at,
          mark: fate.status === 'delivered' ? 'good' : fate.status === 'deferred' ? 'wait' : 'no',
          what: `${fate.status === 'delivered' ? t('Delivered to') : fate.status === 'deferred' ? t('Put off:') : fate.status === 'removed' ? t('Removed:') : t('Failed:')} ${fate.address}`,
          note: fate.remote ?? `${delivery.channel} ${delivery.nexthop}`,
          talk: [fate.reply],
        })
  return events.sort((a, b) => a.at - b.at)
}

/** The sentence of the whole: how many recipients have it. */
export function sentenceOf(trace: MessageTrace): string {
  if (trace.refused) return t('This server refused it, so the sender still has it.')
  const fates = new Map(trace.recipients.map(({ address }) => [address, 'waiting']))
  for (const { attempts } of trace.deliveries)
    for (const { fates: some } of attempts) for (const { address, status } of some) fates.set(address, status)
  const all = [...fates.values()]
  const done = all.filter((status) => status === 'delivered').length
  const waiting = trace.deliveries.some(({ waiting: one }) => one !== undefined)
  if (done === all.length)
    return all.length === 1 ? t('It was delivered.') : t('All {{number}} recipients have it.', { number: all.length })
  const held = trace.deliveries.find(({ waiting: one }) => one?.held !== undefined)?.waiting?.held
  const values = { done, number: all.length, held }
  if (!waiting)
    return all.length === 1
      ? t('{{done}} of {{number}} recipient has it.', values)
      : t('{{done}} of {{number}} recipients have it.', values)
  if (held)
    return all.length === 1
      ? t('{{done}} of {{number}} recipient has it; it is held: {{held}}.', values)
      : t('{{done}} of {{number}} recipients have it; it is held: {{held}}.', values)
  return all.length === 1
    ? t('{{done}} of {{number}} recipient has it; it is tried again.', values)
    : t('{{done}} of {{number}} recipients have it; it is tried again.', values)
}

/** For the person who sent it, in plain words. */
export function forSender(trace: MessageTrace): string {
  if (trace.refused) return t('Your message was not accepted. The server answered: {{reply}}', { reply: trace.refused })
  const last = trace.deliveries
    .flatMap(({ attempts }) => attempts.at(-1)?.fates ?? [])
    .find(({ status }) => status !== 'delivered')
  const waiting = trace.deliveries.find(({ waiting: one }) => one)?.waiting
  if (!last && !waiting) return t('Your message was delivered. The next server has confirmed it.')
  if (waiting?.held) return t('Your message is with us and undamaged. An administrator looks at it before it goes on.')
  if (waiting)
    return [
      t('Your message is with us and undamaged.'),
      ...(last
        ? [
            t('The server of {{domain}} answered: {{reply}}.', {
              domain: last.address.split('@')[1],
              reply: last.reply,
            }),
          ]
        : []),
      t('We try again by ourselves, and you need do nothing.'),
    ].join(' ')
  return t('Your message could not be delivered to {{address}}. Its server answered: {{reply}}', {
    address: last?.address,
    reply: last?.reply,
  })
}

const ADDRESS = /[^\s<>"'?,;]{1,64}@[^\s<>"'?,;]{1,255}/g

export interface Understood {
  readonly from?: string
  readonly to?: string
  readonly id?: string
  readonly subject?: string
}

/** The meaning of the field: `ann@a → bob@b`, `to:bob@b`, an id, or words of the subject. */
export function understood(text: string): Understood {
  const named = [...text.matchAll(/\b(from|to|subject|id|reply|client):(\S{1,300})/g)]
  if (named.length > 0) return Object.fromEntries(named.map(([, field, value]) => [field, value]))
  const addresses = text.match(ADDRESS) ?? []
  const isMessageId = /^<[^>]{1,500}>$/.test(text.trim())
  if (isMessageId) return { id: text.trim().slice(1, -1) }
  if (addresses.length > 1) return { from: addresses[0] as string, to: addresses[1] as string }
  if (addresses.length === 1) return { to: addresses[0] as string }
  return /^[0-9A-Za-z]{10,40}(\.\d+)?$/.test(text.trim()) ? { id: text.trim() } : { subject: text.trim() }
}
