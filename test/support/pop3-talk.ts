/**
 * A raw POP3 client for tests. Every status line and every content is checked against the grammar (RFC 1939 sections 3
 * and 4), unless the server is another one.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { connectLineClient, type LineClient } from 'iems/testing'
import { contentFaults, statusLineFaults } from './reply-grammar.ts'

export interface Pop3Talk extends Omit<LineClient, 'line'> {
  /** The next status line. */
  line(): Promise<string>
  /** One command and its answer; `isLong`: with its content, if it succeeds, to the last dot. */
  say(line: string, isLong?: boolean): Promise<string[]>
}

export async function talkPop3(
  t: Pick<TestContext, 'after'>,
  port: number,
  { isChecked = true }: { readonly isChecked?: boolean } = {},
): Promise<Pop3Talk> {
  const client = await connectLineClient(t, port, { timeout: 10_000 })
  const next = async () => {
    const line = await client.line()
    if (line === undefined) throw new Error('the server has hung up')
    return line
  }
  const status = async () => {
    const line = await next()
    if (isChecked) assert.deepEqual(statusLineFaults(line), [], line)
    return line
  }
  assert.match(await status(), /^\+OK /)
  return Object.assign(Object.create(client) as LineClient, {
    line: status,
    async say(command: string, isLong = false) {
      client.send(`${command}\r\n`)
      const first = await status()
      if (!isLong || !first.startsWith('+')) return [first]
      const lines: string[] = []
      do lines.push(await next())
      while (lines.at(-1) !== '.')
      if (isChecked) assert.deepEqual(contentFaults(`${lines.join('\r\n')}\r\n`), [])
      return [first, ...lines]
    },
  })
}
