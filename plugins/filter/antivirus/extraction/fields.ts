/**
 * Header fields that determine how a MIME part is read, as far as mail programs agree.
 */

export interface PartFields {
  /** In lower case; `text/plain` if absent or absurd. */
  readonly type: string
  readonly boundary?: string
  /** In lower case; `7bit` if absent. */
  readonly encoding: string
  /** Whether any of its types is that of a fragment. */
  readonly isFragment: boolean
}

/** From unfolded fields: the first of each name, as in most programs. */
export function readFields(fields: readonly string[]): PartFields {
  const values = (name: string) =>
    fields.filter((field) => nameOf(field) === name).map((field) => field.slice(field.indexOf(':') + 1))
  const types = values('content-type')
  const given = (types[0] ?? '').slice(0, 10_000)
  const [type] = /^[\w.+-]+\/[\w.+-]+/.exec(bareType(given)) ?? ['text/plain']
  const [, quoted, plain] = /;\s*boundary(?:\*0)?\*?\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i.exec(given) ?? []
  const boundary = (quoted?.replace(/\\(.)/g, '$1') ?? plain)?.trimEnd()
  const [encoding] = /[\w-]+/.exec((values('content-transfer-encoding')[0] ?? '').slice(0, 200)) ?? ['7bit']
  return {
    type,
    ...(boundary === undefined || boundary === '' ? {} : { boundary }),
    encoding: encoding.toLowerCase(),
    isFragment: namesFragment(types),
  }
}

const nameOf = (field: string) => field.slice(0, field.indexOf(':')).trimEnd().toLowerCase()

/** Whether one of these values of Content-Type is `message/partial`, however it is spelt. */
export const namesFragment = (types: readonly string[]): boolean =>
  types.some((type) => /^"?message"?\/"?partial(?![\w.+-])/.test(bareType(type.slice(0, 10_000))))

/** In lower case, without comments (RFC 5322 section 3.2.2) and white space, up to its parameters. */
function bareType(text: string): string {
  let bare = ''
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const letter = text[at] as string
    if (letter === ';' && depth === 0) break
    if (letter === '\\' && depth > 0) at++
    else if (letter === '(') depth++
    else if (letter === ')' && depth > 0) depth--
    else if (depth === 0 && letter.trim() !== '' && letter !== '\0') bare += letter
  }
  return bare.toLowerCase()
}
