/**
 * `iems store copy`: everything from the store of one configuration to that of another; `store snapshots` and `revert`:
 * the way back after an upgrade. No server runs on the stores meanwhile.
 */
import type { Command } from 'commander'
import { IemsError } from '../api/errors.ts'
import { loadConfig, pathIn } from '../runtime/config.ts'
import type { Config } from '../runtime/config-schema.ts'
import { dataFolder } from '../runtime/folders.ts'
import { openStore } from '../runtime/server.ts'
import { counted, escapeLine, formatSize } from '../runtime/text.ts'
import { revertStore, snapshotsIn } from '../runtime/upgrades.ts'
import { copyStore } from '../store/copy.ts'
import { becomeOwner } from './offline.ts'
import { common } from './options.ts'
import { type Common, print } from './print.ts'

const placeOf = ({ store }: Config) =>
  JSON.stringify('open' in store ? { describe: store.describe, input: store.input } : store)

async function copy(target: string, options: Common): Promise<void> {
  const [from, to] = [await loadConfig(options.config), await loadConfig(target)]
  if (placeOf(from) === placeOf(to) && dataFolder(from) === dataFolder(to)) throw new IemsError('IEMS_STORE_SAME')
  becomeOwner(to)
  process.umask(0o077)
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort(new IemsError('IEMS_CLOSED')))
  const source = await openStore(from, false)
  try {
    const copied = await openStore(to, false)
    try {
      const done = await copyStore(source, copied, {
        signal: stop.signal,
        progress: (what, count) => process.stderr.isTTY && process.stderr.write(`\r${count} ${what}\u001b[K`),
      })
      if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
      const parts = [counted(done.records, 'record'), counted(done.blobs, 'blob'), formatSize(done.octets)]
      const text = `${parts.join(', ')}, ${done.scheduled} scheduled: copied and compared. Start the server with ${escapeLine(to.path)}; the old store is unchanged.`
      print(options, done, text)
    } finally {
      await copied.close()
    }
  } finally {
    await source.close()
  }
}

/** Adds to the `store` commands. */
export function addStoreCopy(store: Command): void {
  common(
    store
      .command('copy')
      .description(
        'copy everything to the store of another configuration, such as from LevelDB to PostgreSQL, and compare',
      )
      .argument('<configuration>', 'the file of the configuration with the new store'),
  )
    .addHelpText(
      'after',
      '\nStop the servers on both stores first. Run it again after an interruption: it copies what is missing.',
    )
    .action(copy)
}

async function pathOf(options: Common): Promise<string> {
  const config = await loadConfig(options.config)
  if (!('path' in config.store)) throw new IemsError('IEMS_CONTROL_REFUSED', { why: 'The store is not a folder' })
  becomeOwner(config)
  return pathIn(config, config.store.path)
}

/** Adds the way back after an upgrade to the `store` commands. */
export function addSnapshots(store: Command): void {
  common(store.command('snapshots').description('snapshots of the store that were taken before upgrades')).action(
    async (options: Common) => {
      const names = await snapshotsIn(await pathOf(options))
      print(options, names, names.join('\n') || 'There is none')
    },
  )
  common(
    store
      .command('revert')
      .description('go back to the store from before an upgrade; what came since is set aside')
      .argument('<snapshot>'),
  ).action(async (name: string, options: Common) => {
    const aside = await revertStore(await pathOf(options), name)
    print(
      options,
      { snapshot: name, replaced: aside },
      `The store is as it was at ${name}; what it was until now is in ${escapeLine(aside)}. Start the earlier version, then run \`iems mailbox index --rebuild\`.`,
    )
  })
}
