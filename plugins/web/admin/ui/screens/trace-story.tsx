/** The way of one message as a time line with every answer, and the facts beside it. */

import { useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import { stream } from '../api.ts'
import { clockMs, full, moment, size } from '../format.ts'
import { Copy, Facts, Failed, Ghost, Station } from '../parts.tsx'
import { hrefOf, useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'
import { eventsOf, forSender, type MessageTrace, sentenceOf } from './trace-words.ts'

const LOOK_MS = 5000

export function Story({ id }: { readonly id: string }) {
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
      <section className="tl" aria-label={t('Way of the message')}>
        <header>
          <h2>{sentenceOf(one)}</h2>
          <p className="t2">
            {t('From {{from}} to {{to}}', {
              from: one.from || t('the empty sender'),
              to: one.recipients.map(({ address }) => address).join(', '),
            })}
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
                <p className="b">
                  {some?.held ? t('Held: {{held}}', { held: some.held }) : t('Next try at {{nexthop}}', { nexthop })}
                </p>
                <p className="t2">{some?.recipients.map(({ address }) => address).join(', ')}</p>
              </div>
            </li>
          ))}
        </ol>
        {waiting.length > 0 && may('admin') ? (
          <div className="bt row">
            {waiting.some(({ waiting: some }) => some?.held) ? (
              <button type="button" className="btn" onClick={() => change('release', t('Release'))}>
                {t('Release')}
              </button>
            ) : (
              <>
                <button type="button" className="btn" onClick={() => change('retry', t('Try now'))}>
                  {t('Try now')}
                </button>
                <button type="button" className="btn" onClick={() => change('hold', t('Hold'))}>
                  {t('Hold')}
                </button>
              </>
            )}
            <a className="btn plain" href={`${hrefOf('queue')}?hop=${encodeURIComponent(waiting[0]?.nexthop ?? '')}`}>
              {t('Open its next hop')}
            </a>
          </div>
        ) : null}
      </section>
      <aside className="asd" aria-label={t('About the message')}>
        <h2>{t('For the sender')}</h2>
        <p className="t2">{forSender(one)}</p>
        <p>
          <Copy text={forSender(one)} />
        </p>
        <h2>{t('Message')}</h2>
        <Facts
          facts={[
            [t('Id'), <code key="id">{one.id}</code>],
            [t('Size'), size(one.size)],
            [t('Client'), `${one.session.remote.address}, ${one.session.protocol}`],
          ]}
        />
        {one.findings.length > 0 ? (
          <>
            <h2>{t('Findings')}</h2>
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
      <h2>{t('Route')}</h2>
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
          {t('Explain the route')}
        </button>
      )}
    </>
  )
}
