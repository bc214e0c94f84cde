/**
 * Identities (RFC 8621 section 6): one for each address that the account may send from. They come and go with the
 * directory; names, signatures and further addresses are the account's own.
 */
import { createHash } from 'node:crypto'
import * as z from 'zod'
import { type JmapCall, type JmapObject, type ObjectType, type Patch, SUBMISSION, type TypeChanges } from '../api.ts'
import { invalidProperties, MethodError, ObjectError } from '../errors.ts'
import type { MailDeps } from '../mail/deps.ts'
import { patched } from '../patched.ts'
import { IdentityRecords } from './records.ts'

const MAX_SIGNATURE = 100_000
const addresses = z
  .array(z.strictObject({ name: z.string().max(500).nullish(), email: z.string().max(500) }))
  .max(50)
  .nullable()
const settings = z.strictObject({
  name: z.string().max(500),
  replyTo: addresses,
  bcc: addresses,
  textSignature: z.string().max(MAX_SIGNATURE),
  htmlSignature: z.string().max(MAX_SIGNATURE),
})

export interface Identity extends JmapObject {
  readonly email: string
  readonly name: string
}

/** Stable while the address is the account's. */
const idOf = (address: string) =>
  `I${createHash('sha256').update(address.toLowerCase()).digest('base64url').slice(0, 20)}`

export class Identities {
  readonly #deps: Pick<MailDeps, 'accounts'>
  readonly #records: IdentityRecords

  constructor(deps: Pick<MailDeps, 'accounts' | 'store'>) {
    this.#deps = deps
    this.#records = new IdentityRecords(deps.store)
  }

  async list(account: string): Promise<readonly Identity[]> {
    const found = await this.#deps.accounts.byId(account)
    const all: Identity[] = []
    for (const email of found?.addresses ?? []) {
      const id = idOf(email)
      const set = await this.#records.get(account, id)
      all.push({
        id,
        name: found?.displayName ?? found?.name ?? '',
        email,
        replyTo: null,
        bcc: null,
        textSignature: '',
        htmlSignature: '',
        ...set,
        mayDelete: false,
      })
    }
    return all
  }

  async find(account: string, id: string): Promise<Identity> {
    const found = (await this.list(account)).find((one) => one.id === id)
    if (!found) throw new ObjectError('notFound')
    return found
  }

  async update(account: string, id: string, patch: Patch): Promise<null> {
    const { id: _, email, mayDelete, ...before } = await this.find(account, id)
    const read = settings.safeParse(patched({ ...before }, patch))
    if (!read.success)
      throw invalidProperties(
        read.error.issues.map(({ path }) => String(path[0])),
        read.error.issues[0]?.message,
      )
    await this.#records.put(account, id, () => read.data as never)
    return null
  }

  /** The state of the settings, and a digest of what the directory says. */
  async state(account: string): Promise<string> {
    return `${await this.#records.state(account)}-${await this.#directoryState(account)}`
  }

  /** Throws `cannotCalculateChanges` when the account's addresses or name have changed. */
  async changes(account: string, since: string, limit: number | undefined): Promise<TypeChanges> {
    const [settings = '', directory] = since.split('-')
    if (directory !== (await this.#directoryState(account))) throw new MethodError('cannotCalculateChanges')
    const { created, updated, newState, hasMoreChanges } = await this.#records.changes(account, settings, limit)
    return {
      created: [],
      updated: [...created, ...updated],
      destroyed: [],
      newState: `${newState}-${directory}`,
      hasMoreChanges,
    }
  }

  async #directoryState(account: string): Promise<string> {
    const { addresses, displayName, name } = (await this.#deps.accounts.byId(account)) ?? {}
    const facts = JSON.stringify([addresses, displayName, name])
    return createHash('sha256').update(facts).digest('hex').slice(0, 16)
  }
}

export function identityType(identities: Identities): ObjectType {
  const onlyOwn = (account: string, call: JmapCall) => account === call.own
  return {
    capability: SUBMISSION,
    properties: ['id', 'name', 'email', 'replyTo', 'bcc', 'textSignature', 'htmlSignature', 'mayDelete'],
    state: (account) => identities.state(account),
    changes: (account, since, limit) => identities.changes(account, since, limit),
    get: async ({ account, ids }, call) =>
      onlyOwn(account, call)
        ? (await identities.list(account)).filter(({ id }) => ids === undefined || ids.includes(id))
        : [],
    async create() {
      throw new ObjectError('forbidden', 'An administrator gives an account its addresses')
    },
    async update(account, id, patch, call) {
      if (!onlyOwn(account, call)) throw new ObjectError('forbidden')
      return identities.update(account, id, patch)
    },
    async destroy() {
      throw new ObjectError('forbidden', 'An administrator gives an account its addresses')
    },
  }
}
