/**
 * The resolver with a time limit per message: late answers count nothing.
 */
import type { Dns, DnsAnswer } from 'iems'

export function withTimeout(dns: Dns, timeoutMs: number): Dns {
  const within = async <T>(answer: Promise<DnsAnswer<T>>): Promise<DnsAnswer<T>> => {
    const { promise: late, resolve } = Promise.withResolvers<DnsAnswer<T>>()
    const timer = setTimeout(() => resolve({ kind: 'unavailable', why: 'timeout' }), timeoutMs)
    try {
      return await Promise.race([answer, late])
    } finally {
      clearTimeout(timer)
    }
  }
  return {
    ask: (...question) => within(dns.ask(...question)),
    host: (name) => within(dns.host(name)),
    get size() {
      return dns.size
    },
  }
}
