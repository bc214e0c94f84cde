/**
 * The history of changes: what, by whom, when. Changes by the command line are in it as well.
 */

import { useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import { query } from '../api.ts'
import { full, moment } from '../format.ts'
import { Empty, Failed, Ghost, Head, SearchField } from '../parts.tsx'
import { useApi } from '../use-api.ts'

interface Change {
  readonly at: number
  readonly by: string
  readonly what: string
  readonly about?: string
  readonly fields?: Readonly<Record<string, unknown>>
}

const details = ({ what, fields = {} }: Change): string =>
  Object.entries(fields)
    .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)])
    .map(([name, value]) => (name === what ? value : `${name} ${value}`))
    .join(', ')

export function History() {
  const [by, setBy] = useState('')
  const [before, setBefore] = useState<number>()
  const history = useApi<{ records: readonly Change[]; next?: number }>(
    `/api/v1/history${query({ by, before, limit: 200 })}`,
  )
  if (history.error && !history.data) return <Failed error={history.error} onRetry={history.reload} />
  return (
    <>
      <Head title={t('History')}>
        <SearchField label={t('By whom')} value={by} onChange={setBy} />
      </Head>
      {!history.data ? (
        <Ghost />
      ) : history.data.records.length === 0 ? (
        <Empty
          title={t('No change yet')}
          text={t('What administrators change, here or by the command line, is written down.')}
        />
      ) : (
        <div className="sec full">
          <table className="tbl wraps">
            <thead>
              <tr>
                <th scope="col">{t('When')}</th>
                <th scope="col">{t('By')}</th>
                <th scope="col">{t('What')}</th>
              </tr>
            </thead>
            <tbody>
              {history.data.records.map((one) => (
                <tr key={`${one.at} ${one.what} ${one.about ?? ''}`}>
                  <th scope="row" title={full(one.at)}>
                    {moment(one.at)}
                  </th>
                  <td>{one.by}</td>
                  <td>
                    <span className="b">{one.what}</span> {one.about ?? ''} <span className="t2">{details(one)}</span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {history.data.next ? (
            <button type="button" className="btn" onClick={() => setBefore(history.data?.next)}>
              {t('Earlier')}
            </button>
          ) : null}
          {before ? (
            <button type="button" className="btn plain" onClick={() => setBefore(undefined)}>
              {t('Newest')}
            </button>
          ) : null}
        </div>
      )}
    </>
  )
}
