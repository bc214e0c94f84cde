/**
 * A kernel with mailboxes, HTTP and JMAP, and JMAP clients of its accounts.
 */
import type { TestContext } from 'node:test'
import type { PluginEntry } from 'iems'
import { http } from 'iems/plugins/http'
import { jmap } from 'iems/plugins/jmap'
import type { TestKernelOptions } from '../../core/testing/index.ts'
import { createDirectoryKernel } from './directory.ts'

/** What a server answers: the test knows its shape. */
// biome-ignore lint/suspicious/noExplicitAny: as said above
export type Json = Record<string, any>
export type Call = readonly [name: string, given: Json, id?: string]

export async function startJmap(
  t: TestContext,
  options: Parameters<typeof jmap>[0] = {},
  more: readonly PluginEntry[] = [],
  channels: NonNullable<TestKernelOptions['channels']> = {},
  shared: Pick<TestKernelOptions, 'store' | 'clock'> = {},
) {
  const here = await createDirectoryKernel(t, {
    ...shared,
    channels: { web: http({ listen: '127.0.0.1:0', limits: { requestsPerMinute: 100_000 } }), ...channels },
    plugins: [jmap(options), ...more],
  })
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  for (const name of ['ann', 'bob'])
    await here.make({ add: { kind: 'account', name, addresses: [`${name}@here.test`], password: `${name}-secret` } })
  const base = `http://127.0.0.1:${here.listener('web').port}`

  async function client(name: string) {
    const account = (await here.directory.byName('account', name))?.id as string
    const authorization = `Basic ${Buffer.from(`${name}:${name}-secret`).toString('base64')}`
    const post = (body: string, headers: Record<string, string> = {}) =>
      fetch(`${base}/jmap/api`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', ...headers },
        body,
      })
    /** The responses' arguments, in order. */
    const known = async () =>
      Object.keys(
        ((await (await fetch(`${base}/jmap/session`, { headers: { authorization } })).json()) as Json).capabilities,
      )
    let using: readonly string[] | undefined
    async function call(...calls: readonly Call[]): Promise<Json[]> {
      using ??= await known()
      const methodCalls = calls.map(([method, given, id], index) => [
        method,
        { accountId: account, ...given },
        id ?? `c${index}`,
      ])
      const response = await post(JSON.stringify({ using, methodCalls }))
      const json = (await response.json()) as Json
      if (response.status !== 200) throw new Error(`${response.status} ${json.detail}`)
      return json.methodResponses.map(([method, given]: [string, Json]) =>
        method === 'error' ? { error: given } : given,
      )
    }
    /** One call's response. */
    const one = async (method: string, given: Json = {}) => (await call([method, given]))[0] as Json
    async function upload(content: string | Uint8Array, type = 'message/rfc822'): Promise<string> {
      const response = await fetch(`${base}/jmap/upload/${account}`, {
        method: 'POST',
        headers: { authorization, 'content-type': type },
        body: content as string,
      })
      return ((await response.json()) as Json).blobId
    }
    const mailboxes = async () => (await one('Mailbox/get', { ids: null })).list as Json[]
    const mailbox = async (role: string) => (await mailboxes()).find((found) => found.role === role)?.id as string
    /** Files a message by Email/import; its id. */
    async function file(content: string, given: Json = {}): Promise<string> {
      const blobId = await upload(content)
      const made = await one('Email/import', {
        emails: { a: { blobId, mailboxIds: { [await mailbox('inbox')]: true }, ...given } },
      })
      if (!made.created) throw new Error(JSON.stringify(made.notCreated ?? made.error))
      return made.created.a.id
    }
    return { account, authorization, base, post, call, one, upload, mailboxes, mailbox, file }
  }
  return { ...here, base, client }
}

/** A message with these fields and a plain body. */
export const message = (fields: Readonly<Record<string, string>>, body = 'Hello.\r\n'): string =>
  `${Object.entries({ From: 'Bob <bob@here.test>', To: 'ann@here.test', ...fields })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n${body}`
