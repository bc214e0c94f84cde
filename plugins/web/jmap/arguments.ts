/**
 * Arguments that the standard methods share.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import * as z from 'zod'
import type { JmapCall } from './api.ts'
import { MethodError } from './errors.ts'

/** RFC 8620 section 1.2. */
export const idSchema = z.string().regex(/^[A-Za-z0-9_-]{1,255}$/)

/** Fails with `accountNotFound` for an account that the login does not see. */
export async function requireAccount(id: string, call: JmapCall): Promise<void> {
  if (!(await call.mayUse(id))) throw new MethodError('accountNotFound')
}

/** A type's additional arguments; unknown names are refused. */
export async function ownArguments(
  schema: StandardSchemaV1 | undefined,
  given: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> {
  const result = await (schema ?? z.strictObject({}))['~standard'].validate(given)
  if (!result.issues) return result.value as Record<string, unknown>
  const [{ message, path = [] } = { message: 'wrong' }] = result.issues
  throw new MethodError('invalidArguments', `${path.map(String).join('/')}: ${message}`)
}
