/**
 * Trace: one field finds a message by address, id, subject or a question; its way is a time line with every answer.
 */

import { type FormEvent, useEffect, useState } from 'react'
import { Icon } from '../../../app/ui/icon.tsx'
import { t } from '../../../app/ui/language.ts'
import { query } from '../api.ts'
import { moment, size } from '../format.ts'
import { Empty, Failed, Ghost, type Mark, Scroller, Station } from '../parts.tsx'
import { hrefOf, usePlace, useQuestion } from '../shell.ts'
import { useApi } from '../use-api.ts'
import { Story } from './trace-story.tsx'
import { type Understood, understood } from './trace-words.ts'

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

const HOURS_MS = 48 * 3_600_000
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
        <h1>{t('Trace')}</h1>
      </header>
      <form className="ask" role="search" onSubmit={submit}>
        <label className="find big">
          <Icon name="search" />
          <span className="sr">{t('What to trace')}</span>
          <input
            value={text}
            placeholder={t('Address, message id, subject, or ann@example.org → bob@example.net')}
            onChange={({ target }) => setText(target.value)}
          />
        </label>
        {asked && !id ? (
          <p className="t3 sm">
            {t('Understood as:')}{' '}
            {Object.entries(meaning).map(([name, value], index) => (
              <span key={name}>
                {index > 0 ? ', ' : ''}
                {t(name)} <b className="t2">{value}</b>
              </span>
            ))}
            , {isWide ? t('of all that is kept') : t('last 48 hours')}.{' '}
            <button type="button" className="btn link sm" onClick={() => setIsWide(!isWide)}>
              {isWide ? t('Last 48 hours') : t('Search wider')}
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
        title={t('No message fits')}
        text={isAsked ? t('Search wider, or with fewer words.') : t('No mail has passed yet.')}
      />
    )
  return (
    <Scroller label={t('Messages')} grows>
      <table className="tbl">
        <thead>
          <tr>
            <th scope="col">{t('When')}</th>
            <th scope="col">{t('From')}</th>
            <th scope="col">{t('To')}</th>
            <th scope="col" className="wide">
              {t('Subject')}
            </th>
            <th scope="col" className="num wide">
              {t('Size')}
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
                <span className="cut cell-value">{one.from || t('(empty)')}</span>
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
      {isComplete ? null : <p className="t3 sm after-table">{t('There are more: narrow the search.')}</p>}
    </Scroller>
  )
}
