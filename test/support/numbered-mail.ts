/** Mail whose number tells it apart, for tests that count what was answered and what arrived. */
import { connect } from 'node:net'
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
