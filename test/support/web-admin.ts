/**
 * A mail server with web administration for its tests: accounts of every role, a queue, lists, and a stranger's plugin.
 */
import type { TestContext } from 'node:test'
import type { PluginEntry, Recipient, Store } from 'iems'
import { admin } from 'iems/plugins/admin'
import { http } from 'iems/plugins/http'
import { lists } from 'iems/plugins/lists'
import { smtpIn } from 'iems/plugins/smtp-in'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { createDirectoryKernel } from './directory.ts'
import type { Json } from './jmap.ts'
import { movingClock } from './moving-clock.ts'
import { openPage, type Watched } from './web-mail.ts'

/** Logins by role. The password of each is its name and `-secret`. */
export const ROLES = {
  user: [],
  support: ['support'],
  domain: ['domain-admin:here.test'],
  admin: ['admin'],
} as const
export type RoleName = keyof typeof ROLES | 'nobody'

/** `out` is a channel that takes no mail while `isDown` is true. */
export async function startAdmin(
  t: Pick<TestContext, 'after'>,
  {
    plugins = [],
    options = {},
    tls,
    openStore,
  }: {
    plugins?: readonly PluginEntry[]
    options?: Parameters<typeof admin>[0]
    /** Of the SMTP listener. */
    tls?: { readonly cert: string; readonly key: string }
    /** Default: a store in memory. */
    openStore?: (now: () => number) => Promise<Store>
  } = {},
) {
  const remote = { isDown: true }
  const clock = movingClock()
  const here = await createDirectoryKernel(t, {
    clock,
    ...(openStore ? { store: await openStore(clock.now) } : {}),
    channels: {
      web: http({ listen: '127.0.0.1:0', limits: { requestsPerMinute: 1_000_000, connectionsPerAddress: 1000 } }),
      mx: smtpIn({ listen: '127.0.0.1:0', ...(tls ? { tls } : {}) }),
      lists: lists(),
    },
    deliver: ({ recipients }: { recipients: readonly Recipient[] }) =>
      recipients.map((recipient) => ({
        recipient,
        status: remote.isDown ? ('deferred' as const) : ('delivered' as const),
        reply: remote.isDown
          ? { code: 451, enhanced: '4.7.1' as const, text: 'Come back later' }
          : { code: 250, enhanced: '2.0.0' as const, text: 'ok' },
      })),
    plugins: [admin(options), ...plugins],
  })
  for (const name of ['here.test', 'other.test', 'lists.here.test']) await here.make({ add: { kind: 'domain', name } })
  for (const [name, roles] of Object.entries(ROLES))
    await here.make({
      add: {
        kind: 'account',
        name,
        displayName: `${name.charAt(0).toUpperCase()}${name.slice(1)} Person`,
        addresses: [`${name}@here.test`],
        password: `${name}-secret`,
        roles: [...roles],
      },
    })
  await here.make({ add: { kind: 'account', name: 'far', addresses: ['far@other.test'], password: 'far-secret' } })
  const base = `http://127.0.0.1:${here.listener('web').port}`
  return { ...here, base, ask: askAt(base), remote }
}

/** Makes requests by Basic credentials of a role, or by a key of the API. */
export function askAt(base: string) {
  return async function ask(who: RoleName | { readonly key: string }, method: string, path: string, body?: unknown) {
    const authorization =
      typeof who === 'object' ? `Bearer ${who.key}` : `Basic ${Buffer.from(`${who}:${who}-secret`).toString('base64')}`
    const response = await fetch(base + path, {
      method,
      headers: {
        ...(who === 'nobody' ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const type = response.headers.get('content-type') ?? ''
    return {
      status: response.status,
      text,
      json: (/json$|json;/.test(type) && text !== '' && !type.includes('ndjson')
        ? JSON.parse(text)
        : undefined) as Json,
      lines: (type.includes('ndjson')
        ? text
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line))
        : []) as Json[],
    }
  }
}

/** A page of the administration, logged in. */
export async function openAdmin(
  browser: Browser,
  base: string,
  who: keyof typeof ROLES,
  options: BrowserContextOptions = {},
): Promise<Watched> {
  const watched = await openPage(browser, base, options, '/admin/')
  const { page } = watched
  await page.getByLabel('Address or name').fill(who)
  await page.getByLabel('Password', { exact: true }).fill(`${who}-secret`)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('.shell').waitFor()
  return watched
}

/** Mail that waits, is held, was refused and was delivered, a list with members, and a little history. */
export async function fill({ submit, queue, ask, iems, deliver, clock }: Awaited<ReturnType<typeof startAdmin>>) {
  const letter = (subject: string) =>
    `From: admin@here.test\r\nTo: x\r\nSubject: ${subject}\r\nMessage-ID: <${subject.replace(/\W/g, '')}@here.test>\r\n\r\nText of the letter.\r\n`
  for (const [subject, to] of [
    ['Contract for the harbour bridge', ['sofia@legal.test', 'user@here.test']],
    ['Invoice 20 431', ['accounts@legal.test']],
    ['Mooring agreement', ['kim@slow.test']],
    ['Minutes of Tuesday', ['user@here.test']],
  ] as const)
    await submit({ from: 'admin@here.test', to: [...to], content: letter(subject) })
  await deliver()
  await submit({ from: 'stranger@bad.test', to: ['held@bad.test'], content: letter('You have won') })
  await deliver()
  await queue.hold({ nexthop: 'bad.test' }, 'virus: Eicar-Test-Signature')
  await clock.advance(10)
  await iems('account set far display-name="Far Away" quota=1GB').catch(() => undefined)
  const run = (words: string, values: object, input?: string) =>
    ask('admin', 'POST', '/api/v1/commands/run', { words, values, ...(input === undefined ? {} : { input }) })
  await run('list add', { address: 'news@lists.here.test' })
  await run('list import', { list: 'news@lists.here.test' }, 'a@example.org\nb@example.org\n')
  for (const subject of ['Boat for sale', 'Regatta on Sunday', 'Cheap watches'])
    await submit({ from: 'guest@bad.test', to: ['news@lists.here.test'], content: letter(subject) })
  await deliver()
}
