/**
 * Trace: one field finds a message by address, id, subject or a question; its way is a time line with every answer.
 */
import { type FormEvent, useEffect, useState } from 'react'
import { Icon } from '../../../app/ui/icon.tsx'
import { query } from '../api.ts'
import { moment, size } from '../format.ts'
import { Empty, Failed, Ghost, type Mark, Station } from '../parts.tsx'
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
