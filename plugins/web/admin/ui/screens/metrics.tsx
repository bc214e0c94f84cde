/**
 * Numbers of the running server, by name and labels.
 */

import { useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import { Failed, Ghost, Head, SearchField } from '../parts.tsx'
import { useApi } from '../use-api.ts'

interface Metric {
  readonly name: string
  readonly kind: string
  readonly help: string
  readonly series: readonly {
    readonly labels: Readonly<Record<string, string>>
    readonly value: number
    readonly count?: number
  }[]
}

const LOOK_MS = 5000
const number = (value: number): string => value.toLocaleString(undefined, { maximumFractionDigits: 3 })

export function Metrics() {
  const [search, setSearch] = useState('')
  const metrics = useApi<{ metrics: readonly Metric[] }>('/api/v1/metrics', LOOK_MS)
  if (metrics.error && !metrics.data) return <Failed error={metrics.error} onRetry={metrics.reload} />
  if (!metrics.data) return <Ghost />
  const words = search.toLowerCase()
  const shown = metrics.data.metrics.filter(({ name, help }) => `${name} ${help}`.toLowerCase().includes(words))
  return (
    <>
      <Head title={t('Metrics')} note={String(metrics.data.metrics.length)}>
        <SearchField label={t('Name')} value={search} onChange={setSearch} />
      </Head>
      <div className="sec full">
        {shown.map(({ name, help, series }) => (
          <section key={name} aria-label={name} className="metric">
            <h2>
              <code>{name}</code>
            </h2>
            <p className="t2">{help}</p>
            <ul className="recs">
              {series.map(({ labels, value, count }) => {
                const label = Object.entries(labels)
                  .map(([key, one]) => `${key} ${one}`)
                  .join(', ')
                return (
                  <li key={label}>
                    <span className="grow">{label || t('all')}</span>
                    <span className="num">
                      {count === undefined
                        ? number(value)
                        : t('{{number}}, mean {{mean}}', {
                            number: number(count),
                            mean: number(count === 0 ? 0 : value / count),
                          })}
                    </span>
                  </li>
                )
              })}
              {series.length === 0 ? <li className="t3">{t('nothing yet')}</li> : null}
            </ul>
          </section>
        ))}
      </div>
    </>
  )
}
