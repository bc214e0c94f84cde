/** Patches of emails, applied as the server will (RFC 8620 section 5.3). */
import type { Json } from './client.ts'
import type { Email } from './objects.ts'

/** An email with a patch as `Email/set` has them: whole properties or `keywords/$seen`. */
export function patched(email: Email, patch: Json): Email {
  const next: Record<string, unknown> = { ...email }
  for (const [path, value] of Object.entries(patch)) {
    const [property = '', escaped] = path.split('/')
    const key = escaped?.replaceAll('~1', '/').replaceAll('~0', '~')
    if (key === undefined) next[property] = value
    else {
      const { [key]: _, ...others } = next[property] as Record<string, true>
      next[property] = value === null ? others : { ...others, [key]: true }
    }
  }
  return next as unknown as Email
}
