/**
 * A process to be killed: deliveries, APPENDs and expunges in accounts that share a domain with a limit. It says on
 * standard output what has been acknowledged.
 *
 *   node quota-process.ts FOLDER
 */
import { writeSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { levelStore } from '../../core/store/level/level.ts'
import { testClock } from '../../core/testing/index.ts'
import { quota } from '../../plugins/mailbox/quota/index.ts'
import { allowed, contentOf, createMailKernel } from './mailstore.ts'

export const NAMES = ['ann', 'bob', 'cyd', 'dan']

export async function openQuota(path: string, t: Pick<TestContext, 'after'>) {
  const store = await levelStore({ path, minFree: 0 })
  const kernel = await createMailKernel(t, {
    store,
    clock: { ...testClock(), now: () => Date.now() },
    people: NAMES.map((name) => ({ name, addresses: [`${name}@here.test`], quota: '100 MB' })),
    mailstore: { undelete: '0 s' },
    plugins: [quota({ domains: { 'here.test': { octets: '300 MB' } }, total: { messages: 100_000 } })],
  })
  return { kernel, store }
}

if (import.meta.main) {
  const { kernel } = await openQuota(process.argv[2] ?? '', { after: () => {} })
  const { mail } = kernel
  async function work(account: string): Promise<void> {
    const inbox = await kernel.mailbox(account)
    for (let number = 0; ; number++) {
      const { uids } = allowed(
        await mail.append(inbox, [{ content: contentOf(`Subject: ${number}\r\n\r\n${'x'.repeat(number % 900)}`) }]),
      )
      if (number % 3 === 0)
        allowed(await mail.expunge(inbox, [[uids[0] as number, uids[0] as number]], { forGood: true }))
      writeSync(1, 'done\n')
    }
  }
  for (const name of NAMES) void work(name)
  for (;;) {
    await kernel.submit({ from: 'me@far.test', to: NAMES.map((name) => `${name}@here.test`) })
    await kernel.deliver()
  }
}
