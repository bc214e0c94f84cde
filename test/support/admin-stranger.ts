/**
 * A plugin as a third party writes it, with a page of each kind for the administration.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Admin } from 'iems/plugins/admin'
import * as z from 'zod'
import { type Command, definePlugin } from '../../core/index.ts'

/** Commands whose output the screens of the administration draw, with rows as the plugins of mail domains give them. */
const COMMANDS: Readonly<Record<string, Command>> = {
  // Ends when it is cancelled, and not before.
  'grey walk': {
    summary: 'goes on until it is cancelled',
    reads: true,
    async *run({ signal }) {
      for (let done = 1; !signal.aborted; done++) {
        yield { progress: `${done} of 100000`, done, total: 100_000 }
        await pause(50, undefined, { signal }).catch(() => undefined)
      }
    },
  },
  'domain check': {
    summary: 'compares the DNS with what it should be',
    arguments: ['[domain]'],
    async *run({ arguments: [domain = ''] }) {
      for (const [state, text, cure] of [
        ['ok', `MX of ${domain} names this server`],
        ['missing', `${domain} has no DMARC record`, 'Publish the record below'],
      ])
        yield { text: `${state} ${text}`, value: { domain, state, text, ...(cure ? { cure } : {}) } }
    },
  },
  'dmarc reports': {
    summary: 'aggregate reports received and sent',
    async *run() {
      const row = (ip: string, count: number, dkim: string, disposition: string) => ({
        ...{ ip, count, dkim, disposition, spf: 'fail' },
      })
      for (const [day, passed, failed] of [
        [1_764_028_800, 30, 3],
        [1_764_115_200, 50, 0],
      ] as const)
        yield {
          text: 'received',
          value: {
            kind: 'received',
            begin: day,
            domain: 'here.test',
            organization: 'Example',
            messages: passed + failed,
            passed,
            rows: [
              row('192.0.2.1', passed, 'pass', 'none'),
              ...(failed ? [row('203.0.113.9', failed, 'fail', 'reject')] : []),
            ],
          },
        }
    },
  },
  'tls reports': {
    summary: 'reports on TLS received and sent',
    async *run() {
      for (const [day, succeeded, failed] of [
        ['2026-11-26', 40, 2],
        ['2026-11-27', 50, 0],
      ] as const)
        yield {
          text: day,
          value: {
            kind: 'received',
            day,
            domains: ['here.test'],
            organization: 'Example',
            succeeded,
            failed,
            failures: [],
          },
        }
    },
  },
}

export function strangersPages() {
  const greylist = new Map(
    Array.from({ length: 250 }, (_, index) => [
      `g${index}`,
      { id: `g${index}`, sender: `sender${index}@example.net`, tries: index },
    ]),
  )
  const settings = { delay: 5, label: 'Grey' }
  const plugin = definePlugin({
    name: 'strangers-pages',
    config: z.undefined(),
    needs: [Admin],
    setup(_, ctx) {
      const admin = ctx.use(Admin)
      admin.page({
        id: 'greylist',
        title: 'Greylist',
        group: 'protection',
        summary: 'Senders that were asked to come back later.',
        who: 'queue:read',
        table: {
          row: z.object({ id: z.string(), sender: z.string().describe('Sender'), tries: z.number().describe('Tries') }),
          filter: z.object({ sender: z.string().optional().describe('Part of the sender.') }),
          async rows({ sender = '' }, cursor = '0') {
            const all = [...greylist.values()].filter((one) => one.sender.includes(sender))
            const from = Number(cursor)
            const rows = all.slice(from, from + 100)
            return { rows, total: all.length, ...(from + 100 < all.length ? { next: String(from + 100) } : {}) }
          },
          preview: async (id) => (greylist.has(id) ? `<b>Kept</b> of ${id}` : undefined),
          actions: [
            {
              id: 'forget',
              title: 'Forget',
              irreversible: true,
              async *run(ids) {
                for (const id of ids) {
                  yield { progress: id }
                  yield { text: greylist.delete(id) ? `${id} is forgotten` : `${id} was not there` }
                }
              },
            },
          ],
        },
      })
      admin.page({
        id: 'grey-settings',
        title: 'Grey settings',
        group: 'system',
        form: {
          schema: z.object({ delay: z.int().min(1).max(60).describe('Minutes to wait.'), label: z.string() }),
          read: async () => settings,
          async write(value) {
            Object.assign(settings, value)
          },
        },
      })
      admin.page({
        id: 'grey-figures',
        title: 'Grey figures',
        group: 'system',
        figures: [
          {
            title: 'Tries by hour',
            series: async () => [
              {
                name: 'tries',
                points: [
                  [0, 1],
                  [3_600_000, 4],
                  [7_200_000, 2],
                ],
              },
            ],
          },
        ],
      })
      admin.page({
        id: 'map',
        title: 'Map',
        group: 'system',
        module: new URL('../fixtures/admin-module.js', import.meta.url),
      })
      return { commands: COMMANDS }
    },
  })
  return { plugin: plugin(), greylist, settings }
}
