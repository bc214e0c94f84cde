/**
 * A card with a patch applied (RFC 8620 section 5.3), at any depth: `emails/e1/address`.
 */
import type { Patch } from '../api.ts'
import { ObjectError } from '../errors.ts'

const MAX_DEPTH = 10

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function patchedDeeply(object: Readonly<Record<string, unknown>>, patch: Patch): Record<string, unknown> {
  const result = structuredClone(object) as Record<string, unknown>
  for (const [path, value] of Object.entries(patch)) {
    requireApart(patch, path)
    set(result, path, value)
  }
  return result
}

/** Section 5.3: no path of a patch lies below another one. */
function requireApart(patch: Patch, path: string): void {
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1))
    if (Object.hasOwn(patch, path.slice(0, at)))
      throw new ObjectError('invalidPatch', `${path} lies below ${path.slice(0, at)}, which is set as a whole`)
}

function set(result: Record<string, unknown>, path: string, value: unknown): void {
  const steps = path.split('/').map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  const last = steps.pop() as string
  if (steps.length > MAX_DEPTH || [...steps, last].includes('__proto__'))
    throw new ObjectError('invalidPatch', `no property ${path}`)
  let target = result
  for (const step of steps) {
    const below = Object.hasOwn(target, step) ? target[step] : undefined
    if (!isObject(below)) throw new ObjectError('invalidPatch', `there is no ${step} to set a part of`)
    target = below
  }
  if (value === null) delete target[last]
  else target[last] = value
}
