/**
 * One running server: the store, the doors, and the kernel of the present configuration, which a reload replaces.
 *
 * What must stay true: a reload that fails at any point leaves the old kernel running as if nothing had been asked; the
 * old one finishes what it has begun; the store is opened once and closed last.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../api/clock.ts'
import { IemsError, reasonOf } from '../api/errors.ts'
import type { KernelEvent } from '../api/hooks.ts'
import { createDns, type Dns } from '../net/dns.ts'
import { levelStore } from '../store/level/level.ts'
import { memoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { type Config, loadConfig, pathIn } from './config.ts'
import { ConfigIdentity } from './config-identity.ts'
import { isOurs, openMode, secureFolder } from './data-folder.ts'
import { createKernel, type Kernel } from './kernel.ts'
import { createLasting } from './lasting.ts'
import { createListeners } from './listeners.ts'
import { createLog, type LogWriter } from './log.ts'

/** The time of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, call) {
    // setTimeout counts only to 2^31 ms; what is further away is looked at again then.
    const timer = setTimeout(call, Math.min(ms, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
}

export interface ServerOptions {
  readonly config: Config
  /** Nothing is kept: for trying things out. */
  readonly memory?: boolean
  readonly log?: LogWriter
  readonly watch?: (event: KernelEvent) => void
}

export interface Server {
  readonly kernel: Kernel
  readonly store: Store
  /** When it was started, ms since 1970. */
  readonly since: number
  /**
   * Reads the configuration again and changes over to it; one that is as before only reads certificates and other files
   * again, and no session ends. Throws, with nothing changed.
   */
  reload(): Promise<void>
  /** Finishes what is under way for at most `drain`, then closes. Called again: at once. */
  stop(): Promise<void>
  readonly stopped: Promise<void>
}

const SWEEP_MS = 3_600_000
const FIRST_SWEEP_MS = 60_000

/** The folder of the plugins' files and the control socket; with the default store, of everything. */
export function dataFolder(config: Config): string {
  return pathIn(config, config.folder ?? ('path' in config.store ? config.store.path : 'data'))
}

/** Every folder in which data of the server lie. */
export function dataFolders(config: Config): readonly string[] {
  const folder = dataFolder(config)
  return 'path' in config.store ? [...new Set([pathIn(config, config.store.path), folder])] : [folder]
}

/** What a start would change about the rights of folders. Throws IEMS_FOLDER_OPEN where it would refuse. */
export function folderWarnings(config: Config): string[] {
  return dataFolders(config).flatMap((path) => {
    const mode = openMode(path)
    if (mode === undefined) return []
    if (!isOurs(path)) throw new IemsError('IEMS_FOLDER_OPEN', { path, mode })
    return [`${path} can be entered by other users (mode ${mode}); the server takes that right away when it starts`]
  })
}

function pluginFolder(config: Config, plugin: string): string {
  const path = join(dataFolder(config), 'plugins', plugin)
  mkdirSync(path, { recursive: true, mode: 0o700 })
  return path
}

/** Where the `iems` command finds the server. */
export function controlPath(config: Config): string {
  const { path } = config.control
  if (path !== undefined) return pathIn(config, path)
  const folder = dataFolder(config)
  return process.platform === 'win32'
    ? `\\\\.\\pipe\\iems-${folder.replace(/\W+/g, '-')}`
    : join(folder, 'control.sock')
}

function secureFolders(config: Config, log: LogWriter): void {
  for (const path of dataFolders(config)) {
    const mode = secureFolder(path)
    if (mode !== undefined) log.event({ name: 'folder.secured', at: systemClock.now(), path, mode })
  }
}

async function openStore(config: Config, inMemory: boolean): Promise<Store> {
  if (inMemory) return memoryStore()
  if ('open' in config.store) return config.store.open()
  return levelStore({
    path: pathIn(config, config.store.path),
    minFree: config.store.minFree,
    reserve: config.store.reserve,
  })
}

/** One resolver for all kernels, so that its cache survives a reload; another when its options change. */
function lendDns(now: Clock['now']): (config: Config) => Dns {
  let lent: { readonly options: string; readonly dns: Dns } | undefined
  return (config) => {
    const options = JSON.stringify(config.dns)
    if (lent?.options !== options) lent = { options, dns: createDns(config.dns, now) }
    return lent.dns
  }
}

export async function startServer({
  config,
  memory = false,
  log = createLog(config.log),
  watch,
}: ServerOptions): Promise<Server> {
  const clock = systemClock
  if (!memory) secureFolders(config, log)
  const store = await openStore(config, memory)
  let kernel: Kernel | undefined
  const lasting = createLasting()
  const identity = new ConfigIdentity()
  const ports = createListeners((name, fields) => kernel?.emit(name, fields))
  const dnsFor = lendDns(clock.now)
  const build = (next: Config) =>
    createKernel({
      config: next,
      dns: dnsFor(next),
      store,
      ports,
      clock,
      log,
      lasting,
      ...(memory ? {} : { folder: (plugin: string) => pluginFolder(next, plugin) }),
      ...(watch ? { watch } : {}),
    })
  const since = clock.now()
  let busy: Promise<void> = Promise.resolve()
  let ending: Promise<void> | undefined
  const endNow = new AbortController()
  let ended: () => void = () => {}
  const stopped = new Promise<void>((resolve) => {
    ended = resolve
  })

  try {
    kernel = await build(config)
    await kernel.listen()
  } catch (error) {
    await store.close()
    throw error
  }
  let running: Kernel = kernel
  let present = identity.of(config)
  running.run()
  running.emit('server.started', {
    hostname: config.hostname,
    doors: running.doors.map(({ label, address, port }) => `${label} ${address}:${port}`),
    pid: process.pid,
  })

  /** Each kernel may sweep; the store lets one of them do it. */
  function scheduleSweep(of: Kernel) {
    of.schedule({
      name: 'sweep',
      every: SWEEP_MS,
      first: FIRST_SWEEP_MS,
      run: async (signal) => of.emit('store.swept', { ...(await of.sweep(signal)) }),
    })
  }
  scheduleSweep(running)

  function drain(of: Kernel): Promise<void> {
    return of.close(AbortSignal.any([AbortSignal.timeout(of.config.drain), endNow.signal]))
  }

  async function changeOver(): Promise<void> {
    const next = await loadConfig(running.config.path)
    if (JSON.stringify(next.store) !== JSON.stringify(running.config.store))
      throw new IemsError('IEMS_SETTING_NEEDS_RESTART', { path: 'store' })
    if (dataFolder(next) !== dataFolder(running.config))
      throw new IemsError('IEMS_SETTING_NEEDS_RESTART', { path: 'folder' })
    if (controlPath(next) !== controlPath(running.config))
      throw new IemsError('IEMS_SETTING_NEEDS_RESTART', { path: 'control.path' })
    const wanted = identity.of(next)
    if (wanted === present && (await running.refresh())) {
      running.emit('server.reloaded', { path: next.path, sessions: 'kept' })
      return
    }
    const fresh = await build(next)
    await fresh.listen()
    const old = running
    running = fresh
    present = wanted
    fresh.run()
    scheduleSweep(fresh)
    fresh.emit('server.reloaded', { path: next.path })
    drain(old).catch((cause: unknown) => fresh.emit('kernel.fault', { cause }))
  }

  async function end(): Promise<void> {
    await busy
    running.emit('server.stopping')
    ports.close()
    await drain(running)
    running.emit('server.stopped')
    await store.close()
    log.flush()
    ended()
  }

  return {
    get kernel() {
      return running
    },
    store,
    since,
    stopped,
    reload() {
      const turn = busy.then(async () => {
        try {
          await changeOver()
        } catch (cause) {
          running.emit('server.reload-failed', { cause: reasonOf(cause) })
          throw cause
        }
      })
      busy = turn.catch(() => {})
      return turn
    },
    stop() {
      if (ending) endNow.abort(new IemsError('IEMS_CLOSED'))
      ending ??= end()
      return ending
    },
  }
}
