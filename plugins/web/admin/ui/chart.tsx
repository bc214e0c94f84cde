/**
 * Lines over time, which differ by dash as well as by colour. Always shown with a table of the same numbers.
 */
import { t } from '../../app/ui/language.ts'
import { clock, count, day } from './format.ts'

export interface Series {
  readonly name: string
  /** One of the kinds of lines of the design. */
  readonly line: 'in' | 'out' | 'ref'
  readonly values: readonly number[]
}

const WIDTH = 620
const HEIGHT = 168
const DAY_MS = 86_400_000

/** 1, 2 or 5 times a power of ten. */
function stepOf(most: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most / 2)))
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one * 2.2 >= most) ?? power
}

export function Chart({
  label,
  times,
  series,
}: {
  readonly label: string
  readonly times: readonly number[]
  readonly series: readonly Series[]
}) {
  const most = Math.max(1, ...series.flatMap(({ values }) => values))
  const step = Math.max(1, stepOf(most))
  const top = Math.max(step, Math.ceil(most / step) * step)
  const x = (index: number) => (times.length < 2 ? 0 : (index / (times.length - 1)) * WIDTH)
  const y = (value: number) => HEIGHT - (value / top) * (HEIGHT - 8)
  const points = (values: readonly number[]) =>
    values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(' ')
  const lines = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step)
  const isByDay = times.length > 48 || (times[1] ?? 0) - (times[0] ?? 0) >= DAY_MS
  const labels = times.flatMap((at, index) => (index % Math.ceil(times.length / 6) === 0 ? [[at, index] as const] : []))
  const [first] = series
  return (
    <figure>
      <svg
        className="chart"
        viewBox="-44 -8 674 206"
        role="img"
        aria-label={t('{{label}}; the same numbers are in the table', { label })}
      >
        <g className="gr">
          {lines.map((value) => (
            <g key={value}>
              <line x1="0" x2={WIDTH} y1={y(value)} y2={y(value)} />
              <text x="-8" y={y(value) + 4} textAnchor="end">
                {count(value)}
              </text>
            </g>
          ))}
          {labels.map(([at, index]) => (
            <text key={at} x={x(index)} y="190" textAnchor="middle">
              {isByDay ? day(at) : clock(at)}
            </text>
          ))}
        </g>
        {first ? <polygon className="fa" points={`0,${HEIGHT} ${points(first.values)} ${WIDTH},${HEIGHT}`} /> : null}
        {series.map(({ name, line, values }) => (
          <polyline key={name} className={`l-${line}`} points={points(values)} />
        ))}
      </svg>
    </figure>
  )
}
