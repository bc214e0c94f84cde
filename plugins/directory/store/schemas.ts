/**
 * Validates new entries and patches from the CLI, files, LDAP and the web; no other file does.
 *
 * Invariants: accepted values are bounded, have no control characters in single-line fields, and can be written as LDIF
 * and CSV.
 */
import { isPlainLine, network } from 'iems'
import * as z from 'zod'
import { isAddress, isDomain, isPasswordHash } from '../static/api.ts'
import { type EntryKind, SCOPES } from './api.ts'
import { foldPath } from './records.ts'

const VALUES = 1000
const VALUE_LENGTH = 65_536
const ATTRIBUTES = 200
const ADDRESSES = 500
const MEMBERS = 200_000
/** RFC 5321 section 4.5.3.1.3, with room for SMTPUTF8. */
const ADDRESS_LENGTH = 320

const CONTROLS = /\p{Cc}/u
const line = (most = 255) =>
  z
    .string()
    .min(1)
    .max(most)
    .refine((text) => !CONTROLS.test(text) && text.isWellFormed() && text.trim() === text, 'must be one plain line')

const identifier = (most?: number) => line(most).refine(isPlainLine, 'must have no characters that are not seen')
/** An address with wildcards in its local part; `*` is valid in an atom. */
const address = line(ADDRESS_LENGTH).refine(isAddress, 'must be an address (RFC 5321), such as ann@example.org')
const plainAddress = address.refine((text) => !text.includes('*'), 'must be an address without *')
const domain = line().refine(isDomain, 'must be a domain, such as example.org')
const match = line(ADDRESS_LENGTH).refine(
  (text) => text === '*' || isAddress(text) || isDomain(text.replace(/^\*\./, '')),
  'must be an address, a domain, *.domain or *',
)
const path = identifier(1000).refine((text) => foldPath(text) !== '', 'must be names divided by /')
const unit = z.string().max(4000)
/** Types in lower case; values as in RFC 4514. */
const rdn = line(1000).regex(/^[a-z][a-z0-9-]*=./, 'must be a name such as cn=Ann')
/** Name of an account or group, without characters that separate paths or lists. */
const name = identifier().refine((text) => !/[/,]/.test(text), 'must be without / and ,')
const attributes = z
  .record(
    z.string().regex(/^[a-z][a-z0-9;-]{0,63}$/, 'attribute names are lower case letters, digits and -'),
    z
      .array(
        z
          .string()
          .max(VALUE_LENGTH)
          .refine((text) => text.isWellFormed(), 'must be Unicode'),
      )
      .max(VALUES),
  )
  .refine((all) => Object.keys(all).length <= ATTRIBUTES, `must be at most ${ATTRIBUTES} attributes`)
const target = z.strictObject({ channel: line(), nexthop: line() })
const members = z
  .array(
    z.union([
      z.strictObject({ id: line() }),
      z.strictObject({ address: plainAddress }),
      z.strictObject({ path: z.string().max(8192) }),
      z.strictObject({ dn: z.string().max(8192) }),
    ]),
  )
  .max(MEMBERS)
const password = z
  .string()
  .min(1)
  .max(1024)
  .refine((text) => !/^(\$|\{)/.test(text) || isPasswordHash(text), 'looks like a hash of an unknown scheme')
  .nullable()

const FIELDS = {
  unit: { path, attributes },
  domain: { name: domain, aliasOf: domain, catchAll: plainAddress },
  account: {
    name,
    rdn,
    unit,
    addresses: z.array(plainAddress).max(ADDRESSES),
    displayName: line(1000),
    quota: z.int().min(0),
    status: z.enum(['active', 'suspended', 'disabled']),
    forward: z.strictObject({ to: z.array(plainAddress).min(1).max(ADDRESSES), keep: z.boolean() }),
    route: target,
    roles: z.array(line()).max(VALUES),
    mayRelay: z.boolean(),
    sendAs: z.array(z.union([z.literal('*'), address])).max(ADDRESSES),
    attributes,
    password,
  },
  group: {
    name,
    rdn,
    unit,
    addresses: z.array(plainAddress).max(ADDRESSES),
    senders: z.enum(['anyone', 'accounts', 'members']),
    attributes,
    members,
  },
  object: { rdn: rdn.or(z.literal('')), unit, attributes },
  alias: { match: address, targets: z.array(address).min(1).max(ADDRESSES) },
  route: { match, target },
} as const

/** Fields that may be removed. */
const OPTIONAL: readonly string[] = ['aliasOf', 'catchAll', 'displayName', 'quota', 'forward', 'route', 'rdn']
const NEEDED: Readonly<Record<EntryKind, readonly string[]>> = {
  unit: ['path'],
  domain: ['name'],
  account: ['name'],
  group: ['name'],
  object: ['rdn'],
  alias: ['match', 'targets'],
  route: ['match', 'target'],
}

function shapeOf(kind: EntryKind, isNew: boolean) {
  const fields = Object.entries(FIELDS[kind])
    .filter(([field]) => isNew || field !== 'members')
    .map(([field, shape]) => {
      if (isNew) return [field, NEEDED[kind].includes(field) ? shape : shape.optional()]
      return [field, (OPTIONAL.includes(field) ? shape.nullable() : shape).optional()]
    })
  return z.strictObject(Object.fromEntries(fields))
}

const KINDS = Object.keys(FIELDS) as EntryKind[]
const shapes = (isNew: boolean) =>
  Object.fromEntries(KINDS.map((kind) => [kind, shapeOf(kind, isNew)])) as Record<EntryKind, ReturnType<typeof shapeOf>>
const NEW = shapes(true)
const PATCH = shapes(false)

export type Read = { readonly fields: Readonly<Record<string, unknown>> } | { readonly why: string }

function read(shape: z.ZodType<object>, given: unknown): Read {
  const { success, data, error } = shape.safeParse(given)
  if (success) return { fields: data as Record<string, unknown> }
  const [issue] = error.issues
  return { why: `${issue?.path.join('.') || 'the entry'}: ${issue?.message}` }
}

export function readNew({ kind, ...given }: { readonly kind: EntryKind }): Read {
  return Object.hasOwn(NEW, kind) ? read(NEW[kind], given) : { why: `there is no kind ${kind}` }
}

export const readPatch = (kind: EntryKind, given: object): Read => read(PATCH[kind], given)

export const readMembers = (given: unknown): Read => read(z.object({ members }), { members: given })

const app = z.strictObject({
  name: line(),
  scopes: z.array(z.enum(SCOPES)).min(1),
  networks: z.array(network()).max(VALUES).optional(),
  expires: z.number().optional(),
})

export const readApp = (given: unknown): Read => read(app, given)
