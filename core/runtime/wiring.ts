/**
 * Registers every plugin's handlers on a new set of hooks. tapable cannot untap, so a reload builds a new set.
 *
 * Invariants: no plugin ever holds a raw hook; every handler runs behind `guard`; a tap of an unknown hook, or with
 * options of the wrong shape, is an error at setup.
 */
import { IemsError } from '../api/errors.ts'
import { type Answer, createHook, type HookKind, type HookName, KERNEL_HOOKS, type Subject } from '../api/hooks.ts'
import type { Histogram } from '../api/metrics.ts'
import type { AnyPluginDefinition, PlacedHandler, PluginInstance, Stage } from '../api/plugin.ts'
import { type HookRun, NO_MESSAGE } from '../api/run.ts'
import type { BearerDiscovery } from '../auth/sasl/exchange.ts'
import type { CredentialMechanism } from '../auth/sasl/mechanisms.ts'
import { guard } from './guard.ts'
import type { Emit, Log } from './log.ts'
import { inOrder, STAGES, type Tap } from './order.ts'
import type { PluginSettings } from './settings.ts'
import type { Spans } from './spans.ts'

/** A plugin that has been set up. */
export interface LoadedPlugin {
  readonly name: string
  readonly definition: AnyPluginDefinition
  readonly settings: PluginSettings
  readonly parts: PluginInstance
  readonly log: Log
}

/** After ACCEPT, no plugin fault can affect a message. */
const TOLD: readonly string[] = ['queued', 'settled', 'event']

/** Whether a plugin's settings admit this run. */
function placed({ from, to }: PluginSettings, run: HookRun): boolean {
  if (from && run.from !== undefined && !from.includes(run.from)) return false
  return !(to && run.to !== undefined && ![run.to].flat().some((channel) => to.includes(channel)))
}

const PASSWORDS: readonly CredentialMechanism[] = ['PLAIN']

const TAP_FIELDS: readonly string[] = ['handler', 'stage', 'before', 'timeout', 'mechanisms', 'discovery']

/** Checks what TypeScript would check. Throws IEMS_HOOK_INVALID. */
function checkPlaced(plugin: string, hook: string, placed: Partial<PlacedHandler<'auth'>> | undefined): void {
  const { handler, stage, before, timeout } = placed ?? {}
  const unknown = Object.keys(placed ?? {}).find((field) => !TAP_FIELDS.includes(field))
  const why =
    typeof handler !== 'function'
      ? 'the handler is no function'
      : stage !== undefined && !STAGES.includes(stage)
        ? `the stage is ${JSON.stringify(stage)}, not one of ${STAGES.join(', ')}`
        : before !== undefined && typeof before !== 'string'
          ? 'before is not the name of a plugin'
          : timeout !== undefined && !(timeout > 0)
            ? 'the timeout is not a number of milliseconds'
            : unknown !== undefined && `${unknown} is none of ${TAP_FIELDS.join(', ')}`
  if (why) throw new IemsError('IEMS_HOOK_INVALID', { plugin, hook, why })
}

interface Measuring {
  readonly times: Histogram
  readonly spans: Spans
}

function tapsOf(
  { name, settings, parts, log }: LoadedPlugin,
  emit: Emit,
  { times, spans }: Measuring,
): [hook: string, tap: Tap][] {
  return Object.entries(parts.hooks ?? {}).map(([hook, given]) => {
    const tap = (typeof given === 'function' ? { handler: given } : given) as PlacedHandler<'auth'>
    checkPlaced(name, hook, tap)
    const { handler, stage = 'normal', before, timeout = 30_000, mechanisms = PASSWORDS, discovery } = tap
    const onError = TOLD.includes(hook) ? 'skip' : settings.onError
    const took = times.of({ hook, plugin: name })
    const guarded =
      hook === 'event' ? handler : guard(handler, { plugin: name, hook, timeout, onError, log, emit, took, spans })
    const filtered = settings.from || settings.to
    // A bail hook's "no opinion" is undefined; a waterfall keeps its subject when a tap answers nothing.
    const one: Tap['run'] = filtered
      ? (subject, run) => (placed(settings, run) ? guarded(subject, run as never) : Promise.resolve(undefined))
      : (guarded as Tap['run'])
    const run = hook === 'modify' ? forEach(one) : hook === 'check' ? taking(one) : one
    const hears = (channel: string) => settings.from?.includes(channel) ?? true
    return [hook, { plugin: name, stage, before, mechanisms, discovery, hears, run }]
  })
}

/** Runs a tap for each part of a split message. */
function forEach(tap: Tap['run']): Tap['run'] {
  return async (subject, run) => {
    for (const one of run.subjects?.() ?? [{ subject, run }]) await tap(one.subject, one.run)
  }
}

/** A tap whose answers may concern only some recipients. */
function taking(tap: Tap['run']): Tap['run'] {
  return async (subject, run) => {
    const answer = await tap(subject, run)
    return run.take ? run.take(answer) : answer
  }
}

export interface Hooks {
  /** Runs a hook; undefined without an answer. Throws PluginFault. */
  call<K extends HookName>(hook: K, subject: Subject<K>, run: HookRun): Promise<Answer<K> | undefined>
  /** Binds a delivery or message to its run, for hooks that plugins run about it. */
  bind(subject: object, run: HookRun): void
  /** The run of a delivery or message; throws TypeError for objects that are not the kernel's. */
  runOf(subject: object): HookRun
  /** Whether the hook has a tap, so that the kernel can skip preparation. */
  isTapped(hook: HookName): boolean
  emit(event: Subject<'event'>): void
  /** The mechanisms that `auth` taps check on that channel. Passwords are always included. */
  mechanisms(channel: string): ReadonlySet<CredentialMechanism>
  /** The token issuer for clients of that channel, from the first plugin that names one. */
  discovery(channel: string): BearerDiscovery | undefined
  /** The taps of each hook in execution order. */
  readonly order: ReadonlyMap<string, readonly { readonly plugin: string; readonly stage: Stage }[]>
  readonly warnings: readonly string[]
}

/** Holds the run of a delivery or message on the object itself: weak references cost the garbage collector more. */
const RUN = Symbol('run')

interface Bound {
  readonly [RUN]?: HookRun
}

/** Registers every plugin's handlers on a new set of hooks. */
export function wire(plugins: readonly LoadedPlugin[], emit: Emit, measuring: Measuring): Hooks {
  const kinds = new Map<string, HookKind>(Object.entries(KERNEL_HOOKS))
  const owners = new Map<string, AnyPluginDefinition>()
  for (const { name: plugin, definition } of plugins) {
    for (const [hook, kind] of Object.entries(definition.hooks ?? {})) {
      // A plugin that is configured twice, such as a listener with and without TLS, declares its hooks once.
      if (kinds.has(hook) && owners.get(hook) !== definition) throw new IemsError('IEMS_HOOK_TWICE', { plugin, hook })
      kinds.set(hook, kind as HookKind)
      owners.set(hook, definition)
    }
  }
  const taps = new Map<string, Tap[]>([...kinds.keys()].map((hook) => [hook, []]))
  for (const standing of plugins) {
    for (const [hook, tap] of tapsOf(standing, emit, measuring)) {
      const list = taps.get(hook)
      if (!list) throw new IemsError('IEMS_HOOK_UNKNOWN', { plugin: standing.name, hook })
      list.push(tap)
    }
  }
  const warnings: string[] = []
  const hooks = new Map<string, ReturnType<typeof createHook>>()
  const order = new Map<string, readonly Tap[]>()
  for (const [hook, list] of taps) {
    const sorted = inOrder(hook, list, (text) => warnings.push(text))
    order.set(hook, sorted)
    if (sorted.length === 0) continue
    const made = createHook(kinds.get(hook) as HookKind, hook)
    hooks.set(hook, made)
    for (const { plugin, run } of sorted) {
      // any: the table above has already typed this handler
      if (kinds.get(hook) === 'sync') (made as any).tap(plugin, quietly(run))
      else (made as any).tapPromise(plugin, run)
    }
  }
  return {
    // A copy of the object is not bound.
    bind: (subject, value) => void Object.defineProperty(subject, RUN, { value, writable: true }),
    runOf(subject: Bound) {
      const run = subject[RUN]
      if (!run) throw new TypeError('not a delivery or message that the kernel gave')
      return run
    },
    // any: as above
    call: (hook, subject, run) => (hooks.get(hook) as any)?.promise(subject, run) ?? Promise.resolve(undefined),
    isTapped: (hook) => hooks.has(hook),
    mechanisms: (channel) =>
      new Set([
        ...PASSWORDS,
        ...(order.get('auth') ?? []).filter(({ hears }) => hears(channel)).flatMap(({ mechanisms }) => mechanisms),
      ]),
    discovery: (channel) =>
      (order.get('auth') ?? []).find(({ hears, discovery }) => discovery && hears(channel))?.discovery,
    emit: (event) => (hooks.get('event') as any)?.call(event, NO_MESSAGE),
    order,
    warnings,
  }
}

function quietly(run: Tap['run']): (event: unknown) => void {
  return (event) => {
    try {
      run(event, NO_MESSAGE)
    } catch {
      // A watcher must not affect the server.
    }
  }
}
