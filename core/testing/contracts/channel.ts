/**
 * The contract of every channel that delivers, as tests: `channelContract('my channel', make)` in a test file registers
 * them. A plugin with `deliver` must pass them.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { KernelEvent } from '../../api/hooks.ts'
import type { TestKernel, TestKernelOptions } from '../kernel.ts'

/** A channel in a kernel of its own, and addresses that it serves. */
export interface ChannelUnderTest {
  readonly kernel: TestKernel
  /** Addresses by what becomes of mail for them, at every attempt. Promises about an absent kind are not asked. */
  readonly recipients: {
    readonly delivered?: readonly [string, string]
    readonly deferred?: string
    readonly failed?: string
  }
  /** The reverse-path of the messages. Default: `sender@contract.test`. */
  readonly sender?: string
  /** How many copies have arrived at an address whose mail is delivered. */
  arrived?(address: string): number | Promise<number>
  /** Makes deliveries wait for `release`. Absent: nothing outside the channel can make them wait. */
  hold?(): Held
}

export interface Held {
  /** Resolves when a delivery is waiting. */
  readonly begun: Promise<void>
  release(): void
}

/** Creates the channel's kernel with these options, and closes everything through `t.after`. */
export type MakeChannel = (
  t: TestContext,
  given: Pick<TestKernelOptions, 'store' | 'clock'>,
) => Promise<ChannelUnderTest>

type Recipients = ChannelUnderTest['recipients']

interface Promised {
  readonly name: string
  /** Required by the contract. */
  readonly needs: readonly (keyof Recipients | 'hold' | 'arrived')[]
  holds(under: ChannelUnderTest, again: (given: Parameters<MakeChannel>[1]) => Promise<ChannelUnderTest>): Promise<void>
}

const HOUR_MS = 3_600_000
/** Longer than any lease and than the first retries of the defaults. */
const LATER_MS = 6 * HOUR_MS
/** Real time for a kernel to end when it must end at once. */
const END_MS = 10_000

async function send({ kernel, sender = 'sender@contract.test' }: ChannelUnderTest, to: readonly string[]) {
  const { reply, id } = await kernel.submit({ from: sender, to, body: 'The contract of channels.' })
  assert.equal(reply.code, 250, 'the channel serves its recipients')
  return id as string
}

/** The statuses of an address, one for each attempt. */
function statusesOf(events: readonly KernelEvent[], message: string, address: string): string[] {
  return events
    .filter((event) => event.message === message && event.to === address && event.name.startsWith('delivery.'))
    .map(({ name }) => name.slice('delivery.'.length))
}

/** The recipients for which a message waits. */
async function waitingOf({ queue }: TestKernel, message: string): Promise<string[]> {
  const entries = await Array.fromAsync(queue.list({ message }))
  return entries.flatMap(({ recipients }) => recipients.map(({ address }) => address))
}

/** Begins to deliver a message that is held, so that the kernel can be stopped in the middle. */
async function beginHeld(under: ChannelUnderTest, address: string): Promise<{ held: Held; message: string }> {
  const held = under.hold?.() as Held
  const message = await send(under, [address])
  if (under.kernel.kernel.listeners.length === 0) under.kernel.kernel.run()
  await held.begun
  return { held, message }
}

const first = ({ delivered }: Recipients) => (delivered as readonly [string, string])[0]

const PROMISES: readonly Promised[] = [
  {
    name: 'delivered mail arrives once, and nothing waits any more',
    needs: ['delivered', 'arrived'],
    async holds(under) {
      const { kernel, recipients } = under
      const [one, two] = recipients.delivered as readonly [string, string]
      const message = await send(under, [one, two])
      await kernel.deliver()
      for (const address of [one, two]) {
        assert.deepEqual(statusesOf(kernel.events, message, address), ['delivered'])
        assert.equal(await under.arrived?.(address), 1)
      }
      assert.deepEqual(await waitingOf(kernel, message), [])
      await kernel.advance(LATER_MS)
      assert.equal(await under.arrived?.(one), 1)
    },
  },
  {
    name: 'deferred mail waits with a 4xx reply, and is tried again',
    needs: ['deferred'],
    async holds(under) {
      const { kernel, recipients } = under
      const address = recipients.deferred as string
      const message = await send(under, [address])
      await kernel.deliver()
      assert.deepEqual(statusesOf(kernel.events, message, address), ['deferred'])
      const [entry] = await Array.fromAsync(kernel.queue.list({ message }))
      assert.equal(entry?.attempt, 1)
      assert.match(entry?.recipients[0]?.enhanced ?? '', /^4\./)
      await kernel.advance(LATER_MS)
      assert.ok(statusesOf(kernel.events, message, address).length > 1, 'there is another attempt')
      assert.deepEqual(await waitingOf(kernel, message), [address])
    },
  },
  {
    name: 'failed mail ends at once with a 5xx reply, and the sender is to get a report',
    needs: ['failed'],
    async holds(under) {
      const { kernel, recipients } = under
      const address = recipients.failed as string
      const message = await send(under, [address])
      await kernel.deliver()
      assert.deepEqual(statusesOf(kernel.events, message, address), ['failed'])
      const failed = kernel.events.find((event) => event.name === 'delivery.failed')
      assert.match(String(failed?.enhanced), /^5\./)
      assert.deepEqual(await waitingOf(kernel, message), [])
      assert.ok(kernel.events.some(({ name }) => name === 'bounce.queued' || name === 'bounce.dropped'))
    },
  },
  {
    name: 'each recipient of a message has an outcome of its own, and only the deferred one is tried again',
    needs: ['delivered', 'deferred', 'arrived'],
    async holds(under) {
      const { kernel, recipients } = under
      const { deferred = '', failed } = recipients
      const [one, two] = recipients.delivered as readonly [string, string]
      const message = await send(under, [one, deferred, ...(failed === undefined ? [] : [failed]), two])
      await kernel.deliver()
      assert.deepEqual(await waitingOf(kernel, message), [deferred])
      await kernel.advance(LATER_MS)
      for (const address of [one, two]) {
        assert.deepEqual(statusesOf(kernel.events, message, address), ['delivered'])
        assert.equal(await under.arrived?.(address), 1)
      }
      if (failed !== undefined) assert.deepEqual(statusesOf(kernel.events, message, failed), ['failed'])
      assert.ok(statusesOf(kernel.events, message, deferred).length > 1)
    },
  },
  {
    name: 'a stopping server finishes the delivery under way',
    needs: ['delivered', 'arrived', 'hold'],
    async holds(under) {
      const address = first(under.recipients)
      const { held, message } = await beginHeld(under, address)
      const closed = under.kernel.close(AbortSignal.timeout(END_MS))
      held.release()
      await closed
      assert.deepEqual(statusesOf(under.kernel.events, message, address), ['delivered'])
      assert.equal(await under.arrived?.(address), 1)
    },
  },
  {
    name: 'a server that is stopped at once gives the delivery up, and the mail is not lost',
    needs: ['delivered', 'arrived', 'hold'],
    async holds(under, again) {
      const address = first(under.recipients)
      const { held, message } = await beginHeld(under, address)
      const isOver = await Promise.race([
        under.kernel.close(AbortSignal.abort()).then(() => true),
        new Promise<boolean>((resolve) => setTimeout(resolve, END_MS, false).unref()),
      ])
      held.release()
      assert.ok(isOver, 'deliver ends soon after its signal')
      const { store, clock } = under.kernel
      const next = await again({ store, clock })
      await next.kernel.advance(LATER_MS)
      assert.deepEqual(await waitingOf(next.kernel, message), [])
      const copies = [await under.arrived?.(address), await next.arrived?.(address)]
      assert.ok(copies.some(Boolean), 'the mail is there')
    },
  },
]

const has = (under: ChannelUnderTest, need: Promised['needs'][number]): boolean =>
  need === 'hold' || need === 'arrived' ? under[need] !== undefined : under.recipients[need] !== undefined

/** Registers a test for each promise. `options`: those of `test`, for example to skip them. */
export function channelContract(
  name: string,
  make: MakeChannel,
  options: { readonly skip?: boolean | string } = {},
): void {
  for (const promise of PROMISES)
    test(`${name}: ${promise.name}`, options, async (t) => {
      const under = await make(t, {})
      const missing = promise.needs.filter((need) => !has(under, need))
      if (missing.length > 0) return t.diagnostic(`not asked: the channel has no ${missing.join(', ')}`)
      await promise.holds(under, (given) => make(t, given))
    })
}
