/**
 * A handle on a store that another thread owns: calls go to the owner over a MessagePort.
 *
 * Invariants: a handle keeps the full contract of a store, so that its users need not know; when the port closes, every
 * pending call fails with IEMS_STORE_CLOSED; hints and wake-ups may be lost with the port.
 */
import type { MessagePort } from 'node:worker_threads'
import { IemsError } from '../../api/errors.ts'
import { createHints, createPending, requireSmall } from '../hints.ts'
import type { Blobs, ByteRange, Staged, Store, Value } from '../store.ts'
import {
  type Asked,
  type CallName,
  type Calls,
  Outbox,
  type Page,
  type Readings,
  type Said,
  thrown,
} from './protocol.ts'

export interface StoreHandleOptions {
  /** The clock of the store, whose owner runs on this machine. */
  readonly now?: () => number
  /** Called before the records are closed, and when they are open again; resolves when this thread has closed them. */
  readonly release?: (isReleased: boolean) => Promise<void>
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** Octets of a blob per message. */
const CHUNK = 65_536

type Hear = (said: Exclude<Said, { readonly id: number }>) => void

/** Numbered calls, and messages that the owner sends unasked. */
class Wire {
  readonly #port: MessagePort
  readonly #outbox: Outbox<Asked>
  readonly #waiting = new Map<number, Waiting>()
  readonly #hear: Hear
  #count = 0
  #isClosed = false

  constructor(port: MessagePort, hear: Hear) {
    this.#port = port
    this.#outbox = new Outbox(port)
    this.#hear = hear
    port.on('message', (said: readonly Said[]) => {
      for (const one of said) this.#receive(one)
    })
    port.on('close', () => this.#lost())
  }

  async call<N extends keyof Calls>(call: N, ...args: Parameters<Calls[N]>): Promise<ReturnType<Calls[N]>> {
    return (await this.ask(call, args)) as ReturnType<Calls[N]>
  }

  ask(call: CallName, args: readonly unknown[]): Promise<unknown> {
    this.check()
    const id = ++this.#count
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#outbox.post({ id, call, args })
    })
  }

  async *read<N extends keyof Readings>(
    call: N,
    ...args: Parameters<Readings[N]>
  ): AsyncGenerator<ReturnType<Readings[N]>> {
    let page = (await this.ask(call, args)) as Page
    try {
      for (;;) {
        yield* page.items as ReturnType<Readings[N]>[]
        if (page.isLast) return
        page = await this.call('page', page.reading)
      }
    } finally {
      if (!page.isLast) this.tell({ abandon: page.reading })
    }
  }

  tell(asked: Asked): void {
    if (!this.#isClosed) this.#outbox.post(asked)
  }

  check(): void {
    if (this.#isClosed) throw new IemsError('IEMS_STORE_CLOSED')
  }

  /** Refuses further calls, waits for pending answers, and closes the port. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#outbox.flush()
    await Promise.allSettled([...this.#waiting.values()].map((one) => settled(one)))
    this.#port.close()
  }

  #receive(said: Said): void {
    if (!('id' in said)) {
      this.#hear(said)
      return
    }
    const one = this.#waiting.get(said.id)
    this.#waiting.delete(said.id)
    if ('error' in said) one?.reject(thrown(said.error))
    else one?.resolve(said.value)
  }

  #lost(): void {
    this.#isClosed = true
    for (const { reject } of this.#waiting.values()) reject(new IemsError('IEMS_STORE_CLOSED'))
    this.#waiting.clear()
  }
}

/** Resolves when the call has been answered, successfully or not. */
function settled(one: Waiting): Promise<void> {
  return new Promise((done) => {
    const { resolve, reject } = one
    one.resolve = (value) => {
      resolve(value)
      done()
    }
    one.reject = (error) => {
      reject(error)
      done()
    }
  })
}

/** Opens a handle on the store that `serveStore` serves at the other end of the port. */
export function openStoreHandle(port: MessagePort, { now = Date.now, release }: StoreHandleOptions = {}): Store {
  const watchers = new Map<number, (lane: string, at: number) => void>()
  const hints = createHints()
  const subscribed = new Map<string, number>()
  let watches = 0

  const wire = new Wire(port, (said) => {
    if ('wake' in said) watchers.get(said.wake)?.(said.lane, said.at)
    else if ('topic' in said) hints.publish(said.topic, said.hint)
    else void release?.(said.release).then(() => wire.tell({ released: true }))
  })
  const outgoing = createPending((publish, hint) => wire.tell({ publish, hint }))

  function subscribe(topic: string, hear: (hint: Value | undefined) => void): () => void {
    const end = hints.subscribe(topic, hear)
    const count = subscribed.get(topic) ?? 0
    subscribed.set(topic, count + 1)
    if (count === 0) wire.tell({ subscribe: topic })
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      end()
      const left = (subscribed.get(topic) ?? 1) - 1
      if (left > 0) return void subscribed.set(topic, left)
      subscribed.delete(topic)
      wire.tell({ unsubscribe: topic })
    }
  }

  return {
    now,
    get: async (key) => wire.call('get', key),
    scan: (range) => wire.read('scan', range),
    commit: async (ops, checks = []) => wire.call('commit', ops, checks),
    take: async (lane, limit, leaseMs) => wire.call('take', lane, limit, leaseMs),
    renew: async (lane, lease, leaseMs) => wire.call('renew', lane, lease, leaseMs),
    lanes: (prefix) => wire.read('lanes', prefix),
    dueAt: async (lane, key) => wire.call('dueAt', lane, key),
    isLeased: async (lane, key) => wire.call('isLeased', lane, key),
    due: (lane, limit) => wire.read('due', lane, limit),
    watch(prefix, wake) {
      const id = ++watches
      watchers.set(id, wake)
      wire.tell({ watch: id, prefix })
      return () => {
        if (watchers.delete(id)) wire.tell({ unwatch: id })
      }
    },
    publish(topic, hint) {
      requireSmall(hint)
      outgoing.add(topic, hint)
    },
    subscribe,
    blobs: createBlobs(wire),
    async dump() {
      const { dump, files } = await wire.call('dump')
      return {
        files,
        records: () => wire.read('dumpRecords', dump),
        open: (id) => wire.read('dumpFile', dump, id),
        close: () => wire.call('dumpEnd', dump),
      }
    },
    async close() {
      outgoing.flush()
      hints.close()
      watchers.clear()
      await wire.close()
    },
  }
}

function createBlobs(wire: Wire): Blobs {
  return {
    async stage(source) {
      wire.check()
      const stage = await wire.call('stage')
      try {
        for await (const chunk of source)
          for (let at = 0; at < chunk.byteLength; at += CHUNK)
            await wire.call('stageWrite', stage, chunk.subarray(at, at + CHUNK))
      } catch (cause) {
        await wire.call('stageFail', stage).catch(() => {})
        throw cause
      }
      return stagedOf(wire, stage, await wire.call('stageEnd', stage))
    },
    open: (id, range) => wire.read('blob', id, range),
    size: async (id) => wire.call('blobSize', id),
    remove: async (id) => wire.call('remove', id),
    list: (after = '') => wire.read('blobs', after),
  }
}

/** The owner drops a stage that was kept; its bytes are then read by id. */
function stagedOf(wire: Wire, stage: number, about: ReturnType<Calls['stageEnd']>): Staged {
  const { bytes } = about
  let kept: string | undefined
  async function* few(all: Uint8Array, range?: ByteRange) {
    yield range ? all.subarray(range.start, range.end) : all
  }
  return {
    ...about,
    open(range) {
      if (bytes) return few(bytes, range)
      return kept === undefined ? wire.read('staged', stage, range) : wire.read('blob', kept, range)
    },
    async keep() {
      const answer = await wire.call('keep', stage)
      kept = answer.id
      return answer
    },
    async discard() {
      if (kept === undefined) await wire.call('discard', stage)
    },
  }
}
