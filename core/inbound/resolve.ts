/**
 * Resolves a recipient: its expansion, the route of each result, and whether this sender may use it.
 *
 * Invariants: expansion terminates (depth, number, no address twice) and yields at least one recipient, or the address
 * is refused; a recipient without a route is refused; a channel that accepts only authorised senders is unreachable for
 * others, except for targets of an alias, whose owner has authorised them. This file knows no LDAP, DNS, mailboxes or
 * lists.
 */
import { IemsError } from '../api/errors.ts'
import type { Recipient, Route, Routed, Session } from '../api/hooks.ts'
import { classOf, defer, type Refusal, refuse } from '../api/reply.ts'
import type { HookRun } from '../api/run.ts'
import type { Hooks } from '../runtime/wiring.ts'

export interface ResolveDeps {
  readonly hooks: Hooks
  /** The senders that each delivering channel accepts. */
  readonly accepts: ReadonlyMap<string, 'anyone' | 'authorised'>
  /** Maximum recipients that one address may expand to. */
  readonly expansion: number
  readonly hostname: string
  /** Mailbox of the server's administrators. */
  readonly postmaster?: string | undefined
}

/** RFC 5321 section 4.5.1, RFC 2142: role addresses of a domain that must always be reachable. */
const ROLE = /^"?(postmaster|abuse)"?(?:@(.+))?$/i
/** Enhanced codes that mean that the address has no recipient. */
const UNKNOWN: readonly string[] = ['5.1.1', '5.2.1', '5.4.6']

/** At least one. */
export type Several<T> = readonly [T, ...T[]]
const isSeveral = <T>(list: readonly T[]): list is Several<T> => list.length > 0

const DEPTH = 16
const NOBODY = refuse(550, '5.1.1', 'This address has no recipients')
const LOOP = refuse(550, '5.4.6', 'This address leads back to itself')

export type Resolve = ReturnType<typeof createResolve>

export function mayRelay({ identity, trusted }: Session): boolean {
  return trusted || identity?.mayRelay === true
}

/** A role address of this host, for which no other server can be responsible. */
function isOwnRole(address: string, hostname: string): boolean {
  const [, name, domain = hostname] = ROLE.exec(address) ?? []
  return name !== undefined && domain.toLowerCase().replace(/\.$/, '') === hostname.toLowerCase()
}

/** Sorts the expansion of an address: final recipients go into `final`, the others are returned for the next level. */
function sortTargets(to: Recipient, targets: readonly Recipient[], seen: Set<string>, final: Recipient[]): Recipient[] {
  const next: Recipient[] = []
  for (const target of targets) {
    const one = to.from === undefined || target.from !== undefined ? target : { ...target, from: to.from }
    const name = one.address.toLowerCase()
    // An address that includes itself in its expansion keeps its own copy.
    if (name === to.address.toLowerCase()) final.push(one)
    else if (!seen.has(name)) next.push(one)
    seen.add(name)
  }
  return next
}

/**
 * Expands an address level by level, so that the limits hold for wide and for deep expansions. Never empty: an address
 * without recipients is refused, because accepted mail for it would be lost.
 */
async function expand(
  { hooks, expansion }: Pick<ResolveDeps, 'hooks' | 'expansion'>,
  { to: first, from }: { readonly to: Recipient; readonly from: string },
  run: HookRun,
): Promise<Several<Recipient> | Refusal> {
  if (!hooks.isTapped('expand')) return [first]
  const seen = new Set([first.address.toLowerCase()])
  const final: Recipient[] = []
  let refusal: Refusal | undefined
  let level: readonly Recipient[] = [first]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH) return refuse(550, '5.4.6', 'Alias expansion is too deep')
    const next: Recipient[] = []
    for (const to of level) {
      const answer = (await hooks.call('expand', { to, from }, run)) ?? [to]
      if ('kind' in answer || answer.length === 0) {
        const no = 'kind' in answer ? answer : NOBODY
        // A temporary refusal applies to the whole address; a permanent refusal of one target does not stop the others.
        if (classOf(no.reply) !== 'permanent') return no
        refusal ??= no
        continue
      }
      next.push(...sortTargets(to, answer, seen, final))
      if (final.length + next.length > expansion)
        return defer(452, '4.5.3', 'The address stands for too many recipients')
    }
    level = next
  }
  return isSeveral(final) ? final : (refusal ?? LOOP)
}

/**
 * Redirects a role address (postmaster, abuse) without a mailbox to the configured postmaster. Other refusals than "no
 * such recipient" stand.
 */
function insteadOf(postmaster: string | undefined, to: Recipient, { reply }: Refusal): Recipient | undefined {
  const isVacant = ROLE.test(to.address) && UNKNOWN.includes(reply.enhanced)
  if (!isVacant || postmaster === undefined || to.address === postmaster) return undefined
  return { ...to, address: postmaster }
}

export function createResolve(deps: ResolveDeps) {
  const { hooks, accepts, hostname } = deps

  /** The route of one final recipient. Throws when it names a channel that does not deliver. */
  async function route(to: Recipient, from: string, run: HookRun): Promise<Route | undefined> {
    const found = await hooks.call('route', { to, from }, run)
    if (found && !accepts.has(found.channel))
      throw new IemsError('IEMS_CHANNEL_UNKNOWN', { from: `the route of ${to.address}`, channel: found.channel })
    return found
  }

  /** All recipients that an address resolves to, or the refusal. Throws on faults. */
  async function resolve(
    to: Recipient,
    from: string,
    session: Session,
    run: HookRun,
  ): Promise<Several<Routed> | Refusal> {
    const recipients = await expand(deps, { to, from }, run)
    if ('kind' in recipients) return recipients
    const routed: Routed[] = []
    for (const recipient of recipients) {
      const found = await route(recipient, from, run)
      const isRelay = found && accepts.get(found.channel) === 'authorised'
      // Another server cannot be this host's postmaster, whatever the default route is.
      if ((!found || isRelay) && isOwnRole(recipient.address, hostname)) return NOBODY
      if (!found) return refuse(550, '5.1.2', 'No route to this recipient')
      const own = recipient.address === to.address
      if (own && isRelay && !mayRelay(session)) return refuse(550, '5.7.1', 'Relaying denied')
      routed.push({ recipient, route: found })
    }
    return isSeveral(routed) ? routed : NOBODY
  }

  return {
    resolve,
    route,
    insteadOf: (to: Recipient, refusal: Refusal) => insteadOf(deps.postmaster, to, refusal),
  }
}
