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

/** The end of a call that takes too long. Few handlers look at the signal, so it is made when one does. */
class Stop {
  #controller: AbortController | undefined
  #reason: Error | undefined

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#reason) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  abort(reason: Error): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}

/** Resolves with a handler's answer, or throws after `ms` and stops it. */
function withinTime(ms: number, stop: Stop, answer: PromiseLike<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const error = new Error(`no answer within ${ms} ms`)
      stop.abort(error)
      reject(error)
    }, ms)
    const settle = (end: (value: unknown) => void) => (value: unknown) => {
      clearTimeout(timer)
      end(value)
    }
    answer.then(settle(resolve), settle(reject))
  })
}

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function'

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
    const stop = new Stop()
    const context = {
      log,
      get state() {
        return run.box(plugin)
      },
      note: (name: string, value: string | number | boolean) => run.note(plugin, name, value),
      get signal() {
        return stop.signal
      },
    }
    try {
      // any: the hook table has already typed the handler against its subject
      const given: unknown = handler(subject as any, context)
      const answer = (isPromise(given) ? await withinTime(timeout, stop, given) : given) ?? undefined
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
