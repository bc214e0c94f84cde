/*
 * The servers that are measured, behind one shape, so that every measurement treats them alike. Each start is fresh: a
 * new process, an empty queue in a new temporary folder on the same disk.
 */
import type { Scope } from 'iems/testing'
import { startPostfix } from '../support/postfix.ts'
import { startHaraka } from './haraka.ts'
import { startIems } from './iems.ts'

/** What a server does with the messages it takes during a measurement. */
export type Fate =
  | 'hold' // kept durably, no delivery is tried
  | 'discard' // answered 250 and forgotten
  | { readonly relayTo: number; readonly dead?: string } // a port; and a domain whose next hop never answers

export interface Server {
  readonly port: number
  /** Leader of the server's process group. */
  readonly pid: number
}

export type ServerName = 'iems' | 'iems-2-workers' | 'postfix' | 'haraka' | 'haraka-discard'

type Start = (scope: Scope, fate: Fate) => Promise<Server>

/** How each is started, and what was changed from what it ships with. */
export const SERVERS: Readonly<Record<ServerName, { readonly start: Start; readonly changed: string }>> = {
  iems: {
    start: (scope, fate) => startIems(scope, fate),
    changed: 'as shipped; intake: a plugin that answers `check` with a quarantine, so that nothing is delivered',
  },
  'iems-2-workers': {
    start: (scope, fate) => startIems(scope, fate, { workers: 2 }),
    changed: 'the same with `workers: 2`',
  },
  postfix: {
    start: (scope, fate) => startPostfix(scope, { fate: asPostfix(fate), settings: { message_size_limit: 0 } }),
    changed:
      "Debian's master.cf; loopback only, no chroot, log to a file, no aliases; intake: static:HOLD, the least work it can do durably",
  },
  haraka: {
    start: startHaraka,
    changed:
      'as `haraka -i` makes it, with one plugin that lets loopback relay and names the next hop; intake: outbound queue (fsyncs the file, not the folder) with delivery disabled',
  },
  'haraka-discard': {
    start: (scope, fate) => startHaraka(scope, fate === 'hold' ? 'discard' : fate),
    changed: 'the same with queue/discard: it stores nothing',
  },
}

function asPostfix(fate: Fate) {
  return typeof fate === 'object' ? { relayTo: fate.relayTo } : fate
}
