/**
 * Every event by name. Plugins add names by declaration merging, so that logs, metrics and the `event` hook agree.
 */

export type Level = 'error' | 'warn' | 'info' | 'debug'

/** Every kernel event with its log level. */
export const EVENTS = {
  'server.started': 'info',
  'server.stopping': 'info',
  'server.stopped': 'info',
  'server.reloaded': 'info',
  'server.reload-failed': 'error',
  'server.hung': 'error',
  'worker.started': 'info',
  'worker.died': 'error',
  'worker.hung': 'error',
  'worker.failed': 'error',
  'administration.changed': 'info',
  'component.started': 'info',
  'component.stopped': 'warn',
  'component.failed': 'error',
  'folder.secured': 'warn',
  'port.opened': 'info',
  'port.closed': 'info',
  'session.opened': 'debug',
  'session.closed': 'debug',
  'session.refused': 'info',
  'session.authenticated': 'info',
  'session.proxied': 'info',
  'session.auth-failed': 'info',
  'session.revoked': 'info',
  'sender.refused': 'info',
  'recipient.refused': 'info',
  'message.refused': 'info',
  'message.accepted': 'info',
  'message.discarded': 'warn',
  'message.quarantined': 'warn',
  'message.finished': 'info',
  'delivery.delivered': 'info',
  'delivery.deferred': 'info',
  'delivery.failed': 'warn',
  'delivery.rerouted': 'info',
  'delivery.held': 'info',
  'delivery.released': 'info',
  'delivery.removed': 'warn',
  'delivery.lease-lost': 'warn',
  'delivery.unreadable': 'error',
  'nexthop.unreachable': 'warn',
  'nexthop.reachable': 'info',
  'bounce.queued': 'info',
  'bounce.suppressed': 'info',
  'bounce.dropped': 'warn',
  'queue.flushed': 'info',
  'plugin.fault': 'error',
  'plugin.said': 'info',
  'records.upgrading': 'info',
  'records.upgraded': 'info',
  'store.snapshot': 'info',
  'store.unprotected': 'warn',
  'store.swept': 'info',
  'store.failing': 'error',
  'kernel.fault': 'error',
} as const satisfies Record<string, Level>
export type KernelEventName = keyof typeof EVENTS

declare global {
  /** Plugins declare their events and fields here. Global, as `IemsHooks` is. */
  interface IemsEvents {}
}
export type EventName = KernelEventName | (keyof IemsEvents & string)
