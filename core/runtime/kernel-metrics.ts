/**
 * The kernel's own metrics: connections by listener, sessions by channel, events by name, time by hook and plugin.
 */

import type { KernelEvent } from '../api/hooks.ts'
import type { Counter, Histogram } from '../api/metrics.ts'
import type { SharedQueue } from '../queue/queue.ts'
import type { MetricRegistry } from './metrics.ts'

interface Measured {
  readonly metrics: MetricRegistry
  readonly sharedQueue: SharedQueue
  readonly hosts: readonly { readonly name: string; readonly sessions: ReadonlySet<string> }[]
}

/** Registers the gauges; returns the counter of connections. */
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

const SIZES = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8]
const DELIVERY_EVENTS: ReadonlySet<string> = new Set(['delivery.delivered', 'delivery.deferred', 'delivery.failed'])

/** Counts events by name, and messages, their sizes and deliveries by channel. */
export function measureEvents(metrics: MetricRegistry): (event: KernelEvent) => void {
  const own = metrics.of('iems')
  const counter = own.counter('events_total', 'Events by name')
  const sizes = own.histogram('message_bytes', 'Sizes of accepted messages by channel', SIZES)
  const refused = own.counter('messages_refused_total', 'Messages refused after their content, by channel')
  const deliveries = own.counter('deliveries_total', 'Outcomes of attempts by channel, one for each recipient')
  const adders = new Map<string, () => void>()
  return (event) => {
    const { name } = event
    const add = adders.get(name) ?? counter.of({ event: name })
    adders.set(name, add)
    add()
    const { channel } = event
    if (typeof channel !== 'string') return
    if (name === 'message.accepted') sizes.observe(Number(event.size), { channel })
    else if (name === 'message.refused') refused.add({ channel })
    else if (DELIVERY_EVENTS.has(name)) deliveries.add({ channel, status: name.slice('delivery.'.length) })
  }
}
