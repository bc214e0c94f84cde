/**
 * DNS queries of sender authentication, in the form that mailauth expects, limited per message.
 *
 * Invariants: "does not exist" and "unavailable" are different errors; number and time of a message's queries are
 * bounded; no caller gets an object that another may change.
 */
import type { Dns } from 'iems'

export type RecordType = 'A' | 'AAAA' | 'CNAME' | 'MX' | 'PTR' | 'TXT'

/** Like `resolve` of node:dns/promises: rejects with an error that has a `code`. */
export type Resolve = (name: string, type: RecordType) => Promise<readonly unknown[]>

/** An error as node:dns creates it. */
interface DnsError extends Error {
  readonly code: 'ENOTFOUND' | 'ENODATA' | 'ESERVFAIL' | 'ETIMEOUT'
}

/** Without a stack, which takes longer than the rest of an answer and says nothing. */
function dnsError(code: DnsError['code'], name: string): DnsError {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const error = new Error(`${code} ${name}`)
  Error.stackTraceLimit = stackTraceLimit
  return Object.assign(error, { code })
}

/** Limits a message's queries to a number, and to the time until the signal aborts. Further ones fail as timeouts. */
export function limitQuestions(dns: Dns, most: number, signal: AbortSignal): Resolve {
  let asked = 0
  return async (name, type) => {
    asked++
    if (asked > most) throw dnsError('ETIMEOUT', name)
    const answer = await untilAborted(dns.ask(name, type), signal, () => dnsError('ETIMEOUT', name))
    if (answer.kind === 'found') return answer.records.map(copyOf)
    if (answer.kind === 'unavailable') throw dnsError('ESERVFAIL', name)
    throw dnsError(answer.isName ? 'ENODATA' : 'ENOTFOUND', name)
  }
}

/**
 * Does work with a signal that aborts with the given one, or after `ms`. Unlike that of `AbortSignal.timeout`, the timer
 * ends with the work.
 */
export async function withDeadline<T>(
  signal: AbortSignal,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stopping = new AbortController()
  const stop = () => stopping.abort()
  const timer = setTimeout(stop, ms)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    return await work(stopping.signal)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}

/** A record is text, a list of texts, or an object of texts and numbers. */
function copyOf(record: unknown): unknown {
  if (Array.isArray(record)) return [...record]
  return typeof record === 'object' ? { ...record } : record
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal, error: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(error())
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
