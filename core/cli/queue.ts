/**
 * `iems queue …`: inspects and changes the queue.
 */
import type { Command } from 'commander'
import type { ControlRequest } from '../control/protocol.ts'
import type { QueueEntry } from '../queue/admin.ts'
import { counted } from '../runtime/text.ts'
import { ask } from './ask.ts'
import { choosing, common, count } from './options.ts'
import { type Common, out, print } from './print.ts'
import { showEntry } from './show-message.ts'

interface FilterOptions extends Common {
  readonly channel?: string
  readonly nexthop?: string
  readonly from?: string
  readonly to?: string
  readonly held?: boolean
  readonly scheduled?: boolean
  readonly all?: boolean
  readonly reason?: string
  readonly limit?: number
}

function filterOf(ids: readonly string[], { channel, nexthop, from, to, held, scheduled, all }: FilterOptions) {
  const rest = { channel, nexthop, from, recipient: to, held, scheduled }
  if (ids.length > 0) return ids.map((message) => ({ ...rest, message }))
  return [all ? { ...rest, message: '*' } : rest]
}

async function changeQueue(verb: string, options: FilterOptions, requests: readonly ControlRequest[]) {
  let count = 0
  for (const asked of requests) count += await ask<number>(options, asked)
  print(options, { count }, `${counted(count, 'delivery')} ${verb}`)
}

async function list(options: FilterOptions) {
  let count = 0
  for (const filter of filterOf([], options)) {
    await ask(options, { v: 1, method: 'queue.list', params: { filter, limit: options.limit ?? 1000 } }, (item) => {
      count++
      print(options, item, showEntry(item as QueueEntry))
    })
  }
  if (!options.json)
    out(count === 0 ? 'The queue is empty' : `${count} ${count === 1 ? 'delivery waits' : 'deliveries wait'}`)
}

export function addQueue(iems: Command): void {
  const queue = iems.command('queue').description('what waits and why; without a further word, the list')
  choosing(common(queue.command('list', { isDefault: true }).description('what waits and why')))
    .option('--held', 'only what is held')
    .option('--limit <count>', 'at most so many', count)
    .action(list)
  common(queue.command('show').description('one waiting message, with all its deliveries'))
    .argument('<id>')
    .action(async (id: string, options: Common) => {
      await ask(options, { v: 1, method: 'queue.list', params: { filter: { message: id }, limit: 10_000 } }, (item) =>
        print(options, item, showEntry(item as QueueEntry)),
      )
    })
  addVerbs(queue)
  addReroute(queue)
  common(queue.command('flush').description('try everything for a next hop now, as ETRN does'))
    .argument('<nexthop>', 'a next hop; .example.org is every one below it')
    .option('--channel <name>', 'only by this channel')
    .action((nexthop: string, options: FilterOptions) => {
      const params = options.channel === undefined ? { nexthop } : { nexthop, channel: options.channel }
      return changeQueue('due now', options, [{ v: 1, method: 'queue.flush', params }])
    })
}

const DONE = {
  hold: 'held',
  release: 'released',
  retry: 'due now',
  remove: 'removed',
  bounce: 'returned to their senders',
} as const

const ABOUT = {
  hold: 'keep deliveries from being tried',
  release: 'let held deliveries go; with --scheduled, send now what is to be sent later',
  retry: 'try now',
  remove: 'end deliveries without a word to the sender',
  bounce: 'return to the sender',
} as const

function addVerbs(queue: Command): void {
  for (const verb of ['hold', 'release', 'retry', 'remove', 'bounce'] as const) {
    const command = choosing(common(queue.command(verb).description(ABOUT[verb])))
      .argument('[ids...]', 'messages, or single deliveries as the list names them')
      .option('--all', 'everything in the queue that matches')
    if (verb === 'hold' || verb === 'bounce')
      command.option('--reason <text>', 'what lists and reports say', 'by the administrator')
    command.action((ids: string[], options: FilterOptions) => {
      const { reason = '' } = options
      const requests = filterOf(ids, options).map(
        (filter): ControlRequest =>
          verb === 'hold' || verb === 'bounce'
            ? { v: 1, method: `queue.${verb}`, params: { filter, reason } }
            : { v: 1, method: `queue.${verb}`, params: { filter } },
      )
      return changeQueue(DONE[verb], options, requests)
    })
  }
}

function addReroute(queue: Command): void {
  choosing(common(queue.command('reroute').description('send by another way')))
    .argument('[ids...]')
    .option('--all', 'everything in the queue that matches')
    .requiredOption('--via <channel>', 'the channel to deliver them')
    .requiredOption('--new-nexthop <name>', 'the next hop there')
    .action((ids: string[], options: FilterOptions & { via: string; newNexthop: string }) =>
      changeQueue(
        'rerouted',
        options,
        filterOf(ids, options).map((filter) => ({
          v: 1,
          method: 'queue.reroute',
          params: { filter, channel: options.via, nexthop: options.newNexthop },
        })),
      ),
    )
}
