/**
 * Two servers that exchange batches over a link: folders, between which the test carries files as badly as it likes.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { accept, type ConfigInput, definePlugin, type Reply, type Settings, type Store, secret } from 'iems'
import { bsmtp } from 'iems/plugins/bsmtp'
import { createTestKernel, type TestClock, type TestKernel, testClock } from 'iems/testing'
import * as z from 'zod'
import { createSecret } from '../../plugins/smtp/bsmtp/identity.ts'
import { tempFolder } from './running-server.ts'

export type BsmtpOptions = NonNullable<Parameters<typeof bsmtp>[0]>
export type PartnerOptions = NonNullable<BsmtpOptions['partners']>[string]

/** A message that has reached a mailbox. */
export interface Arrived {
  readonly to: string
  readonly from: string
  readonly text: string
}

/** A channel for one domain that notes what arrives; local parts that begin with `no` are refused. */
export const mailboxes = (domain: string, arrived: Arrived[]) =>
  definePlugin({
    name: 'mailboxes',
    config: z.strictObject({}),
    accepts: 'anyone',
    setup: (_, { name }) => ({
      hooks: {
        route: ({ to }) => (to.address.endsWith(`@${domain}`) ? { channel: name, nexthop: domain } : undefined),
        rcpt: ({ to }) =>
          to.address.startsWith('no') && to.address.endsWith(`@${domain}`)
            ? {
                kind: 'refuse' as const,
                reply: { code: 550, enhanced: '5.1.1', text: 'No such mailbox' } satisfies Reply,
              }
            : undefined,
      },
      async deliver(delivery) {
        const chunks: Uint8Array[] = []
        for await (const chunk of delivery.open()) chunks.push(chunk)
        const text = Buffer.concat(chunks).toString('latin1')
        const reply = accept(250, '2.0.0', 'Ok')
        return delivery.recipients.map((recipient) => {
          arrived.push({ to: recipient.address, from: delivery.from, text })
          return { recipient, status: 'delivered' as const, reply }
        })
      },
    }),
  })({}, { concurrency: 50 })

export const HUB = createSecret()
export const SHIP = createSecret()

/** Secrets of the configuration come from the environment. */
process.env.IEMS_TEST_HUB = HUB.secret
process.env.IEMS_TEST_SHIP = SHIP.secret
const keyOf = { hub: 'IEMS_TEST_HUB', ship: 'IEMS_TEST_SHIP' } as const

export interface Side extends TestKernel {
  readonly arrived: readonly Arrived[]
  /** Where it writes, and where it reads. */
  readonly out: string
  readonly in: string
}

export interface SideOptions {
  readonly partner?: Partial<PartnerOptions>
  readonly options?: Partial<BsmtpOptions>
  readonly placement?: Settings
  /** Further channels. */
  readonly channels?: ConfigInput['channels']
  readonly store?: Store
  readonly expectsFaults?: boolean
}

const other = { hub: 'ship', ship: 'hub' } as const
const publicOf = { hub: HUB.publicText, ship: SHIP.publicText } as const

export async function startSide(
  t: TestContext,
  name: 'hub' | 'ship',
  { clock, folder, ...given }: SideOptions & { readonly clock: TestClock; readonly folder: string },
): Promise<Side> {
  const arrived: Arrived[] = []
  const peer = other[name]
  const [out, inward] = [join(folder, `from-${name}`), join(folder, `to-${name}`)]
  await mkdir(out, { recursive: true })
  await mkdir(inward, { recursive: true })
  const channel = bsmtp(
    {
      name,
      key: secret.env(keyOf[name]),
      settle: '0 s',
      look: '10 s',
      partners: {
        [peer]: {
          domains: [`${peer}.test`],
          key: publicOf[peer],
          to: { folder: out },
          ...given.partner,
          accept: { folder: inward, ...given.partner?.accept },
        },
      },
      ...given.options,
    },
    given.placement,
  )
  const kernel = await createTestKernel(t, {
    clock,
    hostname: `${name}.test`,
    channels: { [`box-${name}`]: mailboxes(`${name}.test`, arrived), bsmtp: channel, ...given.channels },
    ...(given.store ? { store: given.store } : {}),
    ...(given.expectsFaults ? { expectsFaults: true } : {}),
  })
  return Object.assign(kernel, { arrived, out, in: inward })
}

export async function startPair(t: TestContext, hub: SideOptions = {}, ship: SideOptions = {}) {
  const clock = testClock()
  const folder = await tempFolder(t)
  const pair = {
    clock,
    folder,
    hub: await startSide(t, 'hub', { ...hub, clock, folder }),
    ship: await startSide(t, 'ship', { ...ship, clock, folder }),
  }
  return pair
}

/** Waits until what the clock has set off on these servers is done: `bsmtp status` answers after that. */
export async function settle(clock: TestClock, sides: readonly TestKernel[]): Promise<void> {
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 20; i++) await turn()
    await clock.advance(0)
    for (const side of sides) await side.command('bsmtp status')
  }
}

/** Advances the common clock; whatever falls due on both sides is done. */
export async function pass(clock: TestClock, ms: number, sides: readonly TestKernel[], step = 60_000): Promise<void> {
  for (let left = ms; left > 0; left -= step) {
    await clock.advance(Math.min(step, left))
    await settle(clock, sides)
    for (const side of sides) await side.deliver()
    await settle(clock, sides)
  }
}

export interface Carried {
  readonly files: number
  readonly octets: number
}

/** What the link does to a file: the octets that arrive, once for each; none is a loss. */
export type Trouble = (octets: Buffer, name: string) => readonly Buffer[]

/** Carries every file that is ready from one folder into another. */
export async function carry(from: string, to: string, trouble: Trouble = (octets) => [octets]): Promise<Carried> {
  const carried = { files: 0, octets: 0 }
  for (const name of (await readdir(from)).filter((one) => !one.startsWith('.') && one !== 'refused').sort()) {
    const octets = await readFile(join(from, name))
    await rm(join(from, name))
    carried.files++
    carried.octets += octets.length
    for (const [index, copy] of trouble(octets, name).entries()) await writeFile(join(to, `${index}-${name}`), copy)
  }
  return carried
}

/** Lets time pass until something holds; fails after so many minutes of the clock. */
export async function until(
  { clock, hub, ship }: { readonly clock: TestClock; readonly hub: TestKernel; readonly ship: TestKernel },
  holds: () => boolean | Promise<boolean>,
  minutes = 600,
  each: () => Promise<unknown> = async () => {},
): Promise<void> {
  for (let minute = 0; minute < minutes; minute++) {
    await each()
    if (await holds()) return
    await pass(clock, 60_000, [hub, ship])
  }
  throw new Error(`still not so after ${minutes} minutes`)
}
