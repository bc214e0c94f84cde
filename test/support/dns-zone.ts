/**
 * DNS answers that a test knows beforehand, as a function like `resolve` of node:dns/promises.
 */
import type { DnsSource, RecordType } from 'iems/plugins/sender-auth'

/** `{ 'TXT a.test': ['v=spf1 -all'], 'A mx.a.test': 'SERVFAIL' }`; what is not there does not exist. */
export type Zone = Record<string, readonly unknown[] | 'SERVFAIL' | 'TIMEOUT' | 'NEVER'>

export interface ZoneSource {
  readonly dns: DnsSource
  readonly zone: Zone
  /** Every question, in order. */
  readonly asked: string[]
}

export function createZone(records: Zone): ZoneSource {
  const zone = { ...records }
  const asked: string[] = []
  const look = (type: RecordType, name: string) =>
    Object.entries(zone).find(([known]) => known.toLowerCase() === `${type} ${name}`.toLowerCase())?.[1]
  const dns = async (name: string, type: RecordType): Promise<readonly unknown[]> => {
    asked.push(`${type} ${name.toLowerCase()}`)
    const alias = look('CNAME', name)
    if (type !== 'CNAME' && Array.isArray(alias)) return dns(`${alias[0]}`, type)
    const found = look(type, name)
    if (found === 'NEVER') return new Promise(() => {})
    if (typeof found === 'string') throw failure(found === 'TIMEOUT' ? 'ETIMEOUT' : 'ESERVFAIL')
    if (found) return type === 'TXT' ? found.map((text) => (Array.isArray(text) ? text : [text])) : found
    const isName = Object.keys(zone).some((known) => known.split(' ')[1]?.toLowerCase() === name.toLowerCase())
    throw failure(isName ? 'ENODATA' : 'ENOTFOUND')
  }
  return { dns, zone, asked }
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code })
}
