/**
 * ETRN (RFC 1985): a client requests delivery of the mail waiting for a node.
 *
 * `ETRN node` is one next hop, `ETRN @domain` the domain and its subdomains, `ETRN #name` everything waiting for a
 * channel. Only clients named by a rule in the configuration may use it.
 */
import { inNetworks, type Log, type Queue, type Reply } from 'iems'
import { isDomain } from './addresses.ts'
import type { Options } from './options.ts'
import { NO } from './replies.ts'

export interface Asker {
  readonly address: string
  readonly user?: string | undefined
}

export type Etrn = (argument: string, asker: Asker) => Promise<Reply>

export function createEtrn(rules: Options['etrn'], { queue, log }: { readonly queue: Queue; readonly log: Log }): Etrn {
  const known = rules.map(({ from, users, for: nodes }) => ({
    isFor: inNetworks(from),
    users: new Set(users),
    nodes: nodes.map((node) => node.toLowerCase()),
  }))

  function mayAsk(node: string, { address, user }: Asker): boolean {
    return known.some(
      (rule) =>
        (rule.isFor(address) || (user !== undefined && rule.users.has(user))) &&
        rule.nodes.some((allowed) => covers(allowed, node)),
    )
  }

  async function start(node: string): Promise<Reply> {
    const name = node.replace(/^[@#]/, '')
    const filters = node.startsWith('#')
      ? [{ channel: name, held: false }]
      : (node.startsWith('@') ? [name, `.${name}`] : [name]).map((nexthop) => ({ nexthop, held: false }))
    let waiting = 0
    for (const filter of filters) waiting += await queue.count(filter)
    if (waiting === 0) return said(251, `No messages waiting for node ${node}`)
    let started = 0
    for (const filter of filters)
      started += await ('nexthop' in filter ? queue.flush(filter.nexthop) : queue.retry(filter))
    // Active deliveries are pending too, but were not started by this command.
    if (started === 0) return said(252, `Ok, pending messages for node ${node} started`)
    return said(253, `Ok, ${started} pending messages for node ${node} started`)
  }

  return async (argument, asker) => {
    const node = argument.trim().toLowerCase()
    if (!(/^#[\w.-]{1,64}$/.test(node) || isDomain(node.replace(/^@/, '')))) return NO.etrnSyntax
    if (!mayAsk(node, asker)) return { code: 459, enhanced: '4.7.1', text: `Node ${node} not allowed` }
    try {
      return await start(node)
    } catch (cause) {
      log.error('ETRN failed', { node, cause })
      return { code: 458, enhanced: '4.3.0', text: `Unable to queue messages for node ${node}` }
    }
  }
}

function said(code: number, text: string): Reply {
  return { code, enhanced: '2.0.0', text }
}

/** Whether a rule covers the requested node; `@domain` requires the domain and all subdomains. */
function covers(allowed: string, node: string): boolean {
  if (allowed === '*') return true
  if (node.startsWith('@')) return allowed === node.slice(1) || `.${node.slice(1)}`.endsWith(allowed)
  return allowed === node || (allowed.startsWith('.') && node.endsWith(allowed))
}
