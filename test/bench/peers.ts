/*
 * The servers that are measured, behind one shape, so that every measurement treats them alike.
 */
import type { Scope } from '../support/postfix.ts'
import { startPostfix } from '../support/postfix.ts'
import { startHaraka } from './haraka.ts'

/** What a server does with the messages it takes during a measurement. */
export type Fate = 'hold' | 'discard' | { readonly relayTo: number }

export interface Server {
  readonly name: string
  readonly port: number
  /** Leader of the server's process group. */
  readonly pid: number
  readonly folder: string
}

export async function startPostfixPeer(scope: Scope, fate: Fate): Promise<Server> {
  const { port, pid, folder } = await startPostfix(scope, { fate, settings: JSON.parse(process.env.PFSET ?? '{}') })
  return { name: 'postfix', port, pid, folder }
}
export { startHaraka }
export { startIems } from './iems.ts'
