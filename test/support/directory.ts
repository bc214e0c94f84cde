/**
 * A kernel with the directory and mailboxes, its service in the hands of the test, and its commands as admins type them.
 */
import type { TestContext } from 'node:test'
import * as z from 'zod'
import { type CommandOutput, definePlugin, type Recipient, type SetupContext } from '../../core/index.ts'
import { createTestKernel, type TestKernel, type TestKernelOptions } from '../../core/testing/index.ts'
import { Accounts, type AccountsApi } from '../../plugins/directory/static/api.ts'
import {
  type Change,
  type Changed,
  Directory,
  type DirectoryApi,
  type Entry,
} from '../../plugins/directory/store/api.ts'
import { directory } from '../../plugins/directory/store/index.ts'
import { type MailboxRef, MailStore, type MailStoreApi } from '../../plugins/mailbox/store/api.ts'
import { mailstore } from '../../plugins/mailbox/store/index.ts'

export interface Said {
  readonly lines: readonly string[]
  readonly values: readonly unknown[]
  readonly bytes: Buffer
}

export interface DirectoryKernel extends TestKernel {
  readonly directory: DirectoryApi
  readonly accounts: AccountsApi
  readonly mail: MailStoreApi
  /** A client of a channel that trusts nobody. */
  readonly openSession: SetupContext['openSession']
  /** One change that must not be refused. */
  make(change: Change): Promise<Entry>
  /** A command by its words; what follows them is split at spaces, quotes keep together. */
  iems(line: string, input?: string | Buffer): Promise<Said>
  /** Subjects in somebody's Inbox. */
  inbox(name: string): Promise<readonly string[]>
}

export async function createDirectoryKernel(
  t: Pick<TestContext, 'after'>,
  options: TestKernelOptions & { readonly directory?: Parameters<typeof directory>[0] } = {},
): Promise<DirectoryKernel> {
  const { directory: given, ...rest } = options
  const lent: {
    directory?: DirectoryApi
    accounts?: AccountsApi
    mail?: MailStoreApi
    openSession?: SetupContext['openSession']
  } = {}
  const borrow = definePlugin({
    name: 'borrow',
    config: z.undefined(),
    needs: [Accounts, Directory, MailStore],
    setup(_, ctx) {
      lent.directory = ctx.use(Directory)
      lent.accounts = ctx.use(Accounts)
      lent.mail = ctx.use(MailStore)
      lent.openSession = ctx.openSession
      return {}
    },
  })
  const kernel = await createTestKernel(t, {
    deliver: ({ recipients }: { recipients: readonly Recipient[] }) =>
      recipients.map((recipient) => ({
        recipient,
        status: 'delivered' as const,
        reply: { code: 250, enhanced: '2.0.0' as const, text: 'ok' },
      })),
    ...rest,
    channels: { ...rest.channels, local: mailstore({}, { accepts: 'anyone' }) },
    // Tests are about other things than strong passwords.
    plugins: [
      directory({ passwords: { minLength: 1, notTheName: false }, ...given }),
      borrow(),
      ...(rest.plugins ?? []),
    ],
  })
  const service = lent.directory as DirectoryApi
  const mail = lent.mail as MailStoreApi
  return {
    ...kernel,
    directory: service,
    accounts: lent.accounts as AccountsApi,
    mail,
    openSession: lent.openSession as SetupContext['openSession'],
    async make(change) {
      const [result] = (await service.change([change], 'test')) as [Changed]
      if ('refused' in result) throw new Error(`refused: ${result.refused} ${result.why}`)
      return result.entry
    },
    async iems(line, input = '') {
      const words = (line.match(/(?:"[^"]*"|[^\s"])+/g) ?? []).map((word) => word.replaceAll('"', ''))
      const known = [...kernel.kernel.commands.keys()]
      const name = [2, 1].map((count) => words.slice(0, count).join(' ')).find((one) => known.includes(one))
      const command = name === undefined ? undefined : kernel.kernel.commands.get(name)
      if (!command || name === undefined) throw new Error(`no command: ${line}`)
      const left = words.slice(name.split(' ').length)
      const values: Record<string, string | true> = {}
      const args: string[] = []
      for (let at = 0; at < left.length; at++) {
        const word = left[at] as string
        const flag = Object.keys(command.options ?? {}).find((one) => one.split(' ')[0] === word)
        if (!flag) args.push(word)
        else values[word.slice(2)] = flag.includes('<') ? (left[++at] as string) : true
      }
      const lines: string[] = []
      const said: unknown[] = []
      const bytes: Uint8Array[] = []
      const call = {
        arguments: args,
        options: values,
        signal: new AbortController().signal,
        input: (async function* () {
          if (input.length > 0) yield Buffer.from(input)
        })(),
      }
      for await (const one of command.run(call) as AsyncIterable<CommandOutput>) {
        if ('text' in one) lines.push(one.text)
        if ('text' in one && one.value !== undefined) said.push(one.value)
        if ('bytes' in one) bytes.push(one.bytes)
      }
      return { lines, values: said, bytes: Buffer.concat(bytes) }
    },
    async inbox(name) {
      const account = await service.byName('account', name)
      const ref = account && ((await mail.find(account.id, 'INBOX')) as MailboxRef | undefined)
      if (!ref) return []
      const subjects: string[] = []
      for await (const { email } of mail.entries(ref, [[1, 4_294_967_295]]))
        subjects.push((await (await mail.email(email))?.field('subject')) ?? '')
      return subjects
    },
  }
}
