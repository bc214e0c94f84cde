/**
 * A server's extensions, from its reply to EHLO. Pure.
 */

export interface Features {
  readonly pipelining: boolean
  readonly starttls: boolean
  readonly eightBit: boolean
  readonly utf8: boolean
  readonly dsn: boolean
  readonly binary: boolean
  readonly requireTls: boolean
  readonly priority: boolean
  readonly size: boolean
  /** Maximum message size in octets, if the server announces one. */
  readonly sizeLimit: number
  /** SASL mechanisms, in upper case. */
  readonly auth: readonly string[]
  /** RFC 9422: maximum recipients per transaction, and transactions per connection. */
  readonly recipients: number
  readonly messages: number
}

/** The text of a positive reply to EHLO; its first line is a greeting. */
export function readFeatures(text: string): Features {
  const keywords = new Map<string, string>()
  for (const line of text.toUpperCase().split('\n').slice(1)) {
    const [, name = '', rest = ''] = /^([A-Z0-9-]+)(?:[ =](.*))?$/.exec(line.trim()) ?? []
    keywords.set(name, keywords.has(name) ? `${keywords.get(name)} ${rest}` : rest)
  }
  const limits = keywords.get('LIMITS') ?? ''
  return {
    pipelining: keywords.has('PIPELINING'),
    starttls: keywords.has('STARTTLS'),
    eightBit: keywords.has('8BITMIME'),
    utf8: keywords.has('SMTPUTF8'),
    dsn: keywords.has('DSN'),
    binary: keywords.has('BINARYMIME') && keywords.has('CHUNKING'),
    requireTls: keywords.has('REQUIRETLS'),
    priority: keywords.has('MT-PRIORITY'),
    size: keywords.has('SIZE'),
    sizeLimit: numberIn(keywords.get('SIZE') ?? '', /^(\d{1,15})$/),
    auth: (keywords.get('AUTH') ?? '').split(/[ =]+/).filter((word) => word !== ''),
    recipients: numberIn(limits, /\bRCPTMAX=(\d{1,9})/),
    messages: numberIn(limits, /\bMAILMAX=(\d{1,9})/),
  }
}

/** 0 means "no limit", as in SIZE (RFC 1870), and is the default. */
function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0) || Number.POSITIVE_INFINITY
}

/** For a server that does not support EHLO. */
export const NO_FEATURES = readFeatures('')
