/**
 * A kernel with accounts and their mailboxes, and the MailStore service in the hands of the test.
 */
import type { TestContext } from 'node:test'
import * as z from 'zod'
import { definePlugin } from '../../core/index.ts'
import { createTestKernel, type TestKernel, type TestKernelOptions } from '../../core/testing/index.ts'
import { type Account, Accounts, type AccountsApi } from '../../plugins/directory/static/api.ts'
import { accounts } from '../../plugins/directory/static/index.ts'
import {
  type Entry,
  type Mailbox,
  MailQuery,
  type MailQueryApi,
  MailStore,
  type MailStoreApi,
  type Refused,
} from '../../plugins/mailbox/store/api.ts'
import { mailstore } from '../../plugins/mailbox/store/index.ts'

export interface MailKernel extends TestKernel {
  readonly mail: MailStoreApi
  readonly query: MailQueryApi
  readonly accounts: AccountsApi
  /** A mailbox by name; throws if it is not there. */
  mailbox(account: string, name?: string): Promise<Mailbox>
  entries(account: string, name?: string): Promise<readonly Entry[]>
  content(email: string): Promise<string>
}

type AccountOptions = Parameters<typeof accounts>[0]['accounts']

export interface MailKernelOptions extends TestKernelOptions {
  readonly people?: AccountOptions
  readonly mailstore?: Parameters<typeof mailstore>[0]
}

export const PEOPLE: NonNullable<AccountOptions> = [
  { name: 'ann', addresses: ['ann@here.test', 'anne@here.test'] },
  { name: 'bob', addresses: ['bob@here.test'] },
]

export async function createMailKernel(
  t: Pick<TestContext, 'after'>,
  { people = PEOPLE, mailstore: options, ...rest }: MailKernelOptions = {},
): Promise<MailKernel> {
  const lent: { mail?: MailStoreApi; query?: MailQueryApi; accounts?: AccountsApi } = {}
  const borrow = definePlugin({
    name: 'borrow',
    config: z.undefined(),
    needs: [MailStore, MailQuery, Accounts],
    setup(_, ctx) {
      lent.mail = ctx.use(MailStore)
      lent.query = ctx.use(MailQuery)
      lent.accounts = ctx.use(Accounts)
      return {}
    },
  })
  const kernel = await createTestKernel(t, {
    ...rest,
    channels: { ...rest.channels, local: mailstore(options ?? {}, { accepts: 'anyone' }) },
    plugins: [accounts({ domains: ['here.test'], accounts: people }), borrow(), ...(rest.plugins ?? [])],
  })
  const { mail, query, accounts: api } = lent as { mail: MailStoreApi; query: MailQueryApi; accounts: AccountsApi }
  const mailbox = async (account: string, name = 'INBOX') => {
    const found = await mail.find(account, name)
    if (!found) throw new Error(`${account} has no ${name}`)
    return found
  }
  return {
    ...kernel,
    mail,
    query,
    accounts: api,
    mailbox,
    async entries(account, name) {
      return Array.fromAsync(mail.entries(await mailbox(account, name), [[1, 4_294_967_295]]))
    },
    async content(id) {
      const email = await mail.email(id)
      if (!email) throw new Error(`${id} is not there`)
      return Buffer.concat(await Array.fromAsync(email.open())).toString('latin1')
    },
  }
}

/** What was not refused. */
export function allowed<T>(value: T | Refused): T {
  if (typeof value === 'object' && value !== null && 'refused' in value)
    throw new Error(`refused: ${value.refused} ${value.why}`)
  return value
}

/** Content from text, as a client appends it. */
export async function* contentOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text, 'latin1')
}

export type { Account }
