/**
 * A kernel with mailboxes whose accounts are on another LDAP server, in the hands of the test.
 */
import type { TestContext } from 'node:test'
import * as z from 'zod'
import { definePlugin, type SetupContext } from '../../core/index.ts'
import { createTestKernel, type TestKernel } from '../../core/testing/index.ts'
import { ldapClient } from '../../plugins/directory/ldap/client/index.ts'
import { Accounts, type AccountsApi } from '../../plugins/directory/static/api.ts'
import { type MailboxRef, MailStore, type MailStoreApi } from '../../plugins/mailbox/store/api.ts'
import { mailstore } from '../../plugins/mailbox/store/index.ts'

export interface ClientKernel extends TestKernel {
  readonly accounts: AccountsApi
  /** The reply to somebody who logs in, or who he is. */
  login(username: string, password: string): Promise<number | string>
  /** Sends one message; its reply. */
  send(to: string, subject?: string): Promise<number>
  inbox(name: string): Promise<readonly string[]>
  readonly openSession: SetupContext['openSession']
}

export async function createClientKernel(
  t: Pick<TestContext, 'after'>,
  options: Partial<Parameters<typeof ldapClient>[0]>,
  { expectsFaults = false }: { readonly expectsFaults?: boolean } = {},
): Promise<ClientKernel> {
  const lent: { accounts?: AccountsApi; mail?: MailStoreApi; openSession?: SetupContext['openSession'] } = {}
  const borrow = definePlugin({
    name: 'borrow',
    config: z.undefined(),
    needs: [Accounts, MailStore],
    setup(_, ctx) {
      lent.accounts = ctx.use(Accounts)
      lent.mail = ctx.use(MailStore)
      lent.openSession = ctx.openSession
      return {}
    },
  })
  const kernel = await createTestKernel(t, {
    expectsFaults,
    deliver: ({ recipients }) =>
      recipients.map((recipient) => ({
        recipient,
        status: 'delivered',
        reply: { code: 250, enhanced: '2.0.0', text: 'ok' },
      })),
    channels: { local: mailstore({}, { accepts: 'anyone' }) },
    plugins: [
      ldapClient({
        servers: ['ldap://127.0.0.1:1'],
        base: 'dc=example,dc=org',
        domains: ['example.org'],
        startTls: false,
        mailHostChannel: 'out',
        ...options,
      } as never),
      borrow(),
    ],
  })
  const { accounts, mail, openSession } = lent as Required<typeof lent>
  let logins = 0
  return {
    ...kernel,
    accounts,
    openSession,
    async login(username, password) {
      // From somewhere else each time: who fails too often has to wait.
      const session = openSession({ protocol: 'IMAP', remote: { address: `10.0.${logins >> 8}.${logins++ & 255}` } })
      const answer = await session.auth({ kind: 'password', username, password })
      return answer.kind === 'identity' ? answer.user : answer.reply.code
    },
    async send(to, subject = 'x') {
      const message = { from: 'x@far.test', to: [to], content: `Subject: ${subject}\r\n\r\n` }
      const { reply, refused } = await kernel.submit(message)
      await kernel.deliver()
      return refused[0]?.reply.code ?? reply.code
    },
    async inbox(name) {
      const account = await accounts.byName(name)
      const ref = account && ((await mail.find(account.id, 'INBOX')) as MailboxRef | undefined)
      if (!ref) return []
      const subjects: string[] = []
      for await (const { email } of mail.entries(ref, [[1, 4_294_967_295]]))
        subjects.push((await (await mail.email(email))?.field('subject')) ?? '')
      return subjects
    },
  }
}
