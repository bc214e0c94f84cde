/**
 * Objects with patches of `set` applied.
 */
import { ObjectError } from './errors.ts'

/** An object with a patch applied: `keywords/$seen: true` sets below, `null` takes away (RFC 8620 section 5.3). */
export function patched(
  object: Readonly<Record<string, unknown>>,
  patch: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const result: Record<string, unknown> = { ...object }
  for (const [path, value] of Object.entries(patch)) {
    const [name = '', ...rest] = path.split('/').map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    if (name === '__proto__' || rest[0] === '__proto__') throw new ObjectError('invalidPatch', `no property ${path}`)
    if (rest.length === 0) {
      if (value === null) delete result[name]
      else result[name] = value
      continue
    }
    if (rest.length > 1) throw new ObjectError('invalidPatch', `the path ${path} is too deep`)
    const below = result[name]
    if (below !== undefined && (typeof below !== 'object' || below === null || Array.isArray(below)))
      throw new ObjectError('invalidPatch', `${name} is no object`)
    if (name in patch) throw new ObjectError('invalidPatch', `${path} lies below ${name}, which is set as a whole`)
    const copy: Record<string, unknown> = { ...(below as object | undefined) }
    if (value === null) delete copy[rest[0] as string]
    else copy[rest[0] as string] = value
    result[name] = copy
  }
  return result
}
