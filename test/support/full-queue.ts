/**
 * A server with administration and a full queue, in a thread of its own: the hooks of a test runner make each promise of
 * its thread three times as expensive, which would be measured too.
 */
import type { TestContext } from 'node:test'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { levelStore } from '../../core/store/level/level.ts'
import { askAt, startAdmin } from './web-admin.ts'

interface Wanted {
  readonly deliveries: number
  /** Recipients of one submission, ten or one for each of fifty next hops: those of one next hop are one delivery. */
  readonly recipients: number
  /** Folder of the store; default: in memory, and every delivery is attempted once. */
  readonly path?: string
}

export async function startFullQueue(t: Pick<TestContext, 'after'>, wanted: Wanted) {
  const worker = new Worker(new URL(import.meta.url), { workerData: wanted, execArgv: ['--conditions=source'] })
  t.after(() => worker.terminate())
  const base = await new Promise<string>((resolve, reject) => worker.once('message', resolve).once('error', reject))
  return { base, ask: askAt(base) }
}

async function serve({ deliveries, recipients, path }: Wanted): Promise<string> {
  const here = await startAdmin(
    { after: () => {} },
    path === undefined ? {} : { openStore: (now) => levelStore({ path, now }) },
  )
  for (let at = 0; at < deliveries; at += recipients)
    await here.submit({
      from: 'admin@here.test',
      to: Array.from({ length: recipients }, (_, index) => `r${at + index}@h${(at + index) % 50}.test`),
      content: `Subject: Number ${at}\r\n\r\nText\r\n`,
    })
  if (path === undefined) await here.deliver()
  return here.base
}

if (!isMainThread && workerData?.deliveries) parentPort?.postMessage(await serve(workerData))
