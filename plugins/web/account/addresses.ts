/**
 * Forwards and own addresses, as far as the administrator allows them.
 */
import * as z from 'zod'
import { isAddress, readAddress } from '../../directory/static/api.ts'
import type { DirectoryApi } from '../../directory/store/api.ts'
import { type HttpApi, HttpProblem } from '../http/api.ts'
import type { OwnAliases } from './aliases.ts'
import type { Options } from './options.ts'
import { allowed, ownId } from './own.ts'

export interface AddressDeps {
  readonly directory: DirectoryApi
  readonly aliases: OwnAliases
  readonly config: Options
}

const MAX_FORWARDS = 20
const address = z
  .string()
  .trim()
  .max(320)
  .refine((text) => isAddress(text) && !text.includes('*'), 'must be an address')
const domainOf = (text: string) => readAddress(text)?.domain ?? ''
const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

export function addAddressRoutes(http: HttpApi, deps: AddressDeps): void {
  if (deps.config.forwarding !== 'none') addForward(http, deps)
  if (deps.config.aliases.domains.length > 0) addAliases(http, deps)
}

function addForward(http: HttpApi, { directory, config }: AddressDeps): void {
  http.route({
    method: 'PUT',
    path: '/api/account/forward',
    who: 'user',
    fresh: true,
    summary: 'Sets where mail of the account is forwarded to; nowhere without addresses',
    body: z.strictObject({ to: z.array(address).max(MAX_FORWARDS), keep: z.boolean() }),
    async run({ login, body }) {
      const id = ownId(login)
      const account = await directory.byId(id)
      const own = account?.kind === 'account' ? account.addresses : []
      for (const to of body.to) {
        if (own.some((one) => same(one, to))) throw new HttpProblem(400, `${to} is an address of this account`)
        if (config.forwarding === 'own' && !(await directory.byName('domain', domainOf(to))))
          throw new HttpProblem(403, `Mail is forwarded only within this server, and ${to} is outside`)
      }
      const forward = body.to.length === 0 ? null : body
      const [changed] = await directory.change([{ set: id, to: { forward } }], login.identity.user)
      allowed(changed)
    },
  })
}

function addAliases(http: HttpApi, { directory, aliases, config }: AddressDeps): void {
  const domains = new Set(config.aliases.domains.map((domain) => domainOf(`x@${domain}`)))
  http.route({
    method: 'POST',
    path: '/api/account/addresses',
    who: 'user',
    fresh: true,
    summary: 'Takes a further address for the account',
    body: z.strictObject({ address }),
    async run({ login, body }) {
      const id = ownId(login)
      const own = await aliases.of(id)
      if (!domains.has(domainOf(body.address)))
        throw new HttpProblem(403, `Choose an address in ${[...domains].join(', ')}`)
      if (own.length >= config.aliases.max)
        throw new HttpProblem(403, `An account has at most ${config.aliases.max} addresses of its own choice`)
      const entry = await directory.byId(id)
      const addresses = entry?.kind === 'account' ? entry.addresses : []
      // Recorded first: an address without a record could not be given back.
      await aliases.set(id, [...own, body.address])
      const change = { set: id, to: { addresses: [...addresses, body.address] }, version: entry?.version ?? 0 }
      const [changed] = await directory.change([change], login.identity.user)
      if (changed && 'refused' in changed) await aliases.set(id, own)
      allowed(changed)
    },
  })
  http.route({
    method: 'DELETE',
    path: '/api/account/addresses/:address',
    who: 'user',
    fresh: true,
    summary: 'Gives back an address that the account has taken',
    params: z.object({ address: z.string().max(320) }),
    async run({ login, params }) {
      const id = ownId(login)
      const own = await aliases.of(id)
      if (!own.some((one) => same(one, params.address)))
        throw new HttpProblem(404, 'The account has not taken this address')
      const entry = await directory.byId(id)
      const addresses = entry?.kind === 'account' ? entry.addresses : []
      const left = addresses.filter((one) => !same(one, params.address))
      const [changed] = await directory.change(
        [{ set: id, to: { addresses: left }, version: entry?.version ?? 0 }],
        login.identity.user,
      )
      allowed(changed)
      await aliases.set(
        id,
        own.filter((one) => !same(one, params.address)),
      )
    },
  })
}
