/**
 * Decides whether a reloaded configuration equals the running one.
 *
 * Invariants: a changed secret is a change; values that cannot be compared, such as functions and class instances, are
 * equal only if they are the same object, so that in doubt a reload sets everything up again. No secret is kept.
 */
import { createHash } from 'node:crypto'
import type { Config } from './config-schema.ts'
import { Secret } from './secret.ts'

export class ConfigIdentity {
  readonly #ids = new WeakMap<object, number>()
  #last = 0

  /** A digest that is equal for equivalent configurations. */
  of(config: Config): string {
    return this.ofOptions(config)
  }

  /** A digest that is equal for equivalent options of a plugin. */
  ofOptions(options: unknown): string {
    const identity = this
    const text = JSON.stringify({ options }, function (this: Record<string, unknown>, name) {
      return identity.#comparable(this[name], name)
    })
    return createHash('sha256').update(text).digest('base64')
  }

  #comparable(value: unknown, name: string): unknown {
    if (value instanceof Secret) return { secret: value.reveal() }
    if (value instanceof RegExp) return { pattern: String(value) }
    if (typeof value === 'number' || typeof value === 'bigint') return { number: String(value) }
    if (typeof value !== 'object' && typeof value !== 'function') return value
    if (value === null) return value
    // A plugin's code is unchanged if it is the same module.
    if (name !== 'definition' && isPlain(value)) return value
    return { object: this.#idOf(value) }
  }

  #idOf(value: object): number {
    const id = this.#ids.get(value) ?? ++this.#last
    this.#ids.set(value, id)
    return id
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || Array.isArray(value)
}
