/**
 * A raw SMTP client for tests: sends exactly the octets it is given, reads whole replies.
 *
 * Every reply is checked against the grammar (RFC 5321 section 4.2).
 */
import assert from 'node:assert/strict'
import type { NetConnectOpts } from 'node:net'
import type { TestContext } from 'node:test'
import { connectLineClient, type LineClient } from 'iems/testing'
import { smtpReplyFaults } from './reply-grammar.ts'

export interface Talk extends LineClient {
  /** One line with CRLF, then the whole reply to it. */
  ask(line: string): Promise<string>
  /** The next reply, its lines joined by LF, without the last CRLF; '' when the server has closed. */
  reply(): Promise<string>
}

/** Collects the lines of replies and checks each whole reply. */
export function replyChecker(): (line: string) => void {
  let lines = ''
  return (line) => {
    lines += `${line}\r\n`
    if (/^\d{3}-/.test(line)) return
    const reply = lines
    lines = ''
    assert.deepEqual(smtpReplyFaults(reply), [], reply)
  }
}

export async function talk(
  t: Pick<TestContext, 'after'>,
  to: NetConnectOpts | number,
  tls?: { servername?: string },
): Promise<Talk> {
  const client = await connectLineClient(t, to, { check: replyChecker(), ...(tls ? { tls } : {}) })
  const reply = async () => {
    const lines: string[] = []
    do {
      const line = await client.line()
      if (line === undefined) break
      lines.push(line)
    } while (/^\d{3}-/.test(lines.at(-1) ?? ''))
    return lines.join('\n')
  }
  return Object.assign(client, {
    reply,
    ask(line: string) {
      client.send(`${line}\r\n`)
      return reply()
    },
  })
}
