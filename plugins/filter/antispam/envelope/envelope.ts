/**
 * Checks before the content: the client, its HELO, the sender's domain.
 *
 * Invariants: all queries run concurrently, and unanswered ones count nothing.
 */
import { type Dns, hostNameOf, type Session } from 'iems'
import type { DnsLists } from '../dns/lists.ts'
import { isInternal, plainAddress, registeredDomain } from '../dns/names.ts'
import type { Options } from '../options.ts'
import { maxOf, type Reason } from '../score.ts'
import { judgeHello } from './hello.ts'
import { domainOf, judgeSender } from './sender.ts'

export interface EnvelopeDeps {
  readonly config: Options
  readonly dns: Dns
  readonly lists: DnsLists
  readonly hostname: string
}

export type Envelope = ReturnType<typeof createEnvelope>

export function createEnvelope({ config, dns, lists, hostname }: EnvelopeDeps) {
  const ours = new Set([hostname, ...config.hello.names].map((name) => name.toLowerCase()))
  const isNameWanted = config.client.noName !== 0 || config.client.falseName !== 0 || lists.has('client-name')

  /** Reasons from the address alone. */
  async function ofClient(address: string): Promise<Reason[]> {
    const plain = plainAddress(address)
    const [listed, name] = await Promise.all([
      lists.ask('client', plain),
      isNameWanted && !isInternal(plain) ? hostNameOf(dns, plain) : ({ kind: 'unavailable' } as const),
    ])
    const own =
      name.kind === 'absent'
        ? [{ name: 'client-no-name', score: config.client.noName }]
        : name.kind === 'false'
          ? [{ name: 'client-false-name', score: config.client.falseName }]
          : []
    const byName = name.kind === 'confirmed' ? await lists.ask('client-name', registeredDomain(name.name)) : []
    return [...listed, ...own, ...byName]
  }

  async function ofHello(hello: string, address: string): Promise<Reason[]> {
    const domain = domainOf(`@${hello}`)
    const [found, listed] = await Promise.all([
      judgeHello(dns, { hello, address: plainAddress(address), ours }),
      domain === undefined ? [] : lists.ask('hello', registeredDomain(domain)),
    ])
    if (found === 'fine') return [...listed]
    const names = {
      notAName: 'hello-not-a-name',
      ours: 'hello-ours',
      unknown: 'hello-unknown',
      otherAddress: 'hello-other-address',
    }
    return [...listed, { name: names[found], score: config.hello[found] }]
  }

  async function ofSender(from: string): Promise<Reason[]> {
    const domain = domainOf(from)
    if (domain === undefined) return []
    const [found, listed] = await Promise.all([judgeSender(dns, domain), lists.ask('sender', registeredDomain(domain))])
    if (found === 'fine') return [...listed]
    return [...listed, { name: found === 'unknown' ? 'sender-unknown' : 'sender-no-mail', score: config.sender[found] }]
  }

  return {
    ofClient,
    async reasons({ remote, helo = '' }: Session, from: string): Promise<readonly Reason[]> {
      const all = await Promise.all([ofClient(remote.address), ofHello(helo, remote.address), ofSender(from)])
      return maxOf(all.flat()).filter(({ score }) => score !== 0)
    },
  }
}
