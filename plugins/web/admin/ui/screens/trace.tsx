/**
 * Trace: one field finds a message by address, id, subject or a question; its way is a time line with every answer.
 */
import { type FormEvent, useEffect, useState } from 'react'
import { Icon } from '../../../app/ui/icon.tsx'
import { query, stream } from '../api.ts'
import { clockMs, full, moment, plural, size } from '../format.ts'
import { Copy, Empty, Facts, Failed, Ghost, type Mark, Station } from '../parts.tsx'
import { hrefOf, usePlace, useQuestion, useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'

interface Found {
  readonly id: string
  readonly state: 'waiting' | 'finished' | 'refused'
  readonly at: number
  readonly from: string
  readonly to: readonly string[]
  readonly subject?: string
  readonly size: number
  readonly client: string
  readonly user?: string
  readonly replies: readonly string[]
}
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
interface MessageTrace {
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

const HOURS_MS = 48 * 3_600_000
const LOOK_MS = 5000
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

export function Trace() {
  const [, id] = usePlace()
  const asked = useQuestion().get('q') ?? ''
  const [text, setText] = useState(asked)
  const [isWide, setIsWide] = useState(false)
  useEffect(() => {
    setText(asked)
    setIsWide(false)
  }, [asked])
  const submit = (event: FormEvent) => {
    event.preventDefault()
    location.hash = `${hrefOf('trace')}?${new URLSearchParams({ q: text.trim() })}`
  }
  const meaning = understood(asked)
  return (
    <div className="fill">
      <header className="head">
        <h1>Trace</h1>
      </header>
      <form className="ask" role="search" onSubmit={submit}>
        <label className="find big">
          <Icon name="search" />
          <span className="sr">What to trace</span>
          <input
            value={text}
            placeholder="Address, message id, subject, or ann@example.org → bob@example.net"
            onChange={({ target }) => setText(target.value)}
          />
        </label>
        {asked && !id ? (
          <p className="t3 sm">
            Understood as:{' '}
            {Object.entries(meaning).map(([name, value], index) => (
              <span key={name}>
                {index > 0 ? ', ' : ''}
                {name} <b className="t2">{value}</b>
              </span>
            ))}
            , {isWide ? 'of all that is kept' : 'last 48 hours'}.{' '}
            <button type="button" className="btn link sm" onClick={() => setIsWide(!isWide)}>
              {isWide ? 'Last 48 hours' : 'Search wider'}
            </button>
          </p>
        ) : null}
      </form>
      {id ? <Story id={id} /> : <Results meaning={meaning} isWide={isWide} isAsked={asked !== ''} />}
    </div>
  )
}

const MARKS: Readonly<Record<Found['state'], Mark>> = { waiting: 'wait', finished: 'good', refused: 'no' }

function Results({
  meaning,
  isWide,
  isAsked,
}: {
  readonly meaning: Understood
  readonly isWide: boolean
  readonly isAsked: boolean
}) {
  // Whole minutes, so that drawing again is not another question.
  const since = isWide || !isAsked ? undefined : Math.floor((Date.now() - HOURS_MS) / 60_000) * 60_000
  const found = useApi<{ messages: readonly Found[]; isComplete: boolean }>(
    `/api/v1/messages${query({ ...(isAsked ? meaning : {}), since, limit: 100 })}`,
  )
  if (found.error) return <Failed error={found.error} onRetry={found.reload} />
  if (!found.data) return <Ghost />
  const { messages, isComplete } = found.data
  if (messages.length === 0)
    return (
      <Empty
        title="No message fits"
        text={isAsked ? 'Search wider, or with fewer words.' : 'No mail has passed yet.'}
      />
    )
  return (
    <div className="scrollx grow" role="region" aria-label="Messages" tabIndex={0}>
      <table className="tbl">
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">From</th>
            <th scope="col">To</th>
            <th scope="col" className="wide">
              Subject
            </th>
            <th scope="col" className="num wide">
              Size
            </th>
          </tr>
        </thead>
        <tbody>
          {messages.map((one) => (
            <tr key={one.id}>
              <th scope="row">
                <Station mark={MARKS[one.state]}>
                  <a href={hrefOf('trace', one.id)}>{moment(one.at)}</a>
                  <span className="sr">{one.state}</span>
                </Station>
              </th>
              <td>
                <span className="cut cell-value">{one.from || '(empty)'}</span>
              </td>
              <td>
                <span className="cut cell-value">{one.to.join(', ')}</span>
              </td>
              <td className="wide">
                <span className="cut cell-value">{one.subject ?? ''}</span>
              </td>
              <td className="num t2 wide">{size(one.size)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {isComplete ? null : <p className="t3 sm after-table">There are more: narrow the search.</p>}
    </div>
  )
}

interface Event {
  readonly at: number
  readonly mark: Mark
  readonly what: string
  readonly note: string
  readonly talk?: readonly string[]
}

/** The message's way in the order of time. */
function eventsOf(trace: MessageTrace): readonly Event[] {
  const { session, at, from, recipients } = trace
  const by = session.identity ? `, logged in as ${session.identity.user}` : ''
  const events: Event[] = [
    {
      at,
      mark: trace.refused ? 'no' : 'good',
      what: trace.refused ? 'Refused' : 'Accepted',
      note: `from ${from || 'the empty sender'} at ${session.remote.address} by ${session.channel}${by}, ${plural(recipients.length, 'recipient', 'recipients')}, ${size(trace.size)}`,
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
      note: `${said}${step.recipient ? ` for ${step.recipient}` : ''} (${step.hook})`,
    })
  }
  for (const delivery of trace.deliveries)
    for (const attempt of delivery.attempts)
      for (const fate of attempt.fates)
        events.push({
          at: attempt.at,
          mark: fate.status === 'delivered' ? 'good' : fate.status === 'deferred' ? 'wait' : 'no',
          what: `${fate.status === 'delivered' ? 'Delivered to' : fate.status === 'deferred' ? 'Put off:' : fate.status === 'removed' ? 'Removed:' : 'Failed:'} ${fate.address}`,
          note: fate.remote ?? `${delivery.channel} ${delivery.nexthop}`,
          talk: [fate.reply],
        })
  return events.sort((a, b) => a.at - b.at)
}

/** The sentence of the whole: how many recipients have it. */
function sentenceOf(trace: MessageTrace): string {
  if (trace.refused) return 'This server refused it, so the sender still has it.'
  const fates = new Map(trace.recipients.map(({ address }) => [address, 'waiting']))
  for (const { attempts } of trace.deliveries)
    for (const { fates: some } of attempts) for (const { address, status } of some) fates.set(address, status)
  const all = [...fates.values()]
  const done = all.filter((status) => status === 'delivered').length
  const waiting = trace.deliveries.some(({ waiting: one }) => one !== undefined)
  if (done === all.length) return all.length === 1 ? 'It was delivered.' : `All ${all.length} recipients have it.`
  const held = trace.deliveries.find(({ waiting: one }) => one?.held !== undefined)?.waiting?.held
  const why = held ? `it is held: ${held}` : 'it is tried again'
  return `${done} of ${plural(all.length, 'recipient has', 'recipients have')} it${waiting ? `; ${why}.` : '.'}`
}

/** For the person who sent it, in plain words. */
function forSender(trace: MessageTrace): string {
  if (trace.refused) return `Your message was not accepted. The server answered: ${trace.refused}`
  const last = trace.deliveries
    .flatMap(({ attempts }) => attempts.at(-1)?.fates ?? [])
    .find(({ status }) => status !== 'delivered')
  const waiting = trace.deliveries.find(({ waiting: one }) => one)?.waiting
  if (!last && !waiting) return 'Your message was delivered. The next server has confirmed it.'
  if (waiting?.held) return 'Your message is with us and undamaged. An administrator looks at it before it goes on.'
  if (waiting)
    return `Your message is with us and undamaged.${last ? ` The server of ${last.address.split('@')[1]} answered: ${last.reply}.` : ''} We try again by ourselves, and you need do nothing.`
  return `Your message could not be delivered to ${last?.address}. Its server answered: ${last?.reply}`
}

function Story({ id }: { readonly id: string }) {
  const { may, run } = useShell()
  const trace = useApi<MessageTrace>(`/api/v1/messages/${encodeURIComponent(id)}`, LOOK_MS)
  if (trace.error && !trace.data) return <Failed error={trace.error} onRetry={trace.reload} />
  if (!trace.data) return <Ghost />
  const one = trace.data
  const waiting = one.deliveries.filter(({ waiting: some }) => some)
  const change = (action: string, title: string) =>
    run({ title, path: '/api/v1/queue/changes', body: { action, ids: [id] }, onEnd: trace.reload })
  return (
    <div className="tc">
      <section className="tl" aria-label="Way of the message">
        <header>
          <h2>{sentenceOf(one)}</h2>
          <p className="t2">
            From {one.from || 'the empty sender'} to {one.recipients.map(({ address }) => address).join(', ')}
          </p>
        </header>
        <ol>
          {eventsOf(one).map(({ at, mark, what, note, talk }, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: events have no other names
            <li key={index} className="ev">
              <time dateTime={new Date(at).toISOString()} title={full(at)}>
                {clockMs(at)}
              </time>
              <span className={mark === 'good' ? 'st' : `st ${mark}`} aria-hidden="true" />
              <div>
                <p>
                  <span className="b">{what}</span> <span className="t2">{note}</span>
                </p>
                {talk?.map((line) => (
                  <pre className="talk" key={line}>
                    {line}
                  </pre>
                ))}
              </div>
            </li>
          ))}
          {waiting.map(({ number, waiting: some, nexthop }) => (
            <li key={number} className="ev next">
              <time>{some?.due ? moment(some.due) : ''}</time>
              <span className="st step" aria-hidden="true" />
              <div>
                <p className="b">{some?.held ? `Held: ${some.held}` : `Next try at ${nexthop}`}</p>
                <p className="t2">{some?.recipients.map(({ address }) => address).join(', ')}</p>
              </div>
            </li>
          ))}
        </ol>
        {waiting.length > 0 && may('admin') ? (
          <div className="bt row">
            {waiting.some(({ waiting: some }) => some?.held) ? (
              <button type="button" className="btn" onClick={() => change('release', 'Release')}>
                Release
              </button>
            ) : (
              <>
                <button type="button" className="btn" onClick={() => change('retry', 'Try now')}>
                  Try now
                </button>
                <button type="button" className="btn" onClick={() => change('hold', 'Hold')}>
                  Hold
                </button>
              </>
            )}
            <a className="btn plain" href={`${hrefOf('queue')}?hop=${encodeURIComponent(waiting[0]?.nexthop ?? '')}`}>
              Open its next hop
            </a>
          </div>
        ) : null}
      </section>
      <aside className="asd" aria-label="About the message">
        <h2>For the sender</h2>
        <p className="t2">{forSender(one)}</p>
        <p>
          <Copy text={forSender(one)} />
        </p>
        <h2>Message</h2>
        <Facts
          facts={[
            ['Id', <code key="id">{one.id}</code>],
            ['Size', size(one.size)],
            ['Client', `${one.session.remote.address}, ${one.session.protocol}`],
          ]}
        />
        {one.findings.length > 0 ? (
          <>
            <h2>Findings</h2>
            <Facts facts={one.findings.map(({ name, value }) => [name, String(value)])} />
          </>
        ) : null}
        {may('admin') ? <RouteOf trace={one} /> : null}
      </aside>
    </div>
  )
}

/** The answer of `iems route` for the same addresses now. */
function RouteOf({ trace }: { readonly trace: MessageTrace }) {
  const [steps, setSteps] = useState<readonly string[]>()
  const explain = async () => {
    const to = trace.recipients[0]?.address ?? ''
    const body = { words: 'route', values: { from: trace.from, to } }
    const found: string[] = []
    try {
      for await (const line of stream('/api/v1/commands/run', body, AbortSignal.timeout(20_000)))
        if ('text' in line) found.push(line.text)
        else if ('end' in line && line.why) found.push(line.why)
    } catch (cause) {
      found.push((cause as Error).message)
    }
    setSteps(found)
  }
  return (
    <>
      <h2>Route</h2>
      {steps ? (
        <ol className="route">
          {steps.map((step) => (
            <li key={step}>
              <Station mark="step">{step}</Station>
            </li>
          ))}
        </ol>
      ) : (
        <button type="button" className="btn small" onClick={() => void explain()}>
          Explain the route
        </button>
      )}
    </>
  )
}
