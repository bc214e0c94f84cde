/**
 * Encodes responses (RFC 4511).
 *
 * Invariants: each request except unbind and abandon gets one response of its own type.
 */
import { BerWriter, element, enumerated, integer, lengthOf, octetString, sequence, sizeOf, TAG } from './ber.ts'
import type { Control, Request } from './requests.ts'

/** RFC 4511 appendix A. */
const RESULT = {
  success: 0,
  operationsError: 1,
  protocolError: 2,
  timeLimitExceeded: 3,
  sizeLimitExceeded: 4,
  compareFalse: 5,
  compareTrue: 6,
  authMethodNotSupported: 7,
  strongerAuthRequired: 8,
  adminLimitExceeded: 11,
  unavailableCriticalExtension: 12,
  confidentialityRequired: 13,
  saslBindInProgress: 14,
  noSuchAttribute: 16,
  undefinedAttributeType: 17,
  inappropriateMatching: 18,
  constraintViolation: 19,
  attributeOrValueExists: 20,
  invalidAttributeSyntax: 21,
  noSuchObject: 32,
  invalidDnSyntax: 34,
  inappropriateAuthentication: 48,
  invalidCredentials: 49,
  insufficientAccessRights: 50,
  busy: 51,
  unavailable: 52,
  unwillingToPerform: 53,
  sortControlMissing: 60,
  offsetRangeError: 61,
  namingViolation: 64,
  objectClassViolation: 65,
  notAllowedOnNonLeaf: 66,
  notAllowedOnRdn: 67,
  entryAlreadyExists: 68,
  virtualListViewError: 76,
  other: 80,
} as const
export type ResultName = keyof typeof RESULT

export interface Result {
  readonly result: ResultName
  /** DN of the nearest existing ancestor. */
  readonly matched?: string
  /** For people. */
  readonly text?: string
  /** RFC 4511 section 4.2.2. */
  readonly saslCredentials?: Buffer
  /** For an extended operation. */
  readonly name?: string
  readonly value?: Buffer
  readonly controls?: readonly Control[]
}

export const SUCCESS: Result = { result: 'success' }

/** Ends an operation with a result. */
export class LdapError extends Error {
  readonly result: Result
  constructor(result: ResultName, text = '', matched = '') {
    super(`${result}: ${text}`)
    this.result = { result, text, matched }
  }
}

type Answered = Exclude<Request['kind'], 'unbind' | 'abandon'>
const TAGS: Readonly<Record<Answered, number>> = {
  bind: 0x61,
  search: 0x65,
  modify: 0x67,
  add: 0x69,
  delete: 0x6b,
  rename: 0x6d,
  compare: 0x6f,
  extended: 0x78,
}
/** Response types by request tag; undefined for requests without a response. */
export const ANSWERED: Readonly<Record<number, Answered>> = {
  96: 'bind',
  99: 'search',
  102: 'modify',
  104: 'add',
  74: 'delete',
  108: 'rename',
  110: 'compare',
  119: 'extended',
}

/** RFC 4511 section 4.1.1. */
export function ldapMessage(id: number, response: Buffer, controls: readonly Control[] = []): Buffer {
  if (controls.length === 0) return sequence(integer(id), response)
  const list = controls.map(({ type, isCritical, value }) =>
    sequence(
      octetString(type),
      ...(isCritical ? [element(TAG.boolean, Buffer.from([0xff]))] : []),
      ...(value ? [octetString(value)] : []),
    ),
  )
  return sequence(integer(id), response, element(0xa0, ...list))
}

export function resultMessage(id: number, kind: Answered, given: Result): Buffer {
  const { result, matched = '', text = '', saslCredentials, name, value, controls } = given
  const parts = [enumerated(RESULT[result]), octetString(matched), octetString(text)]
  if (saslCredentials) parts.push(octetString(saslCredentials, 0x87))
  if (name !== undefined) parts.push(octetString(name, 0x8a))
  if (value) parts.push(octetString(value, 0x8b))
  return ldapMessage(id, element(TAGS[kind], ...parts), controls)
}

export type Shown = readonly (readonly [type: string, values: readonly (string | Buffer)[]])[]

/** An entry without the id of the request. Lengths are counted first, so it is written once, into its own buffer. */
export function entryResponse(dn: string, attributes: Shown): Buffer {
  const sets = attributes.map(([, values]) => values.reduce((sum, value) => sum + sizeOf(lengthOf(value)), 0))
  const parts = attributes.map(([type], at) => sizeOf(lengthOf(type)) + sizeOf(sets[at] as number))
  const list = parts.reduce((sum, part) => sum + sizeOf(part), 0)
  const writer = new BerWriter(0x64, sizeOf(lengthOf(dn)) + sizeOf(list))
  writer.octetString(dn)
  writer.header(TAG.sequence, list)
  attributes.forEach(([type, values], at) => {
    writer.header(TAG.sequence, parts[at] as number)
    writer.octetString(type)
    writer.header(TAG.set, sets[at] as number)
    for (const value of values) writer.octetString(value)
  })
  return writer.whole
}

/** RFC 4511 section 4.4.1: the last message to a client. */
export const disconnection = (result: ResultName, text: string): Buffer =>
  resultMessage(0, 'extended', { result, text, name: '1.3.6.1.4.1.1466.20036' })

/** RFC 2696: the control's value in a response. */
export const pagedValue = (cookie: Buffer): Buffer => sequence(integer(0), octetString(cookie))
/** RFC 2891. */
export const sortedValue = (result: ResultName): Buffer => sequence(enumerated(RESULT[result]))
/** draft-ietf-ldapext-ldapv3-vlv-09 section 6.2. */
export const viewValue = (view: { position: number; count: number; result: ResultName }): Buffer =>
  sequence(integer(view.position), integer(view.count), enumerated(RESULT[view.result]))
