/**
 * Kernels, metrics, external servers and log lines of all workers, for administrators, whichever worker they ask.
 *
 * Invariants: a worker that does not answer in time is left out; lines are forwarded only while one of the workers has a
 * watcher, and never back to the thread that they come from.
 */
import type { KernelStatus, Status } from '../../api/administration.ts'
import type { MetricSeries, MetricStatus } from '../../api/metrics.ts'
import type { LogFeed, WatchedLine } from '../log-feed.ts'
import { inTime } from './in-time.ts'
import type { WatchedLines } from './protocol.ts'
import type { WorkerThread } from './worker-thread.ts'

/** Ms that a worker has to answer, and to close the store. */
export const ANSWER_MS = 5000
const MAX_RECENT = 1000

type Question = 'kernels' | 'metrics' | 'recentLines' | 'backends'

export class Gathering {
  readonly #feed: LogFeed
  readonly #ready: () => readonly WorkerThread[]
  readonly #watching = new Set<WorkerThread>()

  /** `feed`: the lines of the main thread. */
  constructor(feed: LogFeed, ready: () => readonly WorkerThread[]) {
    this.#feed = feed
    this.#ready = ready
  }

  async kernels(): Promise<readonly KernelStatus[]> {
    const found = await this.#ask<readonly KernelStatus[]>('kernels')
    return found.flatMap(({ worker, answer }) => answer.map((kernel) => ({ ...kernel, worker })))
  }

  async metrics(): Promise<readonly MetricStatus[]> {
    return together(await this.#ask<readonly MetricStatus[]>('metrics'))
  }

  async recentLines(): Promise<readonly WatchedLine[]> {
    const found = await this.#ask<readonly WatchedLine[]>('recentLines')
    const lines = [...this.#feed.recent(), ...found.flatMap(({ answer }) => answer)]
    return lines.sort((a, b) => a.line.at - b.line.at).slice(-MAX_RECENT)
  }

  /** A server that is down for one worker is down. */
  async backends(): Promise<Status['backends']> {
    const worst = new Map<string, Status['backends'][number]>()
    for (const { answer } of await this.#ask<Status['backends']>('backends'))
      for (const one of answer) {
        const id = JSON.stringify([one.plugin, one.service, one.server])
        if ((worst.get(id)?.failures ?? -1) < one.failures) worst.set(id, one)
      }
    return [...worst.values()]
  }

  /** A worker has watchers of the log, or has none any more. */
  watch(thread: WorkerThread, isOn: boolean): void {
    const before = this.#watching.size > 0
    if (isOn) this.#watching.add(thread)
    else this.#watching.delete(thread)
    const isWatched = this.#watching.size > 0
    if (before === isWatched) return
    this.#feed.forwardTo(isWatched ? (lines) => this.pass(lines) : undefined)
    for (const { peer } of this.#ready()) peer.notify('forward', isWatched)
  }

  /** A worker has started. */
  begun({ peer }: WorkerThread): void {
    if (this.#watching.size > 0) peer.notify('forward', true)
  }

  /** Passes lines on to the workers with watchers. */
  pass(lines: WatchedLines, from?: WorkerThread): void {
    for (const thread of this.#watching) if (thread !== from) thread.peer.notify('hear', lines)
  }

  async #ask<T>(question: Question): Promise<readonly { readonly worker: number; readonly answer: T }[]> {
    const asked = this.#ready().map(async ({ worker, peer }) => {
      const answer = (await inTime(peer.call(question), ANSWER_MS).catch(() => undefined)) as T | undefined
      return answer === undefined ? [] : [{ worker, answer }]
    })
    return (await Promise.all(asked)).flat().sort((a, b) => a.worker - b.worker)
  }
}

/** Counters and histograms are added up; gauges, which may be of one thread or of the whole store, are kept apart. */
function together(found: readonly { readonly worker: number; readonly answer: readonly MetricStatus[] }[]) {
  const metrics = new Map<string, { readonly metric: MetricStatus; readonly series: Map<string, MetricSeries> }>()
  for (const { worker, answer } of found)
    for (const metric of answer) {
      const known = metrics.get(metric.name) ?? { metric, series: new Map<string, MetricSeries>() }
      metrics.set(metric.name, known)
      for (const one of metric.series) {
        const labels = metric.kind === 'gauge' ? { ...one.labels, worker: String(worker) } : one.labels
        const id = JSON.stringify(Object.entries(labels).sort())
        known.series.set(id, added(known.series.get(id), { ...one, labels }))
      }
    }
  return [...metrics.values()].map(({ metric, series }) => ({ ...metric, series: [...series.values()] }))
}

function added(before: MetricSeries | undefined, one: MetricSeries): MetricSeries {
  if (!before) return one
  const { labels, value, count, buckets } = one
  return {
    labels,
    value: before.value + value,
    ...(count === undefined ? {} : { count: (before.count ?? 0) + count }),
    ...(buckets
      ? { buckets: buckets.map(([bound, within], at) => [bound, within + (before.buckets?.[at]?.[1] ?? 0)] as const) }
      : {}),
  }
}
