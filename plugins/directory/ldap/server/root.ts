/**
 * The root DSE (RFC 4512 section 5.1) and the subschema (section 4.2).
 *
 * Invariants: everything announced here works, and nothing else is announced.
 */
import type { SaslMechanism } from 'iems'
import type { Shown } from './protocol/responses.ts'
import { describe } from './schema.ts'
import type { Selection } from './selection.ts'
import { SUBSCHEMA } from './subschema.ts'
import { SUBSCHEMA_DN } from './view.ts'

export const CONTROL = {
  paged: '1.2.840.113556.1.4.319',
  sort: '1.2.840.113556.1.4.473',
  sorted: '1.2.840.113556.1.4.474',
  /** draft-ietf-ldapext-ldapv3-vlv-09: virtual list views. */
  view: '2.16.840.1.113730.3.4.9',
  viewed: '2.16.840.1.113730.3.4.10',
  /** RFC 3296: without referrals it has no effect. */
  manageDsaIt: '2.16.840.1.113730.3.4.2',
} as const
/** Controls that requests may carry. */
export const REQUEST_CONTROLS: readonly string[] = [CONTROL.paged, CONTROL.sort, CONTROL.view, CONTROL.manageDsaIt]
export const EXTENSION = {
  startTls: '1.3.6.1.4.1.1466.20037',
  /** RFC 3062. */
  passwordModify: '1.3.6.1.4.1.4203.1.11.1',
  /** RFC 4532. */
  whoAmI: '1.3.6.1.4.1.4203.1.11.3',
} as const
/** RFC 3673: `+`. RFC 4529: `@class`. RFC 4526: (&) and (|). RFC 4525: increment. */
const FEATURES = ['1.3.6.1.4.1.4203.1.5.1', '1.3.6.1.4.1.4203.1.5.2', '1.3.6.1.4.1.4203.1.5.3', '1.3.6.1.1.14']

export interface RootFacts {
  readonly suffix: string
  readonly mayStartTls: boolean
  readonly mechanisms: readonly SaslMechanism[]
}

export type Special = ReadonlyMap<string, { readonly values: readonly string[]; readonly isOperational: boolean }>

/** The attributes of the root DSE. */
export function rootAttributes({ suffix, mayStartTls, mechanisms }: RootFacts): Special {
  const operational = (values: readonly string[]) => ({ values, isOperational: true })
  return new Map([
    ['objectClass', { values: ['top'], isOperational: false }],
    ['namingContexts', operational([suffix])],
    // Requested by Active Directory clients.
    ['defaultNamingContext', operational([suffix])],
    ['subschemaSubentry', operational([SUBSCHEMA_DN])],
    ['supportedLDAPVersion', operational(['3'])],
    ['supportedControl', operational(REQUEST_CONTROLS)],
    [
      'supportedExtension',
      operational([EXTENSION.whoAmI, EXTENSION.passwordModify, ...(mayStartTls ? [EXTENSION.startTls] : [])]),
    ],
    ['supportedFeatures', operational(FEATURES)],
    ['supportedSASLMechanisms', operational(mechanisms)],
    ['vendorName', operational(['IEMS'])],
  ])
}

export const SUBSCHEMA_ATTRIBUTES: Special = new Map([
  ['objectClass', { values: ['top', 'subentry', 'subschema', 'extensibleObject'], isOperational: false }],
  ['cn', { values: ['Subschema'], isOperational: false }],
  ['objectClasses', { values: SUBSCHEMA.objectclasses ?? [], isOperational: true }],
  ['attributeTypes', { values: SUBSCHEMA.attributetypes ?? [], isOperational: true }],
  ['matchingRules', { values: SUBSCHEMA.matchingrules ?? [], isOperational: true }],
  ['matchingRuleUse', { values: SUBSCHEMA.matchingruleuse ?? [], isOperational: true }],
  ['ldapSyntaxes', { values: SUBSCHEMA.ldapsyntaxes ?? [], isOperational: true }],
])

export function specialShown(special: Special, { user, operational, names }: Selection, typesOnly: boolean): Shown {
  return [...special]
    .filter(([name, { values, isOperational }]) => {
      const isAsked = names.has(describe(name)?.key ?? name.toLowerCase())
      return values.length > 0 && (isAsked || (isOperational ? operational : user))
    })
    .map(([name, { values }]) => [name, typesOnly ? [] : values])
}

/** Filters apply to these as to any entry. */
export const specialValues = (special: Special) =>
  new Map([...special].map(([name, { values }]) => [name.toLowerCase(), values]))
