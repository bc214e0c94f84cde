/**
 * Today: the health in one sentence, what needs the administrator with its cure, mail by the hour, components.
 */

import { useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import { Chart } from '../chart.tsx'
import { count, plural, span } from '../format.ts'
import { Failed, Ghost, Segments, Station } from '../parts.tsx'
import { hrefOf, useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'
import type { Component } from './components.tsx'
import { ComponentTable } from './components.tsx'
import type { Hop } from './queue.tsx'

interface Problem {
  readonly id: string
  readonly text: string
  readonly cure: string
  readonly isGrave: boolean
}
interface StatusAnswer {
  readonly since: number
  readonly problems: readonly Problem[]
  readonly memory: number
  readonly kernels: readonly { readonly sessions: number; readonly deliveries: number }[]
}
interface Hour {
  readonly at: number
  readonly received: number
  readonly delivered: number
  readonly refused: number
  readonly failed: number
}

const LOOK_MS = 15_000
const RANGES = [
  ['24', '24 h'],
  ['168', t('{{number}} d', { number: 7 })],
  ['720', t('{{number}} d', { number: 30 })],
] as const
const LINES = [
  ['received', t('Received'), 'in'],
  ['delivered', t('Delivered'), 'out'],
  ['refused', t('Refused'), 'ref'],
] as const

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** Next hops whose first delivery was tried and deferred. */
const failing = (hops: readonly Hop[]): readonly Hop[] =>
  hops.filter(({ held, first }) => !held && (first?.attempt ?? 0) > 0 && first?.recipients.some(({ last }) => last))

export function Today() {
  const { may } = useShell()
  const status = useApi<StatusAnswer>('/api/v1/status', LOOK_MS)
  const hops = useApi<{ hops: readonly Hop[]; total: number }>('/api/v1/queue/hops', LOOK_MS)
  const full = useApi<{ accounts: readonly { id: string; name: string }[] }>(
    may('admin') ? '/api/v1/full-mailboxes' : undefined,
  )
  const components = useApi<{ components: readonly Component[] }>('/api/v1/components', LOOK_MS)
  if (status.error && !status.data) return <Failed error={status.error} onRetry={status.reload} />
  if (!status.data) return <Ghost />
  const down = failing(hops.data?.hops ?? [])
  const { problems } = status.data
  const needs = problems.length + down.length
  const grave = problems.some(({ isGrave }) => isGrave)
  const held = (hops.data?.hops ?? []).filter((one) => one.held).reduce((sum, one) => sum + one.count, 0)
  const almostFull = full.data?.accounts ?? []
  return (
    <>
      <div className="day1">
        <h1 className="say">
          {grave ? t('Something is broken.') : t('Mail flows.')}{' '}
          <span className="t2">
            {needs === 0
              ? t('Nothing needs you.')
              : plural(needs, '{{number}} thing needs you.', '{{number}} things need you.')}
          </span>
        </h1>
        <p className="t3">
          {t('Running for {{time}}.', { time: span(Date.now() - status.data.since) })}{' '}
          {plural(
            status.data.kernels.reduce((sum, one) => sum + one.sessions, 0),
            '{{number}} session is open,',
            '{{number}} sessions are open,',
          )}{' '}
          {plural(hops.data?.total ?? 0, '{{number}} delivery waits.', '{{number}} deliveries wait.')}
        </p>
      </div>
      {needs > 0 || held > 0 || almostFull.length > 0 ? (
        <section className="sec" aria-labelledby="needs">
          <h2 id="needs">{t('Needs you')}</h2>
          <ol className="need">
            {problems.map((problem) => (
              <li key={problem.id}>
                <span className={problem.isGrave ? 'st no' : 'st wait'} aria-hidden="true" />
                <div className="grow">
                  <p className="b">
                    {problem.isGrave ? <span className="sr">{t('Grave:')} </span> : null}
                    {capital(problem.text)}
                  </p>
                  <p className="t2">{problem.cure}</p>
                </div>
                <span className="acts">
                  <Cure problem={problem} />
                </span>
              </li>
            ))}
            {down.map((hop) => (
              <li key={`${hop.channel} ${hop.nexthop}`}>
                <span className="st no" aria-hidden="true" />
                <div className="grow">
                  <p className="b">{t('{{nexthop}} does not take our mail', { nexthop: hop.nexthop })}</p>
                  <p className="t2">
                    <code>{hop.first?.recipients.find(({ last }) => last)?.last}</code> ·{' '}
                    {plural(hop.count, '{{number}} message waits', '{{number}} messages wait')}
                  </p>
                </div>
                <span className="acts">
                  <a className="btn small" href={`${hrefOf('queue')}?hop=${encodeURIComponent(hop.nexthop)}`}>
                    {t('Open queue')}
                  </a>
                </span>
              </li>
            ))}
          </ol>
          {held > 0 || almostFull.length > 0 ? (
            <p className="sm t3 after">
              {held > 0 ? (
                <>
                  {plural(held, '{{number}} message is held', '{{number}} messages are held')}{' '}
                  <a href={hrefOf('protection')}>{t('Look')}</a>{' '}
                </>
              ) : null}
              {almostFull.length > 0 ? (
                <>
                  {plural(
                    almostFull.length,
                    '{{number}} mailbox is almost full',
                    '{{number}} mailboxes are almost full',
                  )}{' '}
                  <a href={hrefOf('people', 'account', almostFull[0]?.id ?? '')}>{almostFull[0]?.name}</a>
                </>
              ) : null}
            </p>
          ) : null}
        </section>
      ) : null}
      <Flow waiting={hops.data?.total ?? 0} />
      <section className="sec" aria-labelledby="parts">
        <h2 id="parts">{t('Components')}</h2>
        <ComponentTable components={(components.data?.components ?? []).filter(({ kind }) => kind !== 'job')} />
      </section>
    </>
  )
}

/** The screen where a problem is cured. */
function Cure({ problem: { id } }: { readonly problem: Problem }) {
  if (id.startsWith('component:'))
    return (
      <a className="btn small" href={hrefOf('components')}>
        {t('Components')}
      </a>
    )
  if (id.startsWith('lane:'))
    return (
      <a className="btn small" href={hrefOf('queue')}>
        {t('Open queue')}
      </a>
    )
  return (
    <a className="btn small" href={hrefOf('log')}>
      {t('Live log')}
    </a>
  )
}

function Flow({ waiting }: { readonly waiting: number }) {
  const [range, setRange] = useState<(typeof RANGES)[number][0]>('24')
  const flow = useApi<{ hours: readonly Hour[] }>(`/api/v1/flow?hours=${range}`, 60_000)
  const hours = flow.data?.hours ?? []
  const total = (name: keyof Omit<Hour, 'at'>) => hours.reduce((sum, hour) => sum + hour[name], 0)
  const title = RANGES.find(([value]) => value === range)?.[1]
  const last = hours.at(-1)
  return (
    <section className="sec" aria-labelledby="flow">
      <div className="row">
        <h2 className="grow" id="flow">
          {t('Mail, last {{time}}', { time: title })}
        </h2>
        <Segments label={t('Time')} value={range} options={RANGES} onChange={setRange} />
      </div>
      <div className="flow">
        <Chart
          label={t('Messages an hour in the last {{time}}', { time: title })}
          times={hours.map(({ at }) => at)}
          series={LINES.map(([name, label, line]) => ({ name: label, line, values: hours.map((hour) => hour[name]) }))}
        />
        <table className="tbl fig">
          <thead>
            <tr>
              <td />
              <th className="num" scope="col">
                {title}
              </th>
              <th className="num" scope="col">
                {t('this hour')}
              </th>
            </tr>
          </thead>
          <tbody>
            {LINES.map(([name, label, line]) => (
              <tr key={name}>
                <th scope="row">
                  <i className={`key ${line}`} aria-hidden="true" />
                  {label}
                </th>
                <td className="num">{count(total(name))}</td>
                <td className="num">{count(last?.[name] ?? 0)}</td>
              </tr>
            ))}
            <tr>
              <th scope="row">
                <i className="key" aria-hidden="true" />
                {t('Failed')}
              </th>
              <td className={total('failed') > 0 ? 'num warn' : 'num'}>{count(total('failed'))}</td>
              <td className="num">{count(last?.failed ?? 0)}</td>
            </tr>
            <tr>
              <th scope="row">
                <i className="key" aria-hidden="true" />
                {t('Waiting now')}
              </th>
              <td className="num">{count(waiting)}</td>
              <td className="num t3">–</td>
            </tr>
          </tbody>
        </table>
      </div>
      {flow.error ? (
        <p className="note warn" role="alert">
          <Station mark="wait">{flow.error.message}</Station>
        </p>
      ) : null}
    </section>
  )
}
