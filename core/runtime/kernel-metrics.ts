/**
 * The kernel's own metrics: connections by listener, sessions by channel, events by name, time by hook and plugin.
 */
import type { Counter, Histogram } from '../api/metrics.ts'
import type { SharedQueue } from '../queue/queue.ts'
import type { MetricRegistry } from './metrics.ts'

interface Measured {
  readonly metrics: MetricRegistry
  readonly sharedQueue: SharedQueue
  readonly hosts: readonly { readonly name: string; readonly sessions: ReadonlySet<string> }[]
}

/** Registers what is read on demand; returns the counter of connections. */
export function kernelMetrics(kernel: Measured): Counter {
  const own = kernel.metrics.of('iems')
  own.gauge('sessions_open', 'Open sessions by channel', () =>
    kernel.hosts
      .filter(({ sessions }) => sessions.size > 0)
      .map(({ name, sessions }) => [{ channel: name }, sessions.size]),
  )
  own.gauge('deliveries_active', 'Deliveries under way', () => kernel.sharedQueue.activeCount())
  own.gauge('memory_bytes', 'Resident memory of the process', () => process.memoryUsage.rss())
  return own.counter('connections_total', 'Connections accepted, by plugin and listener')
}

export function hookTimes(metrics: MetricRegistry): Histogram {
  return metrics.of('iems').histogram('hook_seconds', 'How long each plugin took at each hook')
}

/** Counts events by name, one series for each. */
export function countEvents(metrics: MetricRegistry): (event: string) => void {
  const counter = metrics.of('iems').counter('events_total', 'Events by name')
  const adders = new Map<string, () => void>()
  return (event) => {
    const add = adders.get(event) ?? counter.of({ event })
    adders.set(event, add)
    add()
  }
}
