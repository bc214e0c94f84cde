/**
 * A process that works on mailboxes as hard as it can until it is killed, and says on standard output what it begins
 * and what has been acknowledged: a line of JSON each. Each worker has one message at a time, which it appends, flags,
 * copies, moves and expunges; beside them messages are handed in and delivered, and accounts exported.
 *
 *   node mailing-process.ts FOLDER|URL SEED [KERNELS]
 *
 * With the URL of a PostgreSQL database several of them may work at the same time. With several kernels, each is a thread
 * of its own on the folder, and one after the other is ended in the middle of its work and replaced.
 */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { isMainThread, MessageChannel, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads'
import * as z from 'zod'
import { definePlugin } from '../../core/index.ts'
import { levelStore } from '../../core/store/level/level.ts'
import { openLevelReader } from '../../core/store/level/reader.ts'
import { type Served, serveStore } from '../../core/store/remote/owner.ts'
import type { Store } from '../../core/store/store.ts'
import { createTestKernel, type TestKernel, testClock } from '../../core/testing/index.ts'
import { accounts } from '../../plugins/directory/static/index.ts'
import { MailStore, type MailStoreApi } from '../../plugins/mailbox/store/api.ts'
import { mailstore } from '../../plugins/mailbox/store/index.ts'
import { postgresStore } from '../../plugins/store/postgres/index.ts'

export const WORKERS = 8
export const ACCOUNT_NAMES = ['ann', 'bob']
export const MAILBOXES = ['INBOX', 'Archive', 'Junk']

/** At once and whole, even when who reads is behind: what was said is what counts after the kill. */
function say(line: object): void {
  let left = Buffer.from(`${JSON.stringify(line)}\n`)
  while (left.length > 0) {
    try {
      left = left.subarray(writeSync(1, left))
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EAGAIN') throw cause
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

const openStore = (place: string): Promise<Store> =>
  place.startsWith('postgres:') ? postgresStore({ url: place }).open() : levelStore({ path: place, minFree: 0 })

/** A kernel on LevelDB, on a database by its URL, or on an open store, with its mail store. */
export async function openMail(
  place: string | Store,
  after: (end: () => Promise<void>) => void,
  now: () => number = () => Date.now(),
) {
  let mail: MailStoreApi | undefined
  const borrow = definePlugin({
    name: 'borrow',
    config: z.undefined(),
    needs: [MailStore],
    setup(_, ctx) {
      mail = ctx.use(MailStore)
      return {}
    },
  })
  const store = typeof place === 'string' ? await openStore(place) : place
  const people = ACCOUNT_NAMES.map((name) => ({ name, addresses: [`${name}@here.test`] }))
  const kernel = await createTestKernel(
    { after: (end) => after(async () => void (await (end as () => Promise<void>)())) },
    {
      store,
      clock: { ...testClock(), now, after: realAfter },
      channels: { local: mailstore({ undelete: '0 s' }, { accepts: 'anyone', retry: { first: '1 s' }, lease: '1 s' }) },
      plugins: [accounts({ domains: ['here.test'], accounts: people }), borrow()],
    },
  )
  return { kernel, store, mail: mail as MailStoreApi }
}

function realAfter(ms: number, call: () => void): () => void {
  const timer = setTimeout(call, ms)
  return () => clearTimeout(timer)
}

async function* text(subject: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`Subject: ${subject}\r\n\r\n${'body '.repeat(subject.endsWith('7') ? 20_000 : 20)}\r\n`)
}

async function work(mail: MailStoreApi, worker: number, seed: number): Promise<void> {
  let random = seed + worker * 7919
  const below = (most: number) => {
    random = (random * 1103515245 + 12345) % 2 ** 31
    return Math.floor((random / 2 ** 31) * most)
  }
  const place = async () => {
    const account = ACCOUNT_NAMES[below(ACCOUNT_NAMES.length)] as string
    const mailbox = await mail.find(account, MAILBOXES[below(MAILBOXES.length)] as string)
    if (!mailbox) throw new Error('no mailbox')
    return mailbox
  }
  for (let number = 0; ; number++) {
    const subject = `w${worker}-${seed}-${number}`
    let at = await place()
    let flags: string[] = []
    const told = <T extends object>(state: object, result: T): T => {
      if ('refused' in result) throw new Error(JSON.stringify(result))
      say({ done: subject, ...state })
      return result
    }
    const where = () => ({ account: at.account, mailbox: at.name, flags })
    say({ begun: subject, ...where() })
    const appended = await mail.append(at, [{ content: text(subject) }])
    if ('refused' in appended) throw new Error(appended.why)
    let uid = appended.uids[0] as number
    say({ done: subject, ...where(), id: at.id, uid })
    for (let steps = below(6); steps > 0; steps--) {
      if (below(2) === 0) {
        flags = [`k${steps}`]
        say({ begun: subject, ...where() })
        told(where(), await mail.setFlags(at, [[uid, uid]], { how: 'set', flags }))
      } else {
        const to = await place()
        // Between accounts a move is two commits, and a kill between them leaves both.
        if (to.id === at.id || to.account !== at.account) continue
        const from = at
        at = to
        say({ begun: subject, ...where() })
        const moved = await mail.move(from, [[uid, uid]], to)
        if ('refused' in moved) throw new Error(moved.why)
        uid = moved.copied[0]?.to as number
        say({ done: subject, ...where(), id: at.id, uid })
      }
    }
    if (below(3) > 0) {
      say({ begun: subject, gone: true })
      told({ gone: true }, (await mail.expunge(at, [[uid, uid]])) as object)
    }
  }
}

/** Again and again, to nowhere; an export that fails ends the process. */
async function exportAll(kernel: TestKernel, account: string): Promise<void> {
  const command = kernel.kernel.commands.get('mailbox export')
  for (let number = 0; ; number++) {
    const options = { format: ['zip', 'mbox', 'maildir'][number % 3] as string }
    const input = (async function* () {})()
    const signal = new AbortController().signal
    for await (const _ of command?.run({ arguments: [account], options, input, signal }) ?? []);
    if (number === 0) say({ exported: account })
  }
}

/** Works until it is killed. */
async function mailOn(place: string | Store, seed: number): Promise<never> {
  const { kernel, mail } = await openMail(place, () => {})
  kernel.kernel.run()
  say({ ready: true })
  parentPort?.postMessage('ready')
  for (let worker = 0; worker < WORKERS; worker++) void work(mail, worker, seed)
  for (const name of ACCOUNT_NAMES) void exportAll(kernel, name)
  for (let number = 0; ; number++) {
    const subject = `d-${seed}-${number}`
    const to = ACCOUNT_NAMES.map((name) => `${name}@here.test`)
    const { reply } = await kernel.kernel.submit('in', {
      from: 'me@far.test',
      to,
      content: `Subject: ${subject}\r\n\r\nx\r\n`,
    })
    if (reply.code === 250) say({ done: subject, delivered: true })
  }
}

interface Thread {
  readonly path: string
  readonly seed: number
  readonly port: MessagePort
}

/** Threads on one store, which this thread has open. */
async function mailInThreads(path: string, seed: number, count: number): Promise<never> {
  const served = new Set<Served>()
  const release = async (isReleased: boolean) => {
    await Promise.all([...served].map((one) => one.release(isReleased)))
  }
  const store = await levelStore({ path, minFree: 0, readers: { release } })
  let begun = 0
  const begin = async () => {
    const { port1, port2 } = new MessageChannel()
    const one = serveStore(store, port1)
    served.add(one)
    const data: Thread = { path, seed: seed * 1000 + begun++, port: port2 }
    const thread = new Worker(import.meta.filename, { workerData: data, transferList: [port2] })
    await once(thread, 'message')
    return { thread, one }
  }
  const threads: Awaited<ReturnType<typeof begin>>[] = []
  while (threads.length < count) threads.push(await begin())
  for (let turn = 0; ; turn++) {
    await delay(Math.random() * 400)
    const { thread, one } = threads[turn % count] as (typeof threads)[number]
    await thread.terminate()
    await one.close()
    served.delete(one)
    say({ killed: true })
    threads[turn % count] = await begin()
  }
}

if (!isMainThread) {
  const { path, seed, port } = workerData as Thread
  await mailOn(await openLevelReader({ path, port }), seed)
} else if (import.meta.main) {
  const [place = '', seed = '1', kernels = '1'] = process.argv.slice(2)
  if (kernels === '1') await mailOn(place, Number(seed))
  else await mailInThreads(place, Number(seed), Number(kernels))
}
