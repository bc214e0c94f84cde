/**
 * Sieve scripts over JMAP (RFC 9661).
 *
 * Invariants: `isActive` changes only through the arguments of SieveScript/set, and only when the whole set succeeds; a
 * blob id names one content, so that it is unknown once the script has another.
 */
import { createHash, randomUUID } from 'node:crypto'
import * as z from 'zod'
import {
  type Filter,
  type JmapApi,
  type JmapCall,
  type JmapObject,
  MethodError,
  ObjectError,
  type ObjectType,
  type Patch,
  patched,
  type Query,
} from '../../../web/jmap/api.ts'
import { isScriptRefused, type MailsortApi, type ScriptInfo, type ScriptRefused } from '../api.ts'

const SIEVE = 'urn:ietf:params:jmap:sieve'
/** The letter of the blob ids of scripts. */
const BLOBS = 'S'
const HASH_LENGTH = 22

const condition = z.strictObject({ name: z.string().max(500).optional(), isActive: z.boolean().optional() })
type Condition = z.output<typeof condition>

const ERRORS: Readonly<Partial<Record<ScriptRefused['refused'], string>>> = {
  INVALID: 'invalidSieve',
  ACTIVE: 'sieveIsActive',
  ALREADYEXISTS: 'alreadyExists',
  NONEXISTENT: 'notFound',
  'QUOTA/MAXSIZE': 'tooLarge',
  NAME: 'invalidProperties',
}

function refuse({ refused, why }: ScriptRefused): ObjectError {
  return new ObjectError(ERRORS[refused] ?? 'overQuota', why, refused === 'NAME' ? { properties: ['name'] } : {})
}

const hashOf = (text: string) => createHash('sha256').update(text).digest('base64url').slice(0, HASH_LENGTH)
const contentId = (id: string, text: string) => `${id}-${hashOf(text)}`

export function addSieveScripts(jmap: JmapApi, sort: MailsortApi): void {
  jmap.capability(SIEVE, {
    session: { implementation: 'IEMS' },
    account: (account, own) =>
      account === own
        ? {
            maxSizeScriptName: sort.maxName,
            maxSizeScript: sort.maxScriptSize,
            maxNumberScripts: sort.maxScripts,
            maxNumberRedirects: sort.maxRedirects,
            sieveExtensions: sort.extensions,
            notificationMethods: sort.notify,
            externalLists: sort.lists,
          }
        : undefined,
  })
  jmap.blobs(BLOBS, async (account, id, call) => {
    if (account !== call.own) return undefined
    for (const one of await sort.list(account)) {
      const text = id.startsWith(`${one.id}-`) ? await sort.get(account, one.name) : undefined
      if (text !== undefined && contentId(one.id, text) === id) return blobOf(Buffer.from(text))
    }
    return undefined
  })
  jmap.objects('SieveScript', scriptType({ jmap, sort }))
  jmap.method('SieveScript/validate', {
    capability: SIEVE,
    arguments: z.strictObject({ accountId: z.string().max(255), blobId: z.string().max(256) }),
    async run({ accountId, blobId }, call) {
      if (accountId !== call.own) throw new MethodError('accountNotFound')
      try {
        const checked = await sort.check(accountId, await textOf({ jmap, sort }, { account: accountId, call }, blobId))
        return { accountId, error: isScriptRefused(checked) ? refuse(checked).error : null }
      } catch (cause) {
        if (!(cause instanceof ObjectError)) throw cause
        if (cause.error.type === 'blobNotFound') throw new MethodError('blobNotFound')
        return { accountId, error: cause.error }
      }
    },
  })
}

interface Deps {
  readonly jmap: JmapApi
  readonly sort: MailsortApi
}

interface Target {
  readonly account: string
  readonly call: JmapCall
}

function scriptType(deps: Deps): ObjectType<Condition> {
  const { sort } = deps
  return {
    capability: SIEVE,
    properties: ['id', 'name', 'blobId', 'isActive'],
    state: async (account, call) =>
      account === call.own ? hashOf(JSON.stringify(await sort.list(account))) : hashOf(''),
    async get({ account, ids }, call) {
      if (account !== call.own) return []
      const found: JmapObject[] = []
      for (const { id, name, isActive } of await sort.list(account)) {
        if (ids !== undefined && !ids.includes(id)) continue
        const text = (await sort.get(account, name)) ?? ''
        found.push({ id, name, blobId: `${BLOBS}${contentId(id, text)}`, isActive })
      }
      return found
    },
    filter: condition,
    sorts: ['name', 'isActive'],
    query: (query) => queryScripts(sort, query),
    create: (account, given, call) => createScript(deps, { account, call }, given),
    update: (account, id, patch, call) => updateScript(deps, { account, call }, { id, patch }),
    async destroy(account, id, call) {
      const refused = await sort.remove(account, (await findScript(sort, { account, call }, id)).name)
      if (refused) throw refuse(refused)
    },
    setArguments: z.strictObject({
      onSuccessActivateScript: z.string().max(256).nullish(),
      onSuccessDeactivateScript: z.boolean().nullish(),
    }),
    finish: (account, _, more, call) => activate(sort, { account, call, more }),
  }
}

async function findScript(sort: MailsortApi, { account, call }: Target, id: string): Promise<ScriptInfo> {
  const found = account === call.own ? (await sort.list(account)).find((one) => one.id === id) : undefined
  if (!found) throw new ObjectError('notFound')
  return found
}

async function queryScripts(sort: MailsortApi, { account, filter, sort: order, call }: Query<Condition>) {
  if (account !== call.own) return []
  const compare = (a: ScriptInfo, b: ScriptInfo): number => {
    for (const { property, isAscending } of order) {
      const compared =
        property === 'name' ? a.name.localeCompare(b.name, 'en') : Number(a.isActive) - Number(b.isActive)
      if (compared !== 0) return isAscending ? compared : -compared
    }
    return 0
  }
  return (await sort.list(account))
    .filter((one) => !filter || fits(one, filter))
    .sort(compare)
    .map(({ id }) => id)
}

async function createScript({ jmap, sort }: Deps, { account, call }: Target, given: Patch): Promise<JmapObject> {
  if (account !== call.own) throw new ObjectError('forbidden')
  const { name, blobId } = readScript(given)
  const taken = (await sort.list(account)).find((one) => one.name === name)
  if (taken) throw new ObjectError('alreadyExists', 'A script has this name', { existingId: taken.id })
  const text = await textOf({ jmap, sort }, { account, call }, blobId)
  const used = name ?? randomUUID()
  const made = await sort.put(account, used, text)
  if (isScriptRefused(made)) throw refuse(made)
  const id = (await sort.list(account)).find((one) => one.name === used)?.id as string
  return {
    id,
    ...(name === null ? { name: used } : {}),
    blobId: `${BLOBS}${contentId(id, text)}`,
    isActive: false,
  }
}

async function updateScript(
  deps: Deps,
  { account, call }: Target,
  { id, patch }: { readonly id: string; readonly patch: Patch },
): Promise<Patch | null> {
  const { sort } = deps
  const { name, isActive } = await findScript(sort, { account, call }, id)
  const wanted = readScript(patched({ name, blobId: '' }, patch), { id, isActive })
  // A script whose content is refused keeps its name too.
  const text = wanted.blobId === '' ? undefined : await textOf(deps, { account, call }, wanted.blobId)
  const checked = text === undefined ? undefined : await sort.check(account, text)
  if (isScriptRefused(checked)) throw refuse(checked)
  const used = wanted.name ?? name
  const refused = used === name ? undefined : await sort.rename(account, name, used)
  if (refused) throw refuse(refused)
  if (text === undefined) return null
  const made = await sort.put(account, used, text)
  if (isScriptRefused(made)) throw refuse(made)
  return { blobId: `${BLOBS}${contentId(id, text)}` }
}

/** Deactivates first; an id that does not exist is ignored (RFC 9661 section 2.4). */
async function activate(
  sort: MailsortApi,
  { account, call, more }: { readonly account: string; readonly call: JmapCall; readonly more: Patch },
): Promise<Readonly<Record<string, Patch>>> {
  const { onSuccessActivateScript: given, onSuccessDeactivateScript: mayEnd } = more as {
    onSuccessActivateScript?: string | null
    onSuccessDeactivateScript?: boolean | null
  }
  if (account !== call.own) return {}
  const all = await sort.list(account)
  const id = given?.startsWith('#') ? call.createdIds.get(given.slice(1)) : given
  const next = all.find((one) => one.id === id)
  const before = all.find(({ isActive }) => isActive)
  if (!next && !mayEnd) return {}
  if (next === before) return {}
  const refused = await sort.activate(account, next?.name ?? null)
  if (refused) return {}
  return {
    ...(before ? { [before.id]: { isActive: false } } : {}),
    ...(next ? { [next.id]: { isActive: true } } : {}),
  }
}

const newScript = z.strictObject({ name: z.string().min(1).max(1000).nullable().default(null), blobId: z.string() })

function readScript(given: unknown, fixed: Patch = {}): z.output<typeof newScript> {
  const rest = Object.fromEntries(
    Object.entries(given as Patch).filter(([name, value]) => !(name in fixed) || fixed[name] !== value),
  )
  const read = newScript.safeParse(rest)
  if (read.success) return read.data
  const properties = read.error.issues.map(({ path, ...issue }) =>
    String(path[0] ?? (issue as { keys?: string[] }).keys?.[0] ?? ''),
  )
  throw new ObjectError('invalidProperties', read.error.issues[0]?.message, { properties: [...new Set(properties)] })
}

const fits = (one: ScriptInfo, filter: Filter<Condition>): boolean => {
  if ('operator' in filter) {
    const { operator, conditions } = filter
    if (operator === 'AND') return conditions.every((inner) => fits(one, inner))
    const isAny = conditions.some((inner) => fits(one, inner))
    return operator === 'OR' ? isAny : !isAny
  }
  const { name, isActive } = filter as Condition
  return (
    (name === undefined || one.name.toLowerCase().includes(name.toLowerCase())) &&
    (isActive === undefined || one.isActive === isActive)
  )
}

const blobOf = (content: Buffer) => ({
  size: content.length,
  async *open({ start, end } = { start: 0, end: content.length }) {
    yield content.subarray(start, end)
  },
})

/** Throws `blobNotFound`, `tooLarge` and `invalidSieve`. */
async function textOf({ jmap, sort }: Deps, { account, call }: Target, given: string): Promise<string> {
  const blobId = given.startsWith('#') ? (call.createdIds.get(given.slice(1)) ?? given) : given
  const blob = await jmap.openBlob(account, blobId, call)
  if (!blob) throw new ObjectError('blobNotFound')
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of blob.open()) {
    size += chunk.length
    if (size > sort.maxScriptSize) throw new ObjectError('tooLarge')
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new ObjectError('invalidSieve', 'A script is UTF-8')
  }
}
