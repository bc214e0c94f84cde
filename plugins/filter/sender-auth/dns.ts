/**
 * The questions that sender authentication asks of the resolver, in the form mailauth expects, and limited for each
 * message.
 *
 * What must stay true: "does not exist" and "could not be asked" stay two different errors; one message can neither
 * ask without end nor wait without end; no caller gets an object that another may change.
 */
import type { Dns } from 'iems'

export type RecordType = 'A' | 'AAAA' | 'CNAME' | 'MX' | 'PTR' | 'TXT'

/** As `resolve` of node:dns/promises: rejects with an error that has a `code`. */
export type Resolve = (name: string, type: RecordType) => Promise<readonly unknown[]>

/** An error as node:dns makes them. */
export class DnsError extends Error {
  readonly code: 'ENOTFOUND' | 'ENODATA' | 'ESERVFAIL' | 'ETIMEOUT'
  constructor(code: DnsError['code'], name: string) {
    super(`${code} ${name}`)
    this.code = code
  }
}

/** What one message may ask: so many questions, until the signal. What goes beyond ends as a timeout does. */
export function limitQuestions(dns: Dns, most: number, signal: AbortSignal): Resolve {
  let asked = 0
  return async (name, type) => {
    asked++
    if (asked > most) throw new DnsError('ETIMEOUT', name)
    const answer = await untilAborted(dns.ask(name, type), signal, () => new DnsError('ETIMEOUT', name))
    if (answer.kind === 'found') return structuredClone(answer.records)
    if (answer.kind === 'unavailable') throw new DnsError('ESERVFAIL', name)
    throw new DnsError(answer.isName ? 'ENODATA' : 'ENOTFOUND', name)
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal, error: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(error())
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
