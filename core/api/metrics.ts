/**
 * Metrics of a running server, for dashboards and alerts.
 *
 * A counter only grows, a gauge is read when metrics are collected, a histogram counts values by size. Invariants:
 * every metric has a bounded number of series; nothing is computed between collections; no address, personal name or
 * message content is a label.
 */

export type Labels = Readonly<Record<string, string>>

export interface Counter {
  add(labels?: Labels, by?: number): void
  /** Returns the increment function of one series, for hot paths. */
  of(labels: Labels): (by?: number) => void
}

export interface Histogram {
  observe(value: number, labels?: Labels): void
  of(labels: Labels): (value: number) => void
}

/** Called when metrics are collected. */
export type ReadGauge = () => number | Iterable<readonly [labels: Labels, value: number]>

export interface Metrics {
  /** Names are lower-case letters, digits and `_`; the plugin's name is put before a plugin's metric. */
  counter(name: string, help: string): Counter
  gauge(name: string, help: string, read: ReadGauge): void
  /** `buckets`: the upper bounds, ascending. Default: seconds from 0.001 to 30. */
  histogram(name: string, help: string, buckets?: readonly number[]): Histogram
}

export interface MetricSeries {
  readonly labels: Labels
  /** For a histogram: the sum of all values. */
  readonly value: number
  /** For a histogram: the number of values, and how many of them are at most each bound. */
  readonly count?: number
  readonly buckets?: readonly (readonly [bound: number, count: number])[]
}

export interface MetricStatus {
  readonly name: string
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly series: readonly MetricSeries[]
}
