/**
 * The metrics registry of the process, which outlives reloads.
 *
 * Invariants: a metric has at most MAX_SERIES series, further ones count as `other`; a gauge is read only when metrics
 * are collected; a failing gauge is omitted.
 */
import type { Counter, Histogram, Labels, MetricSeries, MetricStatus, Metrics, ReadGauge } from '../api/metrics.ts'

/** Maximum series of one metric. */
const MAX_SERIES = 500
const SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2, 10, 30]
const NO_LABELS: Labels = {}

interface Series {
  readonly labels: Labels
  value: number
  count: number
  readonly buckets: number[]
}

class Metric {
  readonly kind: MetricStatus['kind']
  readonly help: string
  readonly bounds: readonly number[]
  read: ReadGauge | undefined
  readonly #series = new Map<string, Series>()

  constructor(kind: MetricStatus['kind'], help: string, bounds: readonly number[] = []) {
    this.kind = kind
    this.help = help
    this.bounds = bounds
  }

  of(labels: Labels): Series {
    const id = idOf(labels)
    const known = this.#series.get(id)
    if (known) return known
    if (this.#series.size >= MAX_SERIES && !isOther(labels))
      return this.of(Object.fromEntries(Object.keys(labels).map((name) => [name, 'other'])))
    const series: Series = { labels, value: 0, count: 0, buckets: this.bounds.map(() => 0) }
    this.#series.set(id, series)
    return series
  }

  shown(): readonly MetricSeries[] {
    if (this.read) return gaugeSeries(this.read)
    return [...this.#series.values()].map(({ labels, value, count, buckets }) =>
      this.kind === 'histogram'
        ? { labels, value, count, buckets: cumulative(this.bounds, buckets) }
        : { labels, value },
    )
  }
}

const isOther = (labels: Labels) => Object.values(labels).every((value) => value === 'other')

function idOf(labels: Labels): string {
  const names = Object.keys(labels)
  const [only] = names
  if (only === undefined) return ''
  if (names.length === 1) return `${only}=${labels[only]}`
  return JSON.stringify(names.sort().map((name) => [name, labels[name]]))
}

function gaugeSeries(read: ReadGauge): readonly MetricSeries[] {
  try {
    const value = read()
    if (typeof value === 'number') return [{ labels: NO_LABELS, value }]
    return [...value].slice(0, MAX_SERIES).map(([labels, one]) => ({ labels, value: one }))
  } catch {
    return []
  }
}

function cumulative(bounds: readonly number[], counts: readonly number[]): readonly (readonly [number, number])[] {
  let sum = 0
  return bounds.map((bound, at) => {
    sum += counts[at] ?? 0
    return [bound, sum]
  })
}

export class MetricRegistry {
  readonly #metrics = new Map<string, Metric>()

  /** The metrics of one owner, whose name precedes each of theirs. */
  of(owner: string): Metrics {
    const full = (name: string) => `${owner.replaceAll('-', '_')}_${name}`
    return {
      counter: (name, help) => counterOf(this.#metric(full(name), 'counter', help)),
      gauge: (name, help, read) => {
        this.#metric(full(name), 'gauge', help).read = read
      },
      histogram: (name, help, buckets = SECONDS) => histogramOf(this.#metric(full(name), 'histogram', help, buckets)),
    }
  }

  read(): readonly MetricStatus[] {
    return [...this.#metrics]
      .map(([name, metric]) => ({ name, kind: metric.kind, help: metric.help, series: metric.shown() }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  #metric(name: string, kind: MetricStatus['kind'], help: string, bounds?: readonly number[]): Metric {
    if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new TypeError(`${name} is no name of a metric: a-z, 0-9 and _`)
    const known = this.#metrics.get(name)
    if (known && known.kind !== kind) throw new TypeError(`${name} is a ${known.kind} already`)
    const metric = known ?? new Metric(kind, help, bounds)
    if (!known) this.#metrics.set(name, metric)
    return metric
  }
}

export const createMetrics = () => new MetricRegistry()

function counterOf(metric: Metric): Counter {
  const of = (labels: Labels) => {
    const series = metric.of(labels)
    return (by = 1) => {
      series.value += by
    }
  }
  return { of, add: (labels = NO_LABELS, by = 1) => of(labels)(by) }
}

function histogramOf(metric: Metric): Histogram {
  const of = (labels: Labels) => {
    const series = metric.of(labels)
    return (value: number) => {
      series.value += value
      series.count++
      const at = metric.bounds.findIndex((bound) => value <= bound)
      if (at >= 0) series.buckets[at] = (series.buckets[at] ?? 0) + 1
    }
  }
  return { of, observe: (value, labels = NO_LABELS) => of(labels)(value) }
}
