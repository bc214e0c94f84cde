/**
 * `iems watch`: the servers that share the store and their components, live.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import type { NodeStatus } from '../api/administration.ts'
import { ask } from './ask.ts'
import { common, count } from './options.ts'
import { ago, bold, type Common, dim, out, print, table } from './print.ts'

async function nodesOf(options: Common): Promise<readonly NodeStatus[]> {
  const nodes: NodeStatus[] = []
  const params = { words: 'nodes', arguments: [], options: {} }
  await ask({ ...options, json: false }, { v: 1, method: 'command', params }, (item) => {
    const { value } = item as { value?: NodeStatus }
    if (value) nodes.push(value)
  })
  return nodes
}

function showNode({ name, pid, seen, state, isDrained, isOwn, components }: NodeStatus): string {
  const word = isDrained ? 'drained' : state
  const last = isOwn ? 'this server' : `heard of ${ago(Date.now() - seen)} ago`
  const rows = components.map((one) => {
    const text = one.state === 'running' ? dim(one.state) : bold(one.state)
    return [
      '',
      one.name,
      one.kind,
      `${text} for ${ago(Date.now() - one.since)}${one.why === undefined ? '' : `: ${one.why}`}`,
    ]
  })
  return [`${bold(name)}  ${word}, process ${pid}, ${last}`, ...(rows.length > 0 ? [table(rows)] : [])].join('\n')
}

async function watch(options: Common & { interval: number; times?: number }): Promise<void> {
  for (let look = 1; ; look++) {
    const nodes = await nodesOf(options)
    const screen = nodes.map(showNode).join('\n\n')
    if (options.json) print(options, nodes, '')
    else out(process.stdout.isTTY ? `\x1b[2J\x1b[H${dim(new Date().toTimeString().slice(0, 8))}\n${screen}` : screen)
    if (look >= (options.times ?? Number.POSITIVE_INFINITY)) return
    await delay(options.interval * 1000)
  }
}

export function addWatch(iems: Command): void {
  common(iems.command('watch').description('the servers that share the store and their components, again and again'))
    .option('--interval <seconds>', 'time between two looks', count, 2)
    .option('--times <number>', 'looks after which it ends; default: none', count)
    .action(watch)
}
