/**
 * Scripts as they are stored: by owner and name, and which one is active.
 *
 * An owner is an account (`account:ID`), a domain, a group or the server. Invariants: every stored script has compiled
 * when it was stored; the active name is that of a stored script.
 */
import { createHash, randomUUID } from 'node:crypto'
import {
  below,
  type Check,
  CONFLICT,
  decodeRecord,
  encodeRecord,
  key,
  type Op,
  type Store,
  transact,
  unkey,
} from 'iems'
import type { ScriptInfo, ScriptRefused } from './api.ts'
import type { Options } from './options.ts'

export interface StoredScript {
  readonly v: 1
  /** Stays through renames. Absent in scripts of earlier versions. */
  readonly id?: string
  readonly text: string
  /** Ms since 1970. */
  readonly modified: number
}

const encode = encodeRecord
const decode = decodeRecord

const scriptKey = (owner: string, name: string) => key('script', owner, name)
const activeKey = (owner: string) => key('active', owner)

/** Characters of a name (RFC 5804 section 1.6 asks for 128). */
export const MAX_NAME = 128
const NOT_IN_NAMES = /[\p{Cc}\u2028\u2029]/u

export const isName = (name: string) =>
  name !== '' && name.length <= MAX_NAME && name.isWellFormed() && !NOT_IN_NAMES.test(name)

const NONE: ScriptRefused = { refused: 'NONEXISTENT', why: 'There is no script by that name' }
/** Scripts without an id of their own have one by their name, until they are stored again. */
const idOf = (name: string, { id }: StoredScript) =>
  id ?? createHash('sha256').update(name).digest('base64url').slice(0, 22)

const BAD_NAME: ScriptRefused = { refused: 'NAME', why: 'A script cannot have that name' }

export interface ScriptsDeps {
  readonly store: Store
  readonly limits: Options['limits']
  now(): number
}

export class Scripts {
  readonly #store: Store
  readonly #limits: Options['limits']
  readonly #now: () => number

  constructor({ store, limits, now }: ScriptsDeps) {
    this.#store = store
    this.#limits = limits
    this.#now = now
  }

  async list(owner: string): Promise<readonly ScriptInfo[]> {
    const active = await this.active(owner)
    const found: ScriptInfo[] = []
    for await (const [at, value] of this.#store.scan(below('script', owner))) {
      const script = decode<StoredScript>(value)
      const { text, modified } = script
      const name = unkey(at)[2] as string
      found.push({ id: idOf(name, script), name, isActive: name === active, size: Buffer.byteLength(text), modified })
    }
    return found
  }

  async get(owner: string, name: string): Promise<string | undefined> {
    const value = isName(name) ? await this.#store.get(scriptKey(owner, name)) : undefined
    return value && decode<StoredScript>(value).text
  }

  async active(owner: string): Promise<string | undefined> {
    const value = await this.#store.get(activeKey(owner))
    return value && decode<string>(value)
  }

  async hasSpace(owner: string, name: string, octets: number): Promise<ScriptRefused | undefined> {
    if (!isName(name)) return BAD_NAME
    const { scriptSize, scripts, totalSize } = this.#limits
    if (octets > scriptSize) return { refused: 'QUOTA/MAXSIZE', why: `A script has at most ${scriptSize} octets` }
    const others = (await this.list(owner)).filter((one) => one.name !== name)
    if (others.length >= scripts) return { refused: 'QUOTA/MAXSCRIPTS', why: `There can be ${scripts} scripts` }
    const total = others.reduce((sum, { size }) => sum + size, octets)
    return total > totalSize ? { refused: 'QUOTA', why: `All scripts have at most ${totalSize} octets` } : undefined
  }

  async put(owner: string, name: string, text: string): Promise<ScriptRefused | undefined> {
    const refused = await this.hasSpace(owner, name, Buffer.byteLength(text))
    if (refused) return refused
    const before = await this.#store.get(scriptKey(owner, name))
    const id = before ? idOf(name, decode<StoredScript>(before)) : randomUUID()
    const record: StoredScript = { v: 1, id, text, modified: this.#now() }
    await this.#commit([{ put: scriptKey(owner, name), value: encode(record) }])
    return undefined
  }

  async activate(owner: string, name: string | null): Promise<ScriptRefused | undefined> {
    if (name === null) {
      await this.#commit([{ del: activeKey(owner) }])
      return undefined
    }
    if (!isName(name)) return NONE
    const is: Check = { key: scriptKey(owner, name), is: 'present' }
    return (await this.#store.commit([{ put: activeKey(owner), value: encode(name) }], [is])) ? undefined : NONE
  }

  async remove(owner: string, name: string): Promise<ScriptRefused | undefined> {
    return transact({ what: 'the active script' }, async () => {
      if ((await this.get(owner, name)) === undefined) return NONE
      const active = await this.#store.get(activeKey(owner))
      if (active && decode<string>(active) === name)
        return { refused: 'ACTIVE' as const, why: 'The active script cannot be deleted' }
      const unchanged: Check[] = active ? [{ key: activeKey(owner), is: active }] : []
      return (await this.#store.commit([{ del: scriptKey(owner, name) }], unchanged)) ? undefined : CONFLICT
    })
  }

  /** The active script stays active under its new name (RFC 5804 section 2.11.1). */
  async rename(owner: string, name: string, to: string): Promise<ScriptRefused | undefined> {
    if (!isName(to)) return BAD_NAME
    const value = isName(name) ? await this.#store.get(scriptKey(owner, name)) : undefined
    if (!value) return NONE
    const isActive = (await this.active(owner)) === name
    const script = decode<StoredScript>(value)
    const renamed = encode({ ...script, id: idOf(name, script) })
    const ops: Op[] = [{ put: scriptKey(owner, to), value: renamed }, { del: scriptKey(owner, name) }]
    if (isActive) ops.push({ put: activeKey(owner), value: encode(to) })
    const checks: Check[] = [
      { key: scriptKey(owner, name), is: value },
      { key: scriptKey(owner, to), is: 'absent' },
    ]
    if (await this.#store.commit(ops, checks)) return undefined
    return { refused: 'ALREADYEXISTS', why: 'There is a script by that name' }
  }

  async #commit(ops: readonly Op[]): Promise<void> {
    if (!(await this.#store.commit(ops))) throw new Error('the store did not take the change')
  }
}
