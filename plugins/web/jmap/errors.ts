/**
 * JMAP's errors: for a whole request (RFC 8620 section 3.6.1), a method call (3.6.2), and one object of a set (5.3).
 */
import { HttpProblem } from '../http/api.ts'

/** Refuses one method call; the others go on. */
export class MethodError extends Error {
  readonly type: string
  readonly more: Readonly<Record<string, unknown>>
  constructor(type: string, description?: string, more: Readonly<Record<string, unknown>> = {}) {
    super(description ?? type)
    this.type = type
    this.more = { ...(description === undefined ? {} : { description }), ...more }
  }
}

/** Refuses one object of a set. */
export interface SetError {
  readonly type: string
  readonly description?: string
  readonly properties?: readonly string[]
  readonly [member: string]: unknown
}
export class ObjectError extends Error {
  readonly error: SetError
  constructor(type: string, description?: string, more: Readonly<Record<string, unknown>> = {}) {
    super(description ?? type)
    this.error = { type, ...(description === undefined ? {} : { description }), ...more }
  }
}
export const invalidProperties = (properties: readonly string[], description?: string) =>
  new ObjectError('invalidProperties', description, { properties })

/** Refuses the whole request. */
export const requestError = (type: string, detail: string, more: Readonly<Record<string, unknown>> = {}) =>
  new HttpProblem(400, detail, { type: `urn:ietf:params:jmap:error:${type}`, ...more })
