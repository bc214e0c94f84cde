/**
 * Where mail of an account arrives during a move: still at Domino, by the route of its directory entry, or here.
 */
import { type Command, escapeLine } from 'iems'
import { type DirectoryApi, isRefused, type RouteTarget } from '../../directory/store/api.ts'

const BY = 'notes'

/** Takes the route away; answers a sentence for the report. */
export function createSwitch(directory: DirectoryApi) {
  return async (name: string): Promise<string> => {
    const entry = await directory.byName('account', name)
    if (!entry) throw new Error(`the directory has no account ${name}`)
    if (!entry.route) return `mail of ${escapeLine(name)} arrived here already`
    await changed(directory, entry.id, null)
    return `mail of ${escapeLine(name)} arrives here`
  }
}

async function changed(directory: DirectoryApi, id: string, route: RouteTarget | null): Promise<void> {
  const [done] = await directory.change([{ set: id, to: { route } }], BY)
  if (done && isRefused(done)) throw new Error(done.why)
}

export function createRoute(directory: DirectoryApi, target: RouteTarget | undefined): Command {
  return {
    summary: 'show or set where mail of an account arrives: there (at Domino) or here',
    arguments: ['<account>', '[there|here]'],
    async *run({ arguments: [name = '', where] }) {
      const entry = await directory.byName('account', name)
      if (!entry) throw new Error(`the directory has no account ${name}`)
      if (where === undefined) {
        const value = { account: entry.name, arrives: entry.route ? 'there' : 'here', ...entry.route }
        const there = entry.route && `by ${entry.route.channel} to ${entry.route.nexthop}`
        yield { text: `mail of ${escapeLine(entry.name)} goes ${there ?? 'to its mailboxes here'}`, value }
        return
      }
      if (where !== 'there' && where !== 'here') throw new Error('say there or here')
      if (where === 'there' && !target)
        throw new Error('the option connector.channel says which channel leads to Domino')
      await changed(directory, entry.id, where === 'there' ? (target ?? null) : null)
      yield {
        text: `mail of ${escapeLine(entry.name)} arrives ${where}`,
        value: { account: entry.name, arrives: where },
      }
    },
  }
}
