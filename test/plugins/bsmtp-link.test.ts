/**
 * Two servers on a bad link: 9,600 baud, 700 ms, one hour a day, files cut at any octet, lost, repeated, out of order.
 * IEMS_TEST_LONG sends 10,000 messages instead of 150.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { pass, startPair } from '../support/bsmtp.ts'

const MINUTE = 60_000
/** 9,600 baud with a start and a stop bit. */
const OCTETS_A_SECOND = 960
const DELAY_MS = 700
const MESSAGES = process.env.IEMS_TEST_LONG ? 10_000 : 150

/** Numbers from 0 to 1, the same in every run (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** English words, the frequent ones often. */
function writer(random: () => number): () => string {
  const pages = globSync('docs/*.md', { cwd: resolve(import.meta.dirname, '../..') })
  const text = pages.map((page) => readFileSync(resolve(import.meta.dirname, '../..', page), 'utf8')).join(' ')
  const counts = new Map<string, number>()
  for (const word of text.match(/[A-Za-z]{2,}/g) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1)
  const words = [...counts].sort(([, a], [, b]) => b - a).map(([word]) => word)
  const next = () => words[Math.floor(words.length ** random()) - 1] ?? 'the'
  return () => {
    const lines: string[] = []
    for (let left = 20 + Math.floor(random() * 40); left > 0; left--) {
      let line = next()
      while (line.length < 65) line += ` ${next()}`
      lines.push(line)
    }
    return lines.join('\r\n')
  }
}

/** One direction of the link. What is written into one folder comes out of it in the other, or does not. */
class Direction {
  octets = 0
  readonly #from: string
  readonly #to: string
  readonly #random: () => number
  #queue: { name: string; octets: Buffer; left: number }[] = []
  #delivered = 0

  constructor(from: string, to: string, random: () => number) {
    this.#from = from
    this.#to = to
    this.#random = random
  }

  async collect(): Promise<void> {
    for (const name of (await readdir(this.#from)).filter((one) => !one.startsWith('.'))) {
      const octets = await readFile(join(this.#from, name))
      await rm(join(this.#from, name))
      this.#queue.push({ name, octets, left: octets.length })
      // Out of order: now and then a file overtakes another.
      const last = this.#queue.length - 1
      if (this.#random() < 0.2 && last > 1) this.#queue.splice(last - 1, 0, ...this.#queue.splice(last))
    }
  }

  async run(ms: number): Promise<void> {
    let budget = Math.floor((OCTETS_A_SECOND * (ms - DELAY_MS)) / 1000)
    for (let first = this.#queue[0]; first && budget > 0; first = this.#queue[0]) {
      const sent = Math.min(budget, first.left)
      budget -= sent
      first.left -= sent
      this.octets += sent
      if (first.left > 0) return
      this.#queue.shift()
      await this.#arrive(first.octets)
    }
  }

  async #arrive(octets: Buffer): Promise<void> {
    const luck = this.#random()
    if (luck < 0.03) return
    const cut = luck < 0.06 ? Math.floor(this.#random() * octets.length) : octets.length
    const times = luck > 0.95 ? 2 : 1
    for (let copy = 0; copy < times; copy++)
      await writeFile(join(this.#to, `${this.#delivered++}.part`), octets.subarray(0, cut))
  }

  /** The link goes down: what was on its way arrives as a beginning, which is no more than nothing. */
  cut(): void {
    const [first] = this.#queue
    if (first && first.left < first.octets.length) this.#queue.shift()
  }
}

test('no message is lost, none comes twice, and the link carries a third of what SMTP would', async (t) => {
  const random = numbers(22)
  // Of its own, so that other texts do not bring other losses.
  const luck = numbers(23)
  const write = writer(random)
  const partner = {
    gather: { messages: 1000, size: '10 MB', wait: '10 min' },
    partSize: '20 kB',
    resend: '25 h',
    acknowledge: '2 min',
    outstanding: 3,
    level: 19,
  }
  const side = { partner, options: { look: '1 min' }, placement: { retry: { for: '60 days', warnAfter: '0 s' } } }
  const pair = await startPair(t, side, side)
  const { hub, ship, clock } = pair
  const there = new Direction(hub.out, ship.in, luck)
  const back = new Direction(ship.out, hub.in, luck)
  let plain = 0
  const expected = new Map<string, string>()
  for (let one = 0; one < MESSAGES; one++) {
    const [from, to, kernel] = one % 10 === 0 ? (['ship', 'hub', ship] as const) : (['hub', 'ship', hub] as const)
    const [sender, recipient] = [`user${one % 97}@${from}.test`, `user${one % 53}@${to}.test`]
    const body = `Message ${one}\r\n\r\n${write()}`
    const fields = [
      `From: User ${one % 97} <${sender}>`,
      `To: User ${one % 53} <${recipient}>`,
      `Subject: ${write().slice(0, 30)}`,
      `Date: ${new Date(clock.now()).toUTCString().replace('GMT', '+0000')}`,
      `Message-ID: <${one}.${Math.floor(random() * 1e12)}@${from}.test>`,
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
    ]
    const { queued } = await kernel.submit({
      from: sender,
      to: [recipient],
      content: `${fields.join('\r\n')}\r\n\r\n${body}\r\n`,
    })
    expected.set(`Message ${one}`, recipient)
    plain += smtpOctets(sender, recipient, queued[0]?.size ?? 0)
    if (one % 200 === 199) await Promise.all([hub.deliver(), ship.deliver()])
  }
  await Promise.all([hub.deliver(), ship.deliver()])
  let online = 0
  const isDone = async () => (await hub.queue.count()) + (await ship.queue.count()) === 0
  for (let day = 0; day < 60 && !(await isDone()); day++) {
    for (let minute = 0; minute < 60; minute++) {
      await there.collect()
      await back.collect()
      await there.run(MINUTE)
      await back.run(MINUTE)
      online += MINUTE
      await pass(clock, MINUTE, [hub, ship])
      if (minute % 5 === 4 && (await isDone())) break
    }
    there.cut()
    back.cut()
    await pass(clock, 23 * 60 * MINUTE, [hub, ship], 120 * MINUTE)
  }
  assert.ok(await isDone(), 'the queues did not drain')
  const arrived = [...hub.arrived, ...ship.arrived].map(({ to, text }) => [/\r\n(Message \d+)\r\n/.exec(text)?.[1], to])
  assert.deepEqual(arrived.sort(), [...expected].sort())
  const octets = there.octets + back.octets
  const hours = (ms: number) => (ms / 3_600_000).toFixed(1)
  t.diagnostic(
    `${MESSAGES} messages: ${octets} octets on the link, SMTP ${plain} (${((100 * octets) / plain).toFixed(0)} %); drained in ${hours(online)} hours online, SMTP in ${hours((plain * 1000) / OCTETS_A_SECOND)}`,
  )
  assert.ok(octets * 3 <= plain * (process.env.IEMS_TEST_LONG ? 1 : 1.2), `${octets} octets, SMTP ${plain}`)
})

/** A message by SMTP on an open connection, pipelined, both directions, without any loss. */
function smtpOctets(from: string, to: string, size: number): number {
  const commands = `MAIL FROM:<${from}> SIZE=${size}\r\nRCPT TO:<${to}>\r\nDATA\r\n.\r\n`
  const replies = '250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n'
  return size + commands.length + replies.length + '250 2.0.0 Ok: queued as 01KDVEKGSGKJ583ZB45AV0NV53\r\n'.length
}
