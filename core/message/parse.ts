/**
 * mailparser's view of a message, for plugins that request it.
 *
 * Invariants: a message that mailparser cannot read is unparseable, never undeliverable; parsing is linear in the size
 * of the input, and the header is limited, because mailparser blocks the event loop while it reads one (seconds for 1
 * MB of addresses). Child parts are counted by mailparser.
 */
import type { ParsedMail } from 'mailparser'

/** Maximum header size of a message that is parsed, in octets. */
export const MAX_PARSED_HEADER = 131_072

export async function parseMessage(content: AsyncIterable<Uint8Array>): Promise<ParsedMail | undefined> {
  const { simpleParser } = await import('mailparser')
  const { Readable } = await import('node:stream')
  try {
    // mailparser's conversions between text and HTML block the event loop, and no plugin needs them.
    return await simpleParser(Readable.from(content), {
      skipHtmlToText: true,
      skipTextLinks: true,
      skipTextToHtml: true,
      skipImageLinks: true,
    })
  } catch {
    // Too many parts or too long a header: the caller gets undefined, and the message continues.
    return undefined
  }
}
