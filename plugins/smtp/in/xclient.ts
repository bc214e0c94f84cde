/**
 * XCLIENT as defined by Postfix: a trusted proxy names the client it acts for. Pure: argument in, facts out.
 */
import { isIP, isIPv6 } from 'node:net'
import { decodeXtext } from './parameters.ts'

export interface Attributes {
  readonly address?: string
  readonly port?: number
  /** Null when the client has none. */
  readonly name?: string | null
  readonly helo?: string
  readonly login?: string
  readonly protocol?: 'SMTP' | 'ESMTP'
  readonly localAddress?: string
  readonly localPort?: number
}

export const ATTRIBUTES = 'NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT'

const UNKNOWN = /^\[(?:UNAVAILABLE|TEMPUNAVAIL)\]$/i

/** The attributes that have a value; undefined when one is malformed. */
export function readXclient(argument: string): Attributes | undefined {
  const found: Record<string, string | number | null> = {}
  if (argument === '') return undefined
  for (const part of argument.split(/ +/)) {
    const [, name = '', text = ''] = /^([A-Z]+)=(.+)$/i.exec(part) ?? []
    const value = decodeXtext(text)
    if (!value || !ATTRIBUTES.split(' ').includes(name.toUpperCase())) return undefined
    if (/^NAME=\[UNAVAILABLE\]$/i.test(part)) found.name = null
    if (UNKNOWN.test(value)) continue
    const entry = readAttribute(name.toUpperCase(), value)
    if (!entry) return undefined
    found[entry[0]] = entry[1]
  }
  return found
}

function readAttribute(name: string, value: string): [keyof Attributes, string | number] | undefined {
  switch (name) {
    case 'ADDR':
    case 'DESTADDR': {
      const address = value.replace(/^ipv6:/i, '')
      if (!isIP(address) || (/^ipv6:/i.test(value) && !isIPv6(address))) return undefined
      return [name === 'ADDR' ? 'address' : 'localAddress', address]
    }
    case 'PORT':
    case 'DESTPORT':
      return /^\d{1,5}$/.test(value) ? [name === 'PORT' ? 'port' : 'localPort', Number(value)] : undefined
    case 'PROTO':
      return /^E?SMTP$/i.test(value) ? ['protocol', value.toUpperCase()] : undefined
    case 'NAME':
      return /^[\w.-]{1,255}$/.test(value) ? ['name', value] : undefined
    case 'HELO':
      return value.length <= 255 ? ['helo', value] : undefined
    default:
      return ['login', value]
  }
}
