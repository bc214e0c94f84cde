/**
 * mailparser's view of a message, for plugins that ask for it.
 *
 * What must stay true: what it cannot read is unparseable, never undeliverable; its work is linear in the octets that
 * it is given, and no header is so long that reading it keeps the others waiting (1 MB of addresses takes seconds). It
 * counts child parts by itself.
 */
import type { ParsedMail } from 'mailparser'

/** Octets of the header of a message that is parsed. */
export const MAX_PARSED_HEADER = 131_072

export async function parseMessage(content: AsyncIterable<Uint8Array>): Promise<ParsedMail | undefined> {
  const { simpleParser } = await import('mailparser')
  const { Readable } = await import('node:stream')
  try {
    // Its conversions between text and HTML block the event loop for long, and no plugin needs them.
    return await simpleParser(Readable.from(content), {
      skipHtmlToText: true,
      skipTextLinks: true,
      skipTextToHtml: true,
      skipImageLinks: true,
    })
  } catch {
    // Too many parts or too long a header: the caller gets undefined, and the message goes on.
    return undefined
  }
}
