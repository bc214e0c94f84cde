/**
 * Isolates the kernel from a plugin's handler.
 *
 * Invariants: every handler settles; its faults carry its plugin's name; an answer of the wrong shape is a fault; null
 * is "no opinion". tapable guarantees none of these: a tap that throws before its first await leaves the hook pending
 * for ever.
 */
import { IemsError, reasonOf } from '../api/errors.ts'
import type { HookName } from '../api/hooks.ts'
import type { Handler } from '../api/plugin.ts'
import type { HookRun } from '../api/run.ts'
import { checkAnswer } from './answers.ts'
import type { Emit, Log } from './log.ts'
import type { Spans } from './spans.ts'

class PluginFault extends IemsError {
  constructor(plugin: string, hook: string, cause: unknown) {
    super('IEMS_PLUGIN_FAULT', { plugin, hook, why: reasonOf(cause) }, cause)
  }
}

interface GuardOptions {
  readonly plugin: string
  readonly hook: string
  readonly timeout: number
  readonly onError: 'defer' | 'skip'
  readonly log: Log
  readonly emit: Emit
  /** Receives the duration of each call in seconds. */
  readonly took?: (seconds: number) => void
  readonly spans?: Spans
}

/** Resolves with the handler's answer, or throws after `timeout` ms and aborts the signal. */
async function withinTime(ms: number, call: (signal: AbortSignal) => unknown): Promise<unknown> {
  const stop = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`no answer within ${ms} ms`)
      stop.abort(error)
      reject(error)
    }, ms)
  })
  try {
    return await Promise.race([(async () => call(stop.signal))(), late])
  } finally {
    clearTimeout(timer)
  }
}

/** The recipient that a hook call concerns. */
function recipientOf(subject: unknown): { readonly recipient?: string } {
  const { address } = (subject as { to?: { address?: unknown } } | undefined)?.to ?? {}
  return typeof address === 'string' ? { recipient: address } : {}
}

/** Wraps a handler: it settles, its faults carry the plugin's name, null is no opinion. */
export function guard(
  handler: Handler<HookName>,
  { plugin, hook, timeout, onError, log, emit, took, spans }: GuardOptions,
) {
  return async (subject: unknown, run: HookRun): Promise<unknown> => {
    const since = performance.now()
    let fault: string | undefined
    const step = (rest: object) =>
      run.step?.({
        hook,
        plugin,
        ...recipientOf(subject),
        ms: Math.round((performance.now() - since) * 10) / 10,
        ...rest,
      })
    const base = {
      log,
      state: run.box(plugin),
      note: (name: string, value: string | number | boolean) => run.note(plugin, name, value),
    }
    try {
      // any: the hook table has already typed the handler against its subject
      const answer = (await withinTime(timeout, (signal) => handler(subject as any, { ...base, signal }))) ?? undefined
      if (answer !== undefined) checkAnswer(hook, answer)
      step(answer === undefined ? {} : { answer })
      return answer
    } catch (cause) {
      fault = reasonOf(cause)
      step({ fault })
      emit('plugin.fault', { plugin, hook, ...(run.message === undefined ? {} : { message: run.message }), cause })
      if (onError === 'skip') return undefined
      throw new PluginFault(plugin, hook, cause)
    } finally {
      const ms = performance.now() - since
      took?.(ms / 1000)
      if (spans?.isHeard) {
        const { message } = run
        const about = { ...(message === undefined ? {} : { message }), ...(fault === undefined ? {} : { fault }) }
        spans.record({ kind: 'hook', name: hook, plugin, start: performance.timeOrigin + since, ms, ...about })
      }
    }
  }
}
