/**
 * A mail server with web mail for the tests of the browser: SMTP, IMAP, HTTP, JMAP, and Debian's Chromium.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import type { PluginEntry } from 'iems'
import { http } from 'iems/plugins/http'
import { imap } from 'iems/plugins/imap'
import { jmap } from 'iems/plugins/jmap'
import { smtpIn } from 'iems/plugins/smtp-in'
import { webmail } from 'iems/plugins/webmail'
import { missing } from 'iems/testing'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { MailboxRef } from '../../plugins/mailbox/store/api.ts'
import { builtFolder } from '../../plugins/web/app/assets.ts'
import { createDirectoryKernel } from './directory.ts'
import type { Json } from './jmap.ts'
import { movingClock } from './moving-clock.ts'
import type { Sample } from './web-mail-samples.ts'

export const CHROMIUM = '/usr/bin/chromium'
/** The longest that one step in a page may take: a step that cannot succeed says so, and no test hangs. */
const STEP_TIMEOUT_MS = 40_000
/** Options of a test in the browser. Its steps have their own limit, so that of the whole is for a very busy machine. */
export const IN_BROWSER = { skip: missing(CHROMIUM), timeout: 600_000 }

/** The accounts `ann` and `bob` of here.test; the passwords are `ann-secret` and so on. */
export async function startWebMail(
  t: Pick<TestContext, 'after'>,
  options: Parameters<typeof jmap>[0] = {},
  mailOptions: Parameters<typeof webmail>[0] = {},
  plugins: readonly PluginEntry[] = [],
) {
  // Not within the time of a step.
  await builtFolder('mail')
  const here = await createDirectoryKernel(t, {
    clock: movingClock(),
    channels: {
      web: http({ listen: '127.0.0.1:0', limits: { requestsPerMinute: 100_000 } }),
      mx: smtpIn({ listen: '127.0.0.1:0' }),
      imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }),
    },
    plugins: [jmap(options), webmail(mailOptions), ...plugins],
  })
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  for (const [name, displayName] of [
    ['ann', 'Ann Ekström'],
    ['bob', 'Bob Lindqvist'],
  ] as const)
    await here.make({
      add: { kind: 'account', name, displayName, addresses: [`${name}@here.test`], password: `${name}-secret` },
    })
  /** A message of an Inbox, counted from 1, as it is stored. */
  async function source(name: string, number: number): Promise<string> {
    const account = (await here.directory.byName('account', name)) as { readonly id: string }
    const ref = (await here.mail.find(account.id, 'INBOX')) as MailboxRef
    const entries = await Array.fromAsync(here.mail.entries(ref, [[1, 4_294_967_295]]))
    const content = await here.mail.email(entries[number - 1]?.email ?? '')
    return Buffer.concat(await Array.fromAsync(content?.open() ?? [])).toString()
  }
  /** A message from outside by swaks, until it is delivered. */
  async function send(from: string, to: string, subject: string, body = 'Text.'): Promise<void> {
    await promisify(execFile)('swaks', [
      ...['--server', `127.0.0.1:${here.listener('mx').port}`, '--from', from, '--to', to],
      ...['--header', `Subject: ${subject}`, '--body', body, '--timeout', '10'],
    ])
    await here.deliver()
  }
  /** A whole message from outside by swaks, octet for octet, until it is delivered. */
  async function sendFile(from: string, to: string, path: string): Promise<void> {
    await promisify(execFile)('swaks', [
      ...['--server', `127.0.0.1:${here.listener('mx').port}`, '--from', from, '--to', to],
      ...['--data', `@${path}`, '--timeout', '10'],
    ])
    await here.deliver()
  }
  return { ...here, source, send, sendFile, base: `http://127.0.0.1:${here.listener('web').port}` }
}

/** In place of a test's own `after`: what one test starts stays for the others of the file. Call it outside of tests. */
export function afterAll(): Pick<TestContext, 'after'> {
  const closers: (() => unknown)[] = []
  after(async () => {
    for (const close of closers.reverse()) await close()
  })
  return { after: (close) => void closers.push(close as () => unknown) }
}

export async function startBrowser(t: Pick<TestContext, 'after'>): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  t.after(() => browser.close())
  return browser
}

export interface Watched {
  readonly page: Page
  /** Errors of the console, exceptions and violations of the page's policy. */
  readonly problems: string[]
}

/** A page whose problems are written down. */
export async function openPage(
  browser: Browser,
  base: string,
  options: BrowserContextOptions = {},
  path = '/mail/',
): Promise<Watched> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    reducedMotion: 'reduce',
    ...options,
  })
  context.setDefaultTimeout(STEP_TIMEOUT_MS)
  const page = await context.newPage()
  const problems: string[] = []
  page.on('console', (message) => {
    // The browser writes down each refused request itself; a wrong password is one of the tests.
    if (message.type() === 'error' && !message.text().includes('401')) problems.push(message.text())
  })
  page.on('pageerror', (error) => problems.push(String(error)))
  await page.goto(`${base}${path}`)
  return { page, problems }
}

export async function logIn(page: Page, name: string): Promise<void> {
  await page.getByLabel(/^Address|^Adresse/).fill(name)
  await page.getByLabel(/^(Password|Passwort)$/).fill(`${name}-secret`)
  await page.getByRole('button', { name: /^(Sign in|Anmelden)$/ }).click()
  await page.locator('.mail').waitFor()
}

/** Waits until an expression of the page is true. Its policy forbids what `waitForFunction` does with text. */
export const until = (page: Page, expression: string): Promise<unknown> =>
  page.evaluate(`new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('it did not become true')), ${STEP_TIMEOUT_MS})
    const look = () => (${expression}) ? resolve() : requestAnimationFrame(look)
    look()
  })`)

/** A server that writes down what is asked of it: nothing should be. */
export async function startTrap(t: Pick<TestContext, 'after'>) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { asked, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** Files messages into an account's Inbox over JMAP. */
export async function fileMail(base: string, name: string, mail: readonly Sample[]): Promise<void> {
  const authorization = `Basic ${Buffer.from(`${name}:${name}-secret`).toString('base64')}`
  const ask = async (path: string, body: string | Buffer<ArrayBuffer>, type: string) => {
    const response = await fetch(base + path, {
      method: 'POST',
      headers: { authorization, 'content-type': type },
      body,
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as Json
  }
  const session = (await (await fetch(`${base}/jmap/session`, { headers: { authorization } })).json()) as Json
  const accountId = session.primaryAccounts['urn:ietf:params:jmap:mail'] as string
  const call = async (method: string, given: object) => {
    const using = ['urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail']
    const request = { using, methodCalls: [[method, { accountId, ...given }, 'a']] }
    return (await ask('/jmap/api', JSON.stringify(request), 'application/json')).methodResponses[0][1]
  }
  const boxes = (await call('Mailbox/get', { ids: null })).list as { id: string; role: string | null }[]
  const inbox = boxes.find(({ role }) => role === 'inbox')?.id as string
  const emails: Record<string, object> = {}
  for (const [index, { text, age, keywords = {} }] of mail.entries()) {
    const { blobId } = await ask(`/jmap/upload/${accountId}`, text, 'message/rfc822')
    const receivedAt = `${new Date(Date.now() - age * 3_600_000).toISOString().slice(0, 19)}Z`
    emails[`e${index}`] = { blobId, mailboxIds: { [inbox]: true }, keywords, receivedAt }
  }
  const made = await call('Email/import', { emails })
  if (made.notCreated) throw new Error(JSON.stringify(made.notCreated))
}
