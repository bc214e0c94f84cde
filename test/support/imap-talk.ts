/**
 * An IMAP client of a few lines, for tests that look at every octet, and a server to talk to.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { imap } from '../../plugins/access/imap/index.ts'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { checkResponse } from './imap-grammar.ts'
import { createMailKernel, type MailKernel, type MailKernelOptions } from './mailstore.ts'

export interface ImapTalk {
  readonly socket: Socket
  /** Everything until the tagged answer of this command, its lines without their ends; literals stay in them. */
  command(text: string): Promise<string[]>
  /** Sends as it is. */
  send(text: string | Buffer): void
  /** The next line, literals included. */
  line(): Promise<string>
  close(): void
}

let hash: Promise<string> | undefined

/** A kernel with two accounts, ann and bob, whose passwords are their names, and an IMAP listener. */
export async function createImapKernel(
  t: Pick<TestContext, 'after'>,
  options: MailKernelOptions & { readonly imap?: Partial<Parameters<typeof imap>[0]> } = {},
): Promise<MailKernel & { readonly port: number; talk(user?: string): Promise<ImapTalk> }> {
  hash ??= hashPassword('secret')
  const password = await hash
  const people = ['ann', 'bob'].map((name) => ({ name, addresses: [`${name}@here.test`], password }))
  const { imap: settings, ...rest } = options
  const kernel = await createMailKernel(t, {
    people,
    ...rest,
    channels: { imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true, ...settings }), ...rest.channels },
  })
  const { port } = kernel.listener('imap')
  return {
    ...kernel,
    port,
    async talk(user) {
      const client = await talkTo(t, port)
      await client.line()
      if (user) {
        const [answer = ''] = (await client.command(`LOGIN ${user} secret`)).slice(-1)
        if (!answer.includes('OK')) throw new Error(answer)
      }
      return client
    },
  }
}

/** `isChecked`: every line of the server is checked against the grammar of IMAP. Default true; false for other servers. */
export async function talkTo(
  t: Pick<TestContext, 'after'>,
  port: number,
  { isChecked = true }: { readonly isChecked?: boolean } = {},
): Promise<ImapTalk> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  t.after(() => socket.destroy())
  let held = Buffer.alloc(0)
  let isOver = false
  let wake: () => void = () => {}
  socket.on('data', (chunk) => {
    held = Buffer.concat([held, chunk])
    wake()
  })
  socket.on('close', () => {
    isOver = true
    wake()
  })
  socket.on('error', () => {})
  const more = () =>
    new Promise<void>((resolve, reject) => {
      if (isOver) return reject(new Error(`the server has hung up after: ${held}`))
      const timer = setTimeout(() => reject(new Error(`the server is silent after: ${held}`)), 30_000)
      wake = () => {
        clearTimeout(timer)
        if (isOver && held.length === 0) reject(new Error('the server has hung up'))
        else resolve()
      }
    })
  let isUtf8 = false
  const check = (text: string) => {
    checkResponse(text, { isUtf8 })
    if (/^\* ENABLED.* (?:IMAP4rev2|UTF8=ACCEPT)/i.test(text)) isUtf8 = true
    if (text.endsWith('OK UNAUTHENTICATE completed')) isUtf8 = false
  }
  async function line(): Promise<string> {
    for (let from = 0; ; ) {
      const end = held.indexOf('\r\n', from)
      if (end < 0) {
        await more()
        continue
      }
      const [, size] = /\{(\d+)\}$/.exec(held.toString('latin1', from, end)) ?? []
      if (size !== undefined) {
        const rest = end + 2 + Number(size)
        while (held.length < rest) await more()
        from = rest
        continue
      }
      const text = held.toString('latin1', 0, end)
      held = held.subarray(end + 2)
      if (isChecked) check(text)
      return text
    }
  }
  let count = 0
  return {
    socket,
    line,
    send: (text) => void socket.write(text),
    async command(text) {
      const tag = `a${++count}`
      socket.write(Buffer.from(`${tag} ${text}\r\n`, 'latin1'))
      const lines: string[] = []
      for (;;) {
        const next = await line()
        lines.push(next.startsWith(`${tag} `) ? next.slice(tag.length + 1) : next)
        if (next.startsWith(`${tag} `)) return lines
      }
    },
    close: () => socket.destroy(),
  }
}
