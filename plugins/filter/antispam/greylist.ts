/**
 * Greylisting: who is not known shall come again, which mail servers do and most senders of spam do not.
 *
 * It runs at `check`, after sender-auth: only there it is known whether SPF or DMARC vouches for the sender, so that the
 * big ones, who come again from another address each time, need not wait. The price is content that is sent twice.
 * What must stay true: nobody waits who came again; the records are bounded, and where there is no room nobody waits.
 */
import { createHash } from 'node:crypto'
import { below, key, type ReadableMessage, type Store } from 'iems'
import { networkOf, plainAddress } from './dns/names.ts'
import { expiring } from './expiry.ts'
import type { Options } from './options.ts'

/** What is known of a client network, a sender and a recipient. */
interface Triplet {
  readonly first: number
  readonly last: number
  /** It came again. */
  readonly passed?: true
}

interface KnownClient {
  readonly passes: number
  readonly last: number
}

/** Recipients of one message that are looked at. */
const RECIPIENTS = 10
/** Within this time one more message changes no record. */
const FRESH_MS = 3_600_000
/** Ms for which a count of all records is believed. */
const COUNT_MS = 3_600_000

export interface GreylistDeps {
  readonly store: Store
  readonly now: () => number
  readonly options: Options['greylist']
}

export type Greylist = ReturnType<typeof createGreylist>

export function createGreylist({ store, now, options }: GreylistDeps) {
  /** Records as they were counted, and those made by this kernel since. */
  let counted: Promise<number> | undefined
  let countedAt = 0
  let made = 0
  async function scan(): Promise<number> {
    let found = 0
    for await (const _ of store.scan(below('grey'))) found++
    return found
  }
  /** Other kernels make records and sweep them too, so that they are counted again now and then. */
  const count = async () => {
    if (!counted || now() - countedAt > COUNT_MS) {
      countedAt = now()
      made = 0
      counted = scan()
      counted.catch(() => {
        counted = undefined
      })
    }
    return (await counted) + made
  }

  async function read<T>(at: ReturnType<typeof key>): Promise<T | undefined> {
    const value = await store.get(at)
    return value && (JSON.parse(Buffer.from(value).toString()) as T)
  }
  const encode = (value: Triplet | KnownClient) => Buffer.from(JSON.stringify(value))

  /** A network that has come again so often waits no more. */
  async function isKnown(network: string): Promise<boolean> {
    const at = key('grey', 'client', network)
    const known = await read<KnownClient>(at)
    if (!known || known.passes < options.clientAfter) return false
    if (now() - known.last > FRESH_MS) await store.commit(expiring(at, encode({ ...known, last: now() }), options.keep))
    return true
  }

  async function pass(network: string): Promise<void> {
    const at = key('grey', 'client', network)
    const known = await read<KnownClient>(at)
    if (!known) made++
    const passes = Math.min(options.clientAfter, (known?.passes ?? 0) + 1)
    await store.commit(expiring(at, encode({ passes, last: now() }), options.keep))
  }

  async function mustWait(network: string, sender: string, recipient: string): Promise<number> {
    const at = key(
      'grey',
      'triplet',
      createHash('sha256').update([network, sender, recipient].join('\0')).digest('base64url'),
    )
    const known = await read<Triplet>(at)
    if (!known && (await count()) >= options.records) return 0
    if (!known || (!known.passed && now() - known.last > options.retry)) {
      if (!known) made++
      await store.commit(expiring(at, encode({ first: now(), last: now() }), options.retry))
      return options.wait
    }
    if (!known.passed && now() - known.first < options.wait) return known.first + options.wait - now()
    if (!known.passed) await pass(network)
    if (!known.passed || now() - known.last > FRESH_MS)
      await store.commit(expiring(at, encode({ ...known, last: now(), passed: true }), options.keep))
    return 0
  }

  return {
    /** Ms until it may come again; 0 when it need not. */
    async wait({ session, from, recipients }: ReadableMessage): Promise<number> {
      const network = networkOf(plainAddress(session.remote.address), options)
      if (await isKnown(network)) return 0
      const sender = steady(from)
      const waits = await Promise.all(
        recipients.slice(0, RECIPIENTS).map(({ original }) => mustWait(network, sender, original.toLowerCase())),
      )
      return Math.max(0, ...waits)
    },
    count,
  }
}

/** A sender without what changes from message to message: details, numbers of bounces and lists. */
function steady(from: string): string {
  const at = from.lastIndexOf('@')
  const local = from.slice(0, at).toLowerCase()
  return `${local.replace(/[+=][\s\S]*/, '').replace(/[0-9a-f]+/g, (run) => (/\d/.test(run) ? '#' : run))}${from.slice(at).toLowerCase()}`
}
