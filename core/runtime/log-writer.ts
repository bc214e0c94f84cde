/**
 * Writes lines to a file descriptor without ever being a reason for the server to stop.
 *
 * What must stay true: a reader that is gone, a full disk and a closed terminal cost lines, never the process; a slow
 * reader costs at most `MAX_PENDING` octets of memory; lines of an ending process are written before it ends. Pino's
 * own destination repeats a failed write for ever when the process exits.
 */
import { write, writeSync } from 'node:fs'

export interface LineWriter {
  write(line: string): void
  /** Starts to write what waits. */
  flush(): void
}

/** Octets that are worth a write of their own. */
const ENOUGH = 4096
const MAX_PENDING = 16 * 1024 * 1024
/** Until a descriptor that takes nothing now is tried again. */
const RETRY_MS = 50

export function createLineWriter(fd: number): LineWriter {
  let lines: string[] = []
  let size = 0
  let writing: Buffer | undefined
  let isGone = false

  function done(error: NodeJS.ErrnoException | null, count: number): void {
    if (error?.code === 'EAGAIN') {
      setTimeout(next, RETRY_MS)
      return
    }
    // Only a reader never comes back; what another failure has cut off is not repeated.
    isGone ||= error?.code === 'EPIPE'
    writing = error ? undefined : writing?.subarray(count)
    next()
  }

  function next(): void {
    if (!writing?.byteLength) writing = take()
    if (writing) write(fd, writing, done)
  }

  function take(): Buffer | undefined {
    const waiting = lines
    lines = []
    size = 0
    return isGone || waiting.length === 0 ? undefined : Buffer.from(waiting.join(''))
  }

  process.once('exit', () => {
    const last = take()
    try {
      if (last) writeSync(fd, last)
    } catch {
      // There is nobody left to be told.
    }
  })

  return {
    write(line) {
      if (isGone || size > MAX_PENDING) return
      lines.push(line)
      size += line.length
      if (size > ENOUGH) this.flush()
    },
    flush() {
      if (!writing) next()
    },
  }
}
