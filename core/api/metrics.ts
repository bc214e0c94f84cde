/**
 * Numbers about a running server, for dashboards and alerts.
 *
 * A counter only grows, a gauge is asked for its value when metrics are read, a histogram counts values by size. Invariants:
 * every metric has a bounded number of series; nothing is computed until somebody reads; no address, name of a person
 * or content is a label.
 */

export type Labels = Readonly<Record<string, string>>

export interface Counter {
  add(labels?: Labels, by?: number): void
  /** Adds to one series; for what happens often. */
  of(labels: Labels): (by?: number) => void
}

export interface Histogram {
  observe(value: number, labels?: Labels): void
  of(labels: Labels): (value: number) => void
}

/** Called when metrics are read. */
export type ReadGauge = () => number | Iterable<readonly [labels: Labels, value: number]>

export interface Metrics {
  /** Names are lower-case letters, digits and `_`; those of plugins get the plugin's name before them. */
  counter(name: string, help: string): Counter
  gauge(name: string, help: string, read: ReadGauge): void
  /** `buckets`: the upper bounds, ascending; default: seconds from 0.001 to 30. */
  histogram(name: string, help: string, buckets?: readonly number[]): Histogram
}

export interface MetricSeries {
  readonly labels: Labels
  /** Of a histogram: the sum of all values. */
  readonly value: number
  /** Of a histogram: how many values there were, and how many of them were at most each bound. */
  readonly count?: number
  readonly buckets?: readonly (readonly [bound: number, count: number])[]
}

export interface MetricStatus {
  readonly name: string
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly series: readonly MetricSeries[]
}
