/**
 * Secret values of the configuration.
 *
 * Invariants: only `reveal()` returns the value; printing, logging or serializing a secret yields `[secret]`.
 */
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import * as z from 'zod'
import { IemsError } from '../api/errors.ts'

/** A value that prints as `[secret]`; call `reveal()` only where the value is used. */
export class Secret {
  readonly #value: string | undefined
  readonly #name: string
  constructor(name: string, value: string | undefined) {
    this.#name = name
    this.#value = value
  }
  /** Throws IEMS_SECRET_MISSING. */
  reveal(): string {
    if (this.#value === undefined) throw new IemsError('IEMS_SECRET_MISSING', { name: this.#name })
    return this.#value
  }
  toString(): string {
    return '[secret]'
  }
  toJSON(): string {
    return '[secret]'
  }
  [inspect.custom](): string {
    return '[secret]'
  }
}

function readSecret(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch {
    // `checkConfig` reports a missing or unreadable secret with its path.
    return undefined
  }
}

/** Secrets for the configuration, read once when it is loaded. */
export const secret = {
  env: (name: string) => new Secret(`environment variable ${name}`, process.env[name]),
  file: (path: string) => new Secret(path, readSecret(path)),
  /** For tests; in a configuration it would not be secret. */
  value: (text: string) => new Secret('given', text),
}

/** Schema of a secret option. */
export const secretValue = () =>
  z.instanceof(Secret, { error: "must be a secret: secret.env('NAME') or secret.file('/path')" })
