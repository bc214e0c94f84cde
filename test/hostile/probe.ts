/** Another client of the same server: what it waits while an attack runs is what the attack costs everybody. */
import { once } from 'node:events'
import { connect } from 'node:net'

export interface Latency {
  readonly count: number
  /** Ms. */
  readonly median: number
  readonly worst: number
  /** Sessions that were not served at all. */
  readonly failed: number
}

/** Ms after which a session counts as not served. */
const GIVE_UP_MS = 60_000
const GAP_MS = 50

/** One session: a greeting, one command, one answer. */
async function serveOnce(port: number, say: string, answer: RegExp): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  const answered = new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), GIVE_UP_MS)
    const end = (isServed: boolean) => {
      clearTimeout(timer)
      resolve(isServed)
    }
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (answer.test(text)) end(true)
    })
    socket.on('close', () => end(answer.test(text)))
    socket.on('error', () => end(false))
  })
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {})
  socket.write(say)
  const isServed = await answered
  socket.destroy()
  return isServed
}

/** Talks to both listeners in turn until stopped. */
export function startProbe({ smtp, imap }: { readonly smtp: number; readonly imap: number }) {
  const waits: number[] = []
  let failed = 0
  let isOver = false
  const run = (async () => {
    for (let at = 0; !isOver; at++) {
      const since = performance.now()
      const isServed =
        at % 2 === 0
          ? await serveOnce(smtp, 'EHLO probe.test\r\n', /\r\n250 /)
          : await serveOnce(imap, 'a LOGIN bob secret\r\nb NOOP\r\n', /\r\nb OK/)
      if (isServed) waits.push(performance.now() - since)
      else failed++
      await new Promise((resolve) => setTimeout(resolve, GAP_MS))
    }
  })()
  return {
    async stop(): Promise<Latency> {
      isOver = true
      await run
      const sorted = waits.sort((a, b) => a - b)
      return { count: sorted.length, median: sorted[sorted.length >> 1] ?? 0, worst: sorted.at(-1) ?? 0, failed }
    },
  }
}
