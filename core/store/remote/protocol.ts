/**
 * Messages between a handle and the owner of a store over a MessagePort.
 *
 * Invariants: messages of a handle are served in the order sent; bytes travel in one arena per turn of the event loop,
 * which is transferred and never shared.
 */
import type { MessagePort } from 'node:worker_threads'
import { IemsError } from '../../api/errors.ts'
import type { ByteRange, Check, Key, Lease, Op, Range, Scheduled, Value } from '../store.ts'

/** Calls with a single answer. */
export interface Calls {
  get(key: Key): Value | undefined
  commit(ops: readonly Op[], checks: readonly Check[]): boolean
  take(lane: string, limit: number, leaseMs: number): readonly Lease[]
  renew(lane: string, lease: Lease, leaseMs: number): Lease | undefined
  dueAt(lane: string, key: Key): number | undefined
  isLeased(lane: string, key: Key): boolean
  remove(blob: string): void
  blobSize(blob: string): number
  stage(): number
  stageWrite(stage: number, bytes: Value): void
  stageFail(stage: number): void
  stageEnd(stage: number): { readonly size: number; readonly hash?: string; readonly bytes?: Value }
  keep(stage: number): { readonly id: string; readonly ops: readonly Op[] }
  discard(stage: number): void
  /** Takes a dump; `dumpEnd` closes it. */
  dump(): { readonly dump: number; readonly files: readonly string[] }
  dumpEnd(dump: number): void
  /** The next items of a scan; its last page closes it. */
  page(reading: number): Page
}

/** Scans, whose items come in pages. */
export interface Readings {
  scan(range: Range): readonly [Key, Value]
  lanes(prefix: string): { readonly lane: string; readonly at: number }
  due(lane: string, limit: number): Scheduled
  blob(id: string, range?: ByteRange): Value
  blobs(after: string): { readonly id: string; readonly since: number }
  staged(stage: number, range?: ByteRange): Value
  dumpRecords(dump: number): readonly [Key, Value]
  dumpFile(dump: number, id: string): Value
}

export interface Page {
  readonly reading: number
  readonly items: readonly unknown[]
  readonly isLast: boolean
}

export type CallName = keyof Calls | keyof Readings

/** Messages from a handle. */
export type Asked =
  | { readonly id: number; readonly call: CallName; readonly args: readonly unknown[] }
  | { readonly abandon: number }
  | { readonly watch: number; readonly prefix: string }
  | { readonly unwatch: number }
  | { readonly subscribe: string }
  | { readonly unsubscribe: string }
  | { readonly publish: string; readonly hint: Value | undefined }
  /** The answer to `release`. */
  | { readonly released: true }

/** Messages from the owner. */
export type Said =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: CarriedError }
  | { readonly wake: number; readonly lane: string; readonly at: number }
  | { readonly topic: string; readonly hint: Value | undefined }
  /** The records are about to be closed (true), or are open again: for handles that read them directly. */
  | { readonly release: boolean }

export interface CarriedError {
  readonly code?: string
  readonly name: string
  readonly message: string
  readonly details?: Readonly<Record<string, unknown>>
}

export function carried(cause: unknown): CarriedError {
  if (cause instanceof IemsError) {
    // Details such as a cause or a class may not be cloneable.
    const details = Object.fromEntries(
      Object.entries(cause.details).map(([name, value]) => [name, typeof value === 'number' ? value : String(value)]),
    )
    return { code: cause.code, name: cause.name, message: cause.message, details }
  }
  const { name, message } = cause instanceof Error ? cause : { name: 'Error', message: String(cause) }
  return { name, message }
}

export function thrown({ code, name, message, details }: CarriedError): Error {
  if (code !== undefined) return new IemsError(code as IemsError['code'], details)
  return name === 'RangeError' ? new RangeError(message) : Object.assign(new Error(message), { name })
}

/** Collects messages to the other thread per turn of the event loop, because waking the thread dominates the cost. */
export class Outbox<M extends Asked | Said> {
  readonly #port: MessagePort
  #messages: M[] = []

  constructor(port: MessagePort) {
    this.#port = port
  }

  post(message: M): void {
    if (this.#messages.push(message) === 1) setImmediate(() => this.flush())
  }

  /** Sends the collected messages, with all bytes in one arena, copied once and transferred. */
  flush(): void {
    const messages = this.#messages
    if (messages.length === 0) return
    this.#messages = []
    const octets = octetsIn(messages)
    if (octets === 0) this.#port.postMessage(messages)
    else {
      const arena = new ArrayBuffer(octets)
      this.#port.postMessage(moved(messages, { arena, at: 0 }), [arena])
    }
  }
}

function octetsIn(value: unknown): number {
  if (value === null || typeof value !== 'object') return 0
  if (value instanceof Uint8Array) return value.byteLength
  let octets = 0
  for (const item of Array.isArray(value) ? value : Object.values(value)) octets += octetsIn(item)
  return octets
}

function moved(value: unknown, room: { readonly arena: ArrayBuffer; at: number }): unknown {
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Uint8Array) {
    const view = new Uint8Array(room.arena, room.at, value.byteLength)
    view.set(value)
    room.at += value.byteLength
    return view
  }
  if (Array.isArray(value)) return value.map((item) => moved(item, room))
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, moved(item, room)]))
}
