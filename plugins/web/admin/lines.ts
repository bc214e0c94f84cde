/**
 * Long work as an answer: lines of JSON with progress, output, a line for each fault, and an end.
 */
import { Download } from '../http/api.ts'

/** One line of long work, as JSON: what a command says, a fault, or the end. */
export type Line =
  | { readonly text: string; readonly value?: unknown }
  | { readonly progress: string; readonly done?: number; readonly total?: number }
  | { readonly fault: string; readonly at?: string }
  | { readonly bytes: string }
  | { readonly end: 'done' | 'failed' | 'cancelled'; readonly why?: string }

/** Lines of JSON as they come. The work ends when the client disconnects. */
export class Lines extends Download {
  readonly work: AsyncIterable<Line>
  constructor(work: AsyncIterable<Line>) {
    super({ type: 'application/x-ndjson', open: () => encoded(work) })
    this.work = work
  }
}
export const lines = (work: AsyncIterable<Line>): Lines => new Lines(work)

async function* encoded(work: AsyncIterable<Line>): AsyncGenerator<Uint8Array> {
  const line = (one: Line) => Buffer.from(`${JSON.stringify(one)}\n`)
  try {
    for await (const one of work) {
      yield line(one)
      // The lines of a task have their own end.
      if ('end' in one) return
    }
    yield line({ end: 'done' })
  } catch (cause) {
    yield line({ end: 'failed', why: cause instanceof Error ? cause.message : String(cause) })
  }
}
