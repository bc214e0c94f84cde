/**
 * Writes lines to a file descriptor without ever blocking or ending the server.
 *
 * Invariants: a missing reader, a full disk and a closed terminal lose lines, never the process; a slow reader costs at
 * most `MAX_PENDING` octets of memory; the last lines of an ending process are written. (Pino's own destination repeats
 * a failed write for ever when the process exits.)
 */
import { write, writeSync } from 'node:fs'

export interface LineWriter {
  write(line: string): void
  /** Starts to write pending lines. */
  flush(): void
}

/** Octets that are written at once. Each write wakes another thread, so what lingers is written together. */
const ENOUGH = 65_536
const MAX_PENDING = 16 * 1024 * 1024
/** Ms until a descriptor that accepts nothing is tried again. */
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
    // Only a lost reader is final; after other failures the interrupted line is not repeated.
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
      // Nothing is left to report the failure to.
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
