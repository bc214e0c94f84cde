/**
 * A kernel with mailing lists at lists.test, its members outside, and the commands with their schemas.
 */
import type { TestContext } from 'node:test'
import type { CommandOutput } from '../../core/index.ts'
import { createTestKernel, type Delivered, type TestKernel, type TestKernelOptions } from '../../core/testing/index.ts'
import { lists } from '../../plugins/lists/index.ts'

export interface ListsKernel extends TestKernel {
  /** A command with its values, which are validated first. */
  iems(words: string, values: Readonly<Record<string, unknown>>, input?: string | Buffer): Promise<CommandOutput[]>
  /** The rows of a command. */
  rows(words: string, values: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>[]>
  /** Sends a message from outside, and delivers everything. */
  post(
    message: PostedMessage,
  ): Promise<{ readonly code: number; readonly text: string; readonly sent: readonly Delivered[] }>
}

export interface PostedMessage {
  readonly from: string
  readonly to?: string
  /** Of the envelope, if it is not the address in From. */
  readonly sender?: string
  readonly subject?: string
  /** Further fields, with their line ends. */
  readonly head?: string
  readonly body?: string
}

export const LIST = 'dev@lists.test'

export async function createListsKernel(
  t: Pick<TestContext, 'after'>,
  { lists: options = {}, ...rest }: TestKernelOptions & { readonly lists?: Parameters<typeof lists>[0] } = {},
): Promise<ListsKernel> {
  const deliver: TestKernelOptions['deliver'] =
    rest.deliver ??
    ((delivery) =>
      delivery.recipients.map((recipient) => ({
        recipient,
        status: 'delivered',
        reply: { code: 250, enhanced: '2.0.0', text: 'OK' },
      })))
  const kernel = await createTestKernel(t, { ...rest, channels: { ...rest.channels, lists: lists(options) }, deliver })
  const stranger = kernel.session()
  let count = 0

  const iems: ListsKernel['iems'] = (words, values, input) => runCommand(kernel, words, values, input)

  return {
    ...kernel,
    iems,
    async rows(words, values) {
      return (await iems(words, values)).flatMap((one) =>
        'value' in one && one.value ? [one.value as Record<string, unknown>] : [],
      )
    },
    async post({ from, to = LIST, sender = from, subject = 'Hello', head = '', body = 'Good day.' }) {
      const before = kernel.delivered.length
      const content = `From: ${from}\r\nTo: ${to}\r\nSubject: ${subject}\r\nMessage-ID: <${++count}@far.test>\r\nDate: Fri, 2 Jan 2026 10:00:00 +0000\r\n${head}\r\n${body}\r\n`
      const { reply } = await stranger.submit({ from: sender, to: [to], content })
      await kernel.deliver()
      return { code: reply.code, text: reply.text, sent: kernel.delivered.slice(before) }
    },
  }
}

/** A command with its values, which are validated first. */
export async function runCommand(
  kernel: Pick<TestKernel, 'kernel' | 'command'>,
  words: string,
  values: Readonly<Record<string, unknown>>,
  input: string | Buffer = '',
): Promise<CommandOutput[]> {
  const command = kernel.kernel.commands.get(words)
  const read = await command?.fields?.['~standard'].validate(values)
  if (!read || read.issues) throw new Error(`${words}: ${JSON.stringify(read?.issues ?? 'no such command')}`)
  return kernel.command(words, { values: read.value, input })
}

/** The values of a field, unfolded. */
export function fieldsOf({ content }: Pick<Delivered, 'content'>, name: string): string[] {
  const header = content.slice(0, content.indexOf('\r\n\r\n')).replace(/\r\n(?=[ \t])/g, '')
  return header
    .split('\r\n')
    .filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    .map((line) => line.slice(name.length + 1).trim())
}

export const bodyOf = ({ content }: Pick<Delivered, 'content'>): string =>
  content.slice(content.indexOf('\r\n\r\n') + 4)
