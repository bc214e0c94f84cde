/**
 * `iems route A B`: shows what would happen to mail from A to B.
 *
 * Invariants: it does not reimplement routing: a session issues MAIL and RCPT like any client, and the answers of all
 * plugins are shown, with the directory's reasons.
 */
import { type CommandCall, type CommandOutput, format } from 'iems'
import type { CommandsDeps } from './naming.ts'

export async function* explain(
  { service, flow, ctx }: CommandsDeps,
  { arguments: [from = '', to = ''], options }: CommandCall,
): AsyncGenerator<CommandOutput> {
  const sender = from === '<>' ? '' : from
  const session = ctx.openSession({ protocol: 'LOCAL', remote: { address: String(options.client ?? '127.0.0.1') } })
  try {
    const account = typeof options.as === 'string' ? await service.byName('account', options.as) : undefined
    if (typeof options.as === 'string' && !account) throw new Error(`There is no account ${options.as}`)
    if (account) {
      const { id, name: user, mayRelay } = account
      session.update({ identity: { kind: 'identity', user, account: id, mayRelay } })
    }
    const refusal = (await session.mail(sender, {})) ?? (await session.rcpt({ address: to }))
    const { routed = [], steps = [] } = session.outlook() ?? {}
    for (const { hook, plugin, verdict, fault } of steps) {
      const answer = fault === undefined ? verdict : `failed: ${fault}`
      if (answer !== undefined) yield { text: `${hook.padEnd(7)} ${plugin}: ${answer}` }
    }
    const owner = await flow.ownerOf(to)
    if (owner) yield { text: `${to} is ${owner.why}` }
    if (refusal) {
      yield { text: `refused: ${format(refusal.reply)}`, value: { refused: refusal.reply } }
      return
    }
    for (const { recipient, route } of routed) {
      const why = (await flow.routeOf(recipient.address))?.why ?? 'another plugin'
      yield {
        text: `${recipient.address} goes to ${route.channel} ${route.nexthop} (${why})`,
        value: { recipient: recipient.address, ...route, why },
      }
    }
  } finally {
    session.close()
  }
}
