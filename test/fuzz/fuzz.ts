/** Runs one target in a thread and watches it: a fault is kept, an input that does not end within a time is a hang. */
import { Worker } from 'node:worker_threads'
import type { FuzzJob, FuzzReport } from './worker.ts'

/** Ms that one input may take. Far above what any takes on a busy machine: only what never ends reaches it. */
const HANG_MS = 20_000
/** Faults after which a target's run ends: they repeat. */
const MAX_FAULTS = 5

export interface Fuzzed {
  readonly inputs: number
  readonly corpus: number
  readonly blocks: number
  readonly faults: readonly { readonly why: string; readonly input: Buffer }[]
}

export function fuzzTarget(job: FuzzJob): Promise<Fuzzed> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: job, stdout: false })
  const faults: { why: string; input: Buffer }[] = []
  let last = Buffer.alloc(0)
  let sum = { inputs: 0, corpus: 0, blocks: 0 }
  let timer: NodeJS.Timeout | undefined
  return new Promise((resolve) => {
    const finish = (why?: string) => {
      clearTimeout(timer)
      if (why !== undefined) faults.push({ why, input: last })
      void worker.terminate()
      resolve({ ...sum, faults })
    }
    worker.on('message', (report: FuzzReport) => {
      clearTimeout(timer)
      if (report.kind === 'end') {
        sum = report
        return finish()
      }
      const input = Buffer.from(report.input)
      if (report.kind === 'fault' && faults.push({ why: report.why, input }) >= MAX_FAULTS) return finish()
      last = input
      sum.inputs++
      timer = setTimeout(() => finish(`no answer within ${HANG_MS} ms`), HANG_MS)
    })
    worker.on('error', (error) => finish(`the thread died: ${error.stack ?? error.message}`))
  })
}
