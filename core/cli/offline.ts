/**
 * Runs a plugin's command without a server: sets the configuration up on its own store without opening a port, runs the
 * command, and closes again.
 *
 * Invariants: the store's lock excludes a running server; files belong to the user of the server, even when root runs
 * the command.
 */
import { statSync } from 'node:fs'
import { ADMIN, type Administration } from '../api/administration.ts'
import type { CommandOutput } from '../api/command.ts'
import { IemsError } from '../api/errors.ts'
import type { ControlRequest } from '../control/protocol.ts'
import type { Config } from '../runtime/config-schema.ts'
import { dataFolder, pluginFolder, secureFolders } from '../runtime/folders.ts'
import { createKernel } from '../runtime/kernel.ts'
import { Listeners } from '../runtime/listeners.ts'
import { createLog } from '../runtime/log.ts'
import { openStore } from '../runtime/server.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { snapshotBeforeUpgrade } from '../runtime/upgrades.ts'

const OWNER = { user: 'the owner of the server', roles: [ADMIN] }
const CLOSE_MS = 5000

/** Root switches to the owner of the data folder, because the server could not open files that root creates. */
export function becomeOwner(config: Config): void {
  if (process.getuid?.() !== 0) return
  const owner = statSync(dataFolder(config), { throwIfNoEntry: false })
  if (!owner || owner.uid === 0) return
  process.setgroups?.([owner.gid])
  process.setgid?.(owner.gid)
  process.setuid?.(owner.uid)
}

/** Sets the configuration up on its store, without ports, for one task. */
export async function withoutServer<T>(
  config: Config,
  work: (administration: Administration) => Promise<T>,
): Promise<T> {
  becomeOwner(config)
  process.umask(0o077)
  const log = createLog({ level: 'error', privacy: false, to: { write: (line) => void process.stderr.write(line) } })
  secureFolders(config, log)
  const store = await openStore(config, false)
  try {
    await snapshotBeforeUpgrade(store, config, (name, fields) => log.event({ ...fields, name, at: systemClock.now() }))
    const folder = (plugin: string) => pluginFolder(config, plugin)
    const ports = new Listeners(() => {})
    const kernel = await createKernel({ config, store, ports, clock: systemClock, log, folder })
    try {
      return await work(kernel.administration.as(OWNER))
    } finally {
      await kernel.close(AbortSignal.timeout(CLOSE_MS))
    }
  } finally {
    await store.close()
  }
}

type CommandRequest = Extract<ControlRequest, { method: 'command' }>

/** Runs a plugin's command as the control socket does; `each` receives the same items. */
export async function runOffline(
  config: Config,
  { params }: CommandRequest,
  each: (item: unknown) => unknown,
  input: AsyncIterable<Uint8Array> = (async function* () {})(),
): Promise<void> {
  const gone = new AbortController()
  await withoutServer(config, async (administration) => {
    if (!administration.commands().some(({ words }) => words === params.words))
      throw new IemsError('IEMS_COMMAND_UNKNOWN', { command: params.words })
    for await (const output of administration.run({ ...params, input, signal: gone.signal })) await each(asItem(output))
  })
}

function asItem(output: CommandOutput): unknown {
  return 'bytes' in output ? { bytes: Buffer.from(output.bytes).toString('base64') } : output
}
