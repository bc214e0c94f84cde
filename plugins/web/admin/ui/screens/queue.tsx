/**
 * The queue: next hops, and below each its deliveries; hold, release, retry, reroute, bounce, remove.
 */

import { type FormEvent, useEffect, useState } from 'react'
import { Dialog } from '../../../app/ui/dialog.tsx'
import { Icon } from '../../../app/ui/icon.tsx'
import { t } from '../../../app/ui/language.ts'
import { api } from '../api.ts'
import { type Column, DataTable } from '../data-table.tsx'
import { count, moment, plural, size, span } from '../format.ts'
import { Empty, Failed, Ghost, Head, Scroller, SearchField, Station } from '../parts.tsx'
import { go, hrefOf, useQuestion, useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'

export interface Delivery {
  readonly id: string
  readonly message: string
  readonly from: string
  readonly channel: string
  readonly nexthop: string
  readonly size: number
  readonly attempt: number
  readonly since: number
  readonly due?: number
  readonly held?: string
  readonly notBefore?: number
  readonly active?: boolean
  readonly recipients: readonly { readonly address: string; readonly last?: string }[]
}
export interface Hop {
  readonly channel: string
  readonly nexthop: string
  readonly held: boolean
  readonly count: number
  readonly due?: number
  readonly first?: Delivery
}
type Action = 'retry' | 'hold' | 'release' | 'reroute' | 'bounce' | 'remove'

const LOOK_MS = 5000
const rowsOf = (answer: { entries: readonly Delivery[] }) => answer.entries
const lastOf = ({ recipients, held }: Delivery) => held ?? recipients.find(({ last }) => last)?.last ?? ''

const COLUMNS: readonly Column<Delivery>[] = [
  { id: 'from', title: t('From'), show: ({ from }) => from || t('(empty)') },
  { id: 'to', title: t('To'), show: ({ recipients }) => recipients.map(({ address }) => address).join(', ') },
  { id: 'answer', title: t('Last answer'), width: 'minmax(0, 1.2fr)', isWide: true, show: lastOf },
  { id: 'size', title: t('Size'), width: '76px', isNumber: true, isWide: true, show: (one) => size(one.size) },
  { id: 'age', title: t('Age'), width: '92px', isNumber: true, show: ({ since }) => span(Date.now() - since) },
  {
    id: 'tries',
    title: t('Tries'),
    width: '56px',
    isNumber: true,
    isWide: true,
    show: ({ attempt }) => count(attempt),
  },
]

export function Queue() {
  const { may } = useShell()
  const question = useQuestion()
  const opened = question.get('hop') ?? undefined
  const [search, setSearch] = useState('')
  const hops = useApi<{ hops: readonly Hop[]; total: number }>('/api/v1/queue/hops', LOOK_MS)
  if (hops.error && !hops.data) return <Failed error={hops.error} onRetry={hops.reload} />
  const all = hops.data?.hops ?? []
  const isAddress = search.includes('@')
  const shown = isAddress
    ? []
    : all.filter((hop) =>
        `${hop.nexthop} ${hop.channel} ${hop.first ? lastOf(hop.first) : ''}`
          .toLowerCase()
          .includes(search.toLowerCase()),
      )
  const current = all.find((hop) => `${hop.nexthop}${hop.held ? ' held' : ''}` === opened || hop.nexthop === opened)
  return (
    <div className="fill">
      <Head
        title={t('Queue')}
        note={
          hops.data
            ? `${plural(hops.data.total, '{{number}} delivery', '{{number}} deliveries')}, ${plural(all.length, '{{number}} next hop', '{{number}} next hops')}`
            : undefined
        }
      >
        <SearchField label={t('Next hop or address')} value={search} onChange={setSearch} />
      </Head>
      {!hops.data ? (
        <Ghost />
      ) : current && !isAddress ? (
        <HopView hop={current} isAdmin={may('admin')} onChange={hops.reload} />
      ) : isAddress ? (
        <Deliveries
          filter={{ recipient: search }}
          label={t('Deliveries to {{address}}', { address: search })}
          isAdmin={may('admin')}
          onChange={hops.reload}
          version={0}
        />
      ) : shown.length === 0 ? (
        <Empty
          title={all.length === 0 ? t('Nothing waits') : t('Nothing fits')}
          text={
            all.length === 0
              ? t('Mail that cannot be delivered at once appears here.')
              : t('No next hop has this name or answer.')
          }
        />
      ) : (
        <Scroller label={t('Next hops')} grows>
          <table className="tbl hops">
            <thead>
              <tr>
                <th scope="col">{t('Next hop')}</th>
                <th scope="col" className="num">
                  {t('Waiting')}
                </th>
                <th scope="col" className="num wide">
                  {t('Oldest shown')}
                </th>
                <th scope="col" className="num">
                  {t('Next try')}
                </th>
                <th scope="col" className="wide">
                  {t('Last answer')}
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((hop) => (
                <tr key={`${hop.channel} ${hop.nexthop} ${hop.held}`}>
                  <th scope="row">
                    <Station mark={hop.held ? 'step' : (hop.first?.attempt ?? 0) > 0 ? 'no' : 'wait'}>
                      <a
                        href={`${hrefOf('queue')}?hop=${encodeURIComponent(hop.held ? `${hop.nexthop} held` : hop.nexthop)}`}
                      >
                        {hop.nexthop}
                      </a>
                      <span className="t3 sm">{hop.held ? t('held') : hop.channel}</span>
                    </Station>
                  </th>
                  <td className="num">{count(hop.count)}</td>
                  <td className="num t2 wide">{hop.first ? span(Date.now() - hop.first.since) : '–'}</td>
                  <td className="num t2">{hop.held ? t('never') : hop.due ? moment(hop.due) : '–'}</td>
                  <td className="t2 wide">
                    <span className="cut answer-cell">{hop.first ? lastOf(hop.first) : ''}</span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroller>
      )}
    </div>
  )
}

function HopView({ hop, isAdmin, onChange }: { readonly hop: Hop; readonly isAdmin: boolean; onChange(): void }) {
  const { say } = useShell()
  const [version, setVersion] = useState(0)
  useEffect(() => {
    // Deliveries come and go while they are looked at.
    const timer = setInterval(() => document.hidden || setVersion((last) => last + 1), LOOK_MS)
    return () => clearInterval(timer)
  }, [])
  const flush = async () => {
    try {
      const { count: number } = await api<{ count: number }>('POST', '/api/v1/queue/flush', {
        nexthop: hop.nexthop,
        channel: hop.channel,
      })
      say(plural(number, '{{number}} delivery is tried now', '{{number}} deliveries are tried now'))
    } catch (cause) {
      say((cause as Error).message, true)
    }
    setVersion((last) => last + 1)
    onChange()
  }
  return (
    <>
      <div className="crumb row">
        <a className="btn small" href={hrefOf('queue')}>
          <Icon name="left" small />
          {t('All next hops')}
        </a>
        <h2 className="grow cut">
          {hop.nexthop}{' '}
          <span className="t3">{hop.held ? t('held') : t('by {{channel}}', { channel: hop.channel })}</span>
        </h2>
        {isAdmin && !hop.held ? (
          <button type="button" className="btn small" onClick={() => void flush()}>
            <Icon name="retry" small />
            {t('Try all now')}
          </button>
        ) : null}
      </div>
      <Deliveries
        filter={{ nexthop: hop.nexthop, channel: hop.channel, held: String(hop.held) }}
        label={t('Deliveries to {{address}}', { address: hop.nexthop })}
        isAdmin={isAdmin}
        version={version}
        onChange={() => {
          setVersion((last) => last + 1)
          onChange()
        }}
      />
    </>
  )
}

interface DeliveriesProps {
  readonly filter: Readonly<Record<string, string>>
  readonly label: string
  readonly isAdmin: boolean
  readonly version: number
  onChange(): void
}

export function Deliveries({ filter, label, isAdmin, version, onChange }: DeliveriesProps) {
  const { run } = useShell()
  const [asking, setAsking] = useState<{ action: Action; ids?: readonly string[]; count: number; clear(): void }>()
  const wanted = { ...filter, ...(filter.held === undefined ? {} : { held: filter.held === 'true' }) }
  const start = (action: Action, ids: readonly string[] | undefined, number: number, more: object = {}) =>
    run({
      title: `${TITLES[action]}: ${plural(number, '{{number}} delivery', '{{number}} deliveries')}`,
      path: '/api/v1/queue/changes',
      body: { action, ...(ids ? { ids } : { filter: wanted }), ...more },
      onEnd: onChange,
    })
  return (
    <>
      <DataTable<Delivery>
        label={label}
        path="/api/v1/queue"
        filter={filter}
        rowsOf={rowsOf}
        columns={COLUMNS}
        version={version}
        empty={{ title: t('Nothing waits here'), text: t('All deliveries have ended, or are under way.') }}
        onOpen={({ message }) => go('trace', message)}
        {...(isAdmin
          ? {
              actions: ({ count: number, ids, clear }) =>
                (Object.keys(TITLES) as Action[]).map((action) => (
                  <button
                    key={action}
                    type="button"
                    className={action === 'remove' ? 'btn plain bad' : 'btn plain'}
                    onClick={() => {
                      if (['retry', 'hold', 'release'].includes(action)) {
                        start(action, ids, number)
                        clear()
                      } else setAsking({ action, count: number, clear, ...(ids ? { ids } : {}) })
                    }}
                  >
                    {TITLES[action]}
                    {['reroute', 'bounce', 'remove'].includes(action) ? '…' : ''}
                  </button>
                )),
            }
          : {})}
      />
      {asking ? (
        <ActionDialog
          action={asking.action}
          count={asking.count}
          onClose={() => setAsking(undefined)}
          onDo={(more) => {
            start(asking.action, asking.ids, asking.count, more)
            asking.clear()
            setAsking(undefined)
          }}
        />
      ) : null}
    </>
  )
}

const TITLES: Readonly<Record<Action, string>> = {
  retry: t('Try now'),
  hold: t('Hold'),
  release: t('Release'),
  reroute: t('Reroute'),
  bounce: t('Bounce'),
  remove: t('Remove'),
}
const TEXTS: Partial<Record<Action, string>> = {
  reroute: t('They go to the new next hop at once.'),
  bounce: t('The senders get a report with this reason.'),
  remove: t('No report goes to the senders. This cannot be undone.'),
}

function ActionDialog({
  action,
  count: number,
  onClose,
  onDo,
}: {
  readonly action: Action
  readonly count: number
  onClose(): void
  onDo(more: object): void
}) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const text = (name: string) => String(form.get(name) ?? '').trim()
    if (action === 'reroute') onDo({ route: { channel: text('channel'), nexthop: text('nexthop') } })
    else onDo(action === 'bounce' ? { reason: text('reason') } : {})
  }
  return (
    <Dialog
      title={`${TITLES[action]}: ${plural(number, '{{number}} delivery', '{{number}} deliveries')}`}
      onClose={onClose}
    >
      <form className="sform" onSubmit={submit}>
        <p className="t2">{TEXTS[action]}</p>
        {action === 'bounce' ? (
          <div className="field">
            <label htmlFor="reason">{t('Reason')}</label>
            <input id="reason" name="reason" required maxLength={500} />
          </div>
        ) : null}
        {action === 'reroute' ? (
          <>
            <div className="field">
              <label htmlFor="channel">{t('Channel')}</label>
              <input id="channel" name="channel" required />
            </div>
            <div className="field">
              <label htmlFor="nexthop">{t('Next hop')}</label>
              <input id="nexthop" name="nexthop" required />
            </div>
          </>
        ) : null}
        <footer>
          <button type="button" className="btn" onClick={onClose}>
            {t('Cancel')}
          </button>
          <button type="submit" className={action === 'reroute' ? 'btn main' : 'btn danger'}>
            {TITLES[action]}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
