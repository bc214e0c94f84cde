/**
 * The servers that share a store: what each of them runs, and which of its components an administrator wants stopped.
 *
 * Invariants: a wanted state is a record, so it outlives the server; a signal only makes servers look at it sooner; a
 * server that is not heard of for a while is shown as silent and is never removed by another.
 */
import type { NodeStatus } from '../api/administration.ts'
import type { ComponentStatus } from '../api/component.ts'
import { IemsError } from '../api/errors.ts'
import { below, key, unkey } from '../store/keys.ts'
import { decodeRecord, encodeRecord } from '../store/record.ts'
import type { Store } from '../store/store.ts'
import { type Component, EVERYTHING, isHeldBy, startedName } from './component.ts'

export interface NodesDeps {
  readonly store: Store
  /** The name of this server among those that share the store. */
  readonly node: string
  /** When this server was started, ms since 1970. */
  readonly since: number
  /** Other servers may have the store open. */
  readonly isShared: boolean
  readonly components: () => readonly Component[]
  /** Forms of stored content that this server can read. */
  readonly reads: readonly string[]
  /** Stops or starts a component of this server. */
  readonly apply: (component: Component, isStopped: boolean) => Promise<void>
  /** From now on new components of this server are held, or no longer. */
  readonly drain: (isDrained: boolean) => Promise<void>
}

interface NodeRecord {
  readonly v: 1
  readonly pid: number
  readonly since: number
  /** By the store's clock. */
  readonly seen: number
  /** Forms of stored content that it can read. Absent in records of earlier versions: none. */
  readonly reads?: readonly string[]
  readonly components: readonly ComponentStatus[]
}

/** Every server. */
export const EVERYWHERE = 'all'
const BEAT_MS = 5000
/** A server that was not heard of for so long is silent. */
const SILENT_MS = 20_000
const TOPIC = 'nodes'

const nodeKey = (node: string) => key('node', node)
const wantedKey = (node: string, component: string) => key('wanted', node, component)
const putWanted = (node: string, component: string) => ({
  put: wantedKey(node, component),
  value: encodeRecord({ v: 1, component }),
})

export class Nodes {
  readonly #deps: NodesDeps
  #timer: NodeJS.Timeout | undefined
  #unsubscribe: () => void = () => {}
  #busy: Promise<void> = Promise.resolve()
  #isOn = false

  constructor(deps: NodesDeps) {
    this.#deps = deps
  }

  /** Names of the components that are to stay stopped on this server, and of those that run although it is drained. */
  async stopped(): Promise<Set<string>> {
    const { store, node } = this.#deps
    const names = new Set<string>()
    for (const place of [EVERYWHERE, node])
      for await (const [, value] of store.scan(below('wanted', place)))
        names.add(decodeRecord<{ component: string }>(value).component)
    return names
  }

  /** From now on other servers see this one, and it does what they want. */
  async begin(): Promise<void> {
    this.#isOn = true
    await this.#beat()
    if (!this.#deps.isShared) return
    this.#unsubscribe = this.#deps.store.subscribe(TOPIC, () => this.#look())
    this.#timer = setInterval(() => this.#look(), BEAT_MS)
    this.#timer.unref()
  }

  async close(): Promise<void> {
    if (!this.#isOn) return
    this.#isOn = false
    clearInterval(this.#timer)
    this.#unsubscribe()
    await this.#busy
    await this.#deps.store.commit([{ del: nodeKey(this.#deps.node) }]).catch(() => {})
  }

  async list(): Promise<NodeStatus[]> {
    const { store, node, components } = this.#deps
    const found: NodeStatus[] = []
    for await (const [at, value] of store.scan(below('node'))) {
      const { pid, since, seen, components: known } = decodeRecord<NodeRecord>(value)
      const name = nameIn(at)
      const isOwn = name === node
      const isSilent = !isOwn && store.now() - seen > SILENT_MS
      const shown = isOwn ? components().map(({ status }) => status) : known
      const state = isSilent ? 'silent' : 'running'
      const isDrained = await this.#isDrained(name)
      found.push({ name, pid, since, seen, state, isOwn, isDrained, components: shown })
    }
    return found
  }

  async #isDrained(node: string): Promise<boolean> {
    const { store } = this.#deps
    for (const place of [node, EVERYWHERE]) if (await store.get(wantedKey(place, EVERYTHING))) return true
    return false
  }

  /** Records the wanted state of a component, or of EVERYTHING, on one server or on all. Throws IEMS_NODE_UNKNOWN. */
  async want(component: string, node: string | undefined, isStopped: boolean): Promise<void> {
    const { store, node: own } = this.#deps
    const place = node ?? own
    if (place !== EVERYWHERE && place !== own && !(await store.get(nodeKey(place))))
      throw new IemsError('IEMS_NODE_UNKNOWN', { node: place })
    if (component === EVERYTHING) await this.#forgetStarted(place)
    const started = startedName(component)
    if (isStopped) await store.commit([putWanted(place, component), { del: wantedKey(place, started) }])
    else if (place === EVERYWHERE) await this.#wantEverywhere(component)
    else {
      const isException = component !== EVERYTHING && (await this.#isDrained(place))
      const exception = isException ? [putWanted(place, started)] : []
      await store.commit([{ del: wantedKey(place, component) }, ...exception])
    }
    store.publish(TOPIC, undefined)
    await this.#look()
  }

  /** A drain, and its end, concern every component. */
  async #forgetStarted(place: string): Promise<void> {
    const { store } = this.#deps
    const gone: Uint8Array[] = []
    const all = place === EVERYWHERE ? below('wanted') : below('wanted', place)
    for await (const [at, value] of store.scan(all))
      if (decodeRecord<{ component: string }>(value).component.startsWith('+')) gone.push(at)
    await store.commit(gone.map((del) => ({ del })))
  }

  /** Started everywhere: no server is to keep it stopped. */
  async #wantEverywhere(component: string): Promise<void> {
    const { store } = this.#deps
    const gone: Uint8Array[] = []
    for await (const [at, value] of store.scan(below('wanted')))
      if (decodeRecord<{ component: string }>(value).component === component) gone.push(at)
    await store.commit(gone.map((del) => ({ del })))
  }

  /** Does what is wanted, and says what runs here. A store that is away is asked again at the next beat. */
  #look(): Promise<void> {
    this.#busy = this.#busy.then(async () => {
      if (!this.#isOn) return
      try {
        const wanted = await this.stopped()
        const isDrained = wanted.has(EVERYTHING)
        await this.#deps.drain(isDrained)
        const changes = this.#deps.components().map(async (component) => {
          const isWanted = component.isElsewhere || isHeldBy(wanted, component.name)
          if (isWanted !== isStill(component)) await this.#deps.apply(component, isWanted)
        })
        await Promise.all(changes)
        await this.#beat()
      } catch {
        // Those who use the store say what is wrong with it.
      }
    })
    return this.#busy
  }

  async #beat(): Promise<void> {
    const { store, node, since, components, reads } = this.#deps
    const shown = components().map(({ status }) => status)
    const record: NodeRecord = { v: 1, pid: process.pid, since, seen: store.now(), reads, components: shown }
    await store.commit([{ put: nodeKey(node), value: encodeRecord(record) }])
  }
}

/** The other servers that run on the store. */
async function* others(store: Store, own: string): AsyncGenerator<NodeRecord & { readonly name: string }> {
  for await (const [at, value] of store.scan(below('node'))) {
    const record = decodeRecord<NodeRecord>(value)
    const name = nameIn(at)
    if (name !== own && store.now() - record.seen <= SILENT_MS) yield { ...record, name }
  }
}

/** Throws IEMS_UPGRADE_MIXED while other servers run on a store whose records an upgrade would change. */
export async function requireAlone(store: Store, own: string, upgraded: readonly string[]): Promise<void> {
  for await (const { name } of others(store, own))
    throw new IemsError('IEMS_UPGRADE_MIXED', { node: name, what: upgraded.join(', ') })
}

/** Throws IEMS_NODES_DIFFER when a server that runs on the store cannot read something. */
export async function requireReaders(store: Store, own: string, features: readonly string[]): Promise<void> {
  for await (const { name, reads = [] } of others(store, own)) {
    const missing = features.filter((feature) => !reads.includes(feature))
    if (missing.length > 0)
      throw new IemsError('IEMS_NODES_DIFFER', { node: name, what: `blobs with: ${missing.join(', ')}` })
  }
}

const isStill = ({ status, isStopped }: Component) => isStopped || status.state === 'stopped'

const nameIn = (at: Uint8Array): string => String(unkey(at)[1])
