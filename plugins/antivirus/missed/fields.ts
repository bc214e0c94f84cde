/**
 * The few header fields that say how a MIME part is to be read, as far as mail programs agree.
 */

export interface PartFields {
  /** In lower case; `text/plain` if absent or absurd. */
  readonly type: string
  readonly boundary?: string
  /** In lower case; `7bit` if absent. */
  readonly encoding: string
}

/** From unfolded fields: the first of each name, as most programs take it. */
export function readFields(fields: readonly string[]): PartFields {
  const value = (name: string) =>
    fields.find((field) => field.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1)
  const given = (value('content-type') ?? '').slice(0, 10_000)
  const [type] = /^\s*[\w.+-]+\/[\w.+-]+/.exec(given) ?? ['text/plain']
  const [, quoted, plain] = /;\s*boundary(?:\*0)?\*?\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i.exec(given) ?? []
  const boundary = (quoted?.replace(/\\(.)/g, '$1') ?? plain)?.trimEnd()
  const [encoding] = /[\w-]+/.exec((value('content-transfer-encoding') ?? '').slice(0, 200)) ?? ['7bit']
  return {
    type: type.trim().toLowerCase(),
    ...(boundary === undefined || boundary === '' ? {} : { boundary }),
    encoding: encoding.toLowerCase(),
  }
}
