/** Mail whose number tells it apart, for tests that count what was answered and what arrived. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import type { Sink } from './smtp-sink.ts'
import { replyChecker } from './smtp-talk.ts'

/** A body above the limit for records, so that files and chunks are killed as well. */
const LARGE = 100_000

/** Sends messages with the next numbers until the connection or the numbers end. Reports each number answered 250. */
export async function send(
  port: number,
  next: () => number | undefined,
  acknowledged: (number: number) => void,
): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  let number = 0
  let step = 0
  let text = ''
  const check = replyChecker()
  const say = (line: string) => socket.write(`${line}\r\n`)
  const steps: (() => unknown)[] = [
    () => say('EHLO client.test'),
    () => {
      const given = next()
      if (given === undefined) return socket.destroy()
      number = given
      say(`MAIL FROM:<${number}@from.test>\r\nRCPT TO:<${number}@to.test>\r\nDATA`)
    },
    () => {},
    () => {},
    () =>
      say(
        `Subject: ${number}\r\n\r\n${
          number % 10 === 0
            ? 'x'
                .repeat(998)
                .concat('\r\n')
                .repeat(LARGE / 1000)
            : 'Hello'
        }\r\n.`,
      ),
    () => {
      acknowledged(number)
      step = 1
      steps[1]?.()
      step = 2
    },
  ]
  socket.on('data', (chunk) => {
    text += chunk
    for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
      const line = text.slice(0, end)
      text = text.slice(end + 2)
      check(line)
      if (line[3] === '-') continue
      if (!/^[23]/.test(line)) return socket.destroy()
      steps[step++]?.()
    }
  })
  socket.on('error', () => socket.destroy())
  await new Promise((resolve) => socket.on('close', resolve))
}

/** What was answered 250 and what arrived at a sink, by number. */
export class Tally {
  readonly acknowledged = new Set<number>()
  readonly #sink: Pick<Sink, 'messages'>
  /** How many messages had arrived before and after each blow. */
  readonly #blows: { readonly from: number; readonly to: number }[] = []

  constructor(sink: Pick<Sink, 'messages'>) {
    this.#sink = sink
  }

  get arrived(): number {
    return this.#sink.messages.length
  }

  get blows(): number {
    return this.#blows.length
  }

  /** Notes that something was killed or cut since `from` messages had arrived. */
  blow(from = this.arrived): void {
    this.#blows.push({ from, to: this.arrived })
  }

  missing(): number[] {
    const places = this.#places()
    return [...this.acknowledged].filter((number) => !places.has(number))
  }

  /** How many arrived again. Fails if one did without a blow in between, or if a large one is not whole. */
  repeated(): number {
    let repeated = 0
    for (const [number, places] of this.#places())
      for (const [index, second] of places.slice(1).entries()) {
        const first = places[index] as number
        const isExplained = this.#blows.some(({ from, to }) => first < to && from <= second)
        assert.ok(isExplained, `${number} came twice without a blow in between`)
        repeated++
      }
    const large = this.#sink.messages.filter(({ raw }) => raw.length > 50_000)
    assert.ok(large.length > 0 && large.every(({ raw }) => /x(\r\n)+$/.test(raw)), 'large bodies are whole')
    return repeated
  }

  #places(): Map<number, number[]> {
    const places = new Map<number, number[]>()
    for (const [index, { from }] of this.#sink.messages.entries()) {
      const number = Number(/\d+/.exec(from)?.[0])
      places.set(number, [...(places.get(number) ?? []), index])
    }
    return places
  }
}
