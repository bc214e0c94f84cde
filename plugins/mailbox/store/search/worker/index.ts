/**
 * The worker: runs requests on the index one at a time and answers each.
 *
 * It has its own folder, because a package's export is found by folder wherever the build puts it. Invariants: every
 * request gets one answer, or the worker dies and its owner notices.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { isBroken } from '../index-database.ts'
import { IndexFile, type IndexFileOptions } from '../index-file.ts'

export type Call = Exclude<keyof IndexFile, 'startAnew'>
export type Argument<K extends Call> = Parameters<IndexFile[K]>[0]

export interface Request {
  readonly id: number
  readonly call: Call
  readonly argument: unknown
}

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly why: string }
  /** The file was set aside and replaced by an empty one. */
  | { readonly putAside: string }

const port = parentPort
if (port) {
  const say = (answer: Answer) => port.postMessage(answer)
  const file = new IndexFile(workerData as IndexFileOptions, (putAside) => say({ putAside }))
  port.on('message', ({ id, call, argument }: Request) => {
    try {
      say({ id, value: Reflect.apply(file[call], file, [argument]) })
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      if (isBroken(cause)) file.startAnew(why)
      say({ id, why })
    }
    if (call === 'close') port.close()
  })
}
