/**
 * Creates a channel's delivery loop from the configuration of kernel and channel.
 */
import type { PluginInstance } from '../api/plugin.ts'
import { createResting } from '../delivery/backoff.ts'
import { createOnlineMemory, OnlineWindows } from '../delivery/online.ts'
import { createOutcomeEvaluator } from '../delivery/outcomes.ts'
import { Reports } from '../delivery/report-messages.ts'
import { createDeliverer, type Deliverer } from '../delivery/worker.ts'
import type { Resolve } from '../inbound/resolve.ts'
import type { SharedQueue } from '../queue/queue.ts'
import type { ComponentWork } from './component.ts'
import type { ConfiguredPlugin } from './config-schema.ts'
import type { HostKernel, PluginHost } from './plugin-host.ts'
import type { ChannelSettings } from './settings.ts'
import type { Signals } from './signals.ts'

export interface DeliveringKernel extends HostKernel {
  readonly sharedQueue: SharedQueue
  readonly signals: Signals
}

export interface DeliveringChannel {
  readonly channel: ConfiguredPlugin<ChannelSettings>
  readonly host: PluginHost
  readonly resolve: Resolve
}

export function createChannelDeliverer(
  { config, store, clock, emit, hooks, signals, sharedQueue: queue, lasting, spans }: DeliveringKernel,
  { channel, host, resolve }: DeliveringChannel,
): Deliverer {
  const { retry, lease, concurrency, perNextHop, rate = 0, online = {} } = channel.settings
  const { postmaster, returnSize, ...texts } = config.reports
  const { hostname } = config
  const reports = new Reports({
    store,
    hooks,
    clock,
    emit,
    resolve,
    hostname,
    texts,
    returnSize,
    giveUpAfter: retry.for,
    ...(postmaster === undefined ? {} : { postmaster }),
  })
  const conclude = createOutcomeEvaluator({ clock, reports }, { retry, warnAfter: retry.warnAfter })
  return createDeliverer({
    channel: channel.name,
    resting: lasting.of(`resting ${channel.name}`, createResting),
    online: new OnlineWindows(online, lasting.of(`online ${channel.name}`, createOnlineMemory), clock),
    settings: { concurrency, perNextHop, gapMs: rate, leaseMs: lease },
    deliver: (delivery, ctx) => (host.parts as Required<Pick<PluginInstance, 'deliver'>>).deliver(delivery, ctx),
    store,
    queue,
    signals,
    hooks,
    conclude,
    clock,
    emit,
    log: host.log,
    spans,
    parseLimit: config.limits.parse,
  })
}

/** A stopped deliverer cannot be started again, so each start makes a new one. */
export function deliveryOf(make: () => Deliverer): ComponentWork {
  let deliverer: Deliverer | undefined
  return {
    start() {
      deliverer = make()
      deliverer.start()
    },
    stop: (signal) => deliverer?.stop(signal),
  }
}
