/**
 * Server-sent events (WHATWG HTML 9.2): a plugin's events as octets, with a sign of life when there are none.
 */
import type { Clock } from 'iems'
import type { ServerEvent } from './api.ts'

const ALIVE_MS = 30_000

function formatEvent({ id, event, data, comment }: ServerEvent): string {
  // None of them may contain an end of line; JSON has none.
  const plain = (text: string) => text.replace(/[\r\n\0]/g, ' ')
  let text = comment === undefined ? '' : `: ${plain(comment)}\n`
  if (event !== undefined) text += `event: ${plain(event)}\n`
  if (id !== undefined) text += `id: ${plain(id)}\n`
  if (data !== undefined) text += `data: ${JSON.stringify(data)}\n`
  return `${text}\n`
}

/** Ends with the source or at the signal; the source is then returned from. */
export async function* eventStream(
  source: AsyncIterable<ServerEvent>,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const events = source[Symbol.asyncIterator]()
  let next = events.next()
  // The client learns at once that it is heard.
  yield ': open\n\n'
  try {
    for (;;) {
      const first = await firstOf(next, clock, signal)
      if (first === 'end') return
      if (first === 'silence') {
        yield ': alive\n\n'
        continue
      }
      if (first.done) return
      yield formatEvent(first.value)
      next = events.next()
    }
  } finally {
    next.catch(() => {})
    void events.return?.()
  }
}

function firstOf<T>(next: Promise<T>, clock: Clock, signal: AbortSignal): Promise<T | 'end' | 'silence'> {
  return new Promise((resolve, reject) => {
    const end = () => done('end')
    const cancel = clock.after(ALIVE_MS, () => done('silence'))
    function done(value: T | 'end' | 'silence') {
      cancel()
      signal.removeEventListener('abort', end)
      resolve(value)
    }
    if (signal.aborted) return done('end')
    signal.addEventListener('abort', end, { once: true })
    next.then(done, (cause) => {
      done('end')
      reject(cause)
    })
  })
}
