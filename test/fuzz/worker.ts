/** Runs one target on input after input, in a thread that the main one can end when an input never returns. */
import { parentPort, workerData } from 'node:worker_threads'
import { startCoverage } from './coverage.ts'
import { mutate, randomFrom } from './mutate.ts'
import { TARGETS } from './targets.ts'

export interface FuzzJob {
  readonly target: string
  readonly seed: number
  readonly inputs: number
  readonly guided: boolean
}

/** What the worker posts: each input before it runs, faults, and the sum at the end. */
export type FuzzReport =
  | { readonly kind: 'begin'; readonly input: Uint8Array }
  | { readonly kind: 'fault'; readonly input: Uint8Array; readonly why: string }
  | { readonly kind: 'end'; readonly inputs: number; readonly corpus: number; readonly blocks: number }

/** Inputs that run between two looks at the coverage. */
const BATCH = 16

const post = (report: FuzzReport) => parentPort?.postMessage(report)

async function fuzz({ target, seed, inputs, guided }: FuzzJob): Promise<void> {
  const {
    seeds,
    words = [],
    run,
  } = TARGETS[target] ??
  (() => {
    throw new Error(`unknown target ${target}`)
  })() // prettier-ignore
  const random = randomFrom(seed)
  const corpus: Buffer[] = seeds.map((text) => Buffer.from(text, 'latin1'))
  const dictionary = words.map((text) => Buffer.from(text, 'latin1'))
  const coverage = guided ? await startCoverage() : undefined
  const pick = () => corpus[Math.floor(random() * corpus.length)] ?? Buffer.alloc(0)
  const attempt = async (input: Buffer) => {
    post({ kind: 'begin', input })
    try {
      await run(input)
    } catch (fault) {
      post({ kind: 'fault', input, why: fault instanceof Error ? (fault.stack ?? fault.message) : String(fault) })
    }
  }
  for (const input of corpus) await attempt(input)
  await coverage?.foundNew()
  let done = 0
  while (done < inputs) {
    const batch = Array.from({ length: BATCH }, () => mutate(pick(), pick(), dictionary, random))
    for (const input of batch) await attempt(input)
    done += batch.length
    if (await coverage?.foundNew()) corpus.push(...batch)
  }
  post({ kind: 'end', inputs: done, corpus: corpus.length, blocks: coverage?.size ?? 0 })
  coverage?.close()
}

await fuzz(workerData as FuzzJob)
process.exit(0)
