/**
 * SpamAssassin's spamd, by spamc's protocol: `SYMBOLS`, answered with verdict, score and rule names.
 *
 * Invariants: an invalid response is a failure of that server, never a verdict.
 */
import { type BackendAddress, type BackendPoolOptions, createBackendPool, type ReadableMessage } from 'iems'
import { exchange } from './exchange.ts'
import type { SpamassassinOptions } from './options.ts'
import { type Scan, type Scanner, symbolList } from './scanner.ts'

export function createSpamassassin(
  options: SpamassassinOptions,
  parts: Pick<BackendPoolOptions, 'now' | 'log'>,
): Scanner {
  const servers = createBackendPool({ ...parts, ...options, service: 'spamassassin' })

  async function ask(to: BackendAddress, message: ReadableMessage, signal: AbortSignal): Promise<Scan> {
    const user = options.user === undefined ? '' : `User: ${options.user}\r\n`
    const { size, content } = withHint(message)
    const head = `SYMBOLS SPAMC/1.5\r\nContent-length: ${size}\r\n${user}\r\n`
    const said = await exchange(to, { head, content, signal })
    return scanOf(said.toString('latin1'), options)
  }

  return {
    name: 'spamassassin',
    options,
    states: servers.states,
    backends: servers.backends,
    close() {},
    scan: (message) => servers.ask((to, signal) => ask(to, message, signal)),
  }
}

/**
 * Courier's format: without it SpamAssassin takes a Received without a name for "no reverse DNS" and does not look it
 * up.
 */
const NOT_KNOWN = 'softdnserr '
/** This server's own Received, at the top, is shorter. */
const TOP = 8192

/** The message for SpamAssassin, with a hint in the server's Received when the client's name is unknown. */
function withHint(message: ReadableMessage): { readonly size: number; readonly content: AsyncIterable<Uint8Array> } {
  const { address, name } = message.session.remote
  const literal = `([${address.includes(':') ? `IPv6:${address}` : address}])`
  const isMeant = name === undefined && message.headers.get('received')[0]?.includes(literal)
  if (!isMeant) return { size: message.size, content: message.open() }
  return { size: message.size + NOT_KNOWN.length, content: hinted(message.open(), literal) }
}

async function* hinted(content: AsyncIterable<Uint8Array>, literal: string): AsyncGenerator<Uint8Array> {
  let top: Buffer | undefined = Buffer.alloc(0)
  const shown = (octets: Buffer) =>
    Buffer.from(octets.toString('latin1').replace(literal, `(${NOT_KNOWN}${literal.slice(1)}`), 'latin1')
  for await (const chunk of content) {
    if (top === undefined) {
      yield chunk
      continue
    }
    top = Buffer.concat([top, chunk])
    if (top.length < TOP) continue
    yield shown(top)
    top = undefined
  }
  if (top) yield shown(top)
}

const VERDICT = /^Spam: (True|False) ; (-?\d{1,9}(?:\.\d{1,9})?) \/ -?\d/m

function scanOf(text: string, options: SpamassassinOptions): Scan {
  const end = text.indexOf('\r\n\r\n')
  const head = text.slice(0, end)
  const [, verdict, score] = VERDICT.exec(head) ?? []
  if (end < 0 || !/^SPAMD\/[\d.]+ 0 /.test(head) || verdict === undefined)
    throw new Error('its answer was not understood')
  return {
    reason: { name: 'spamassassin', score: Math.round(Number(score) * options.weight * 100) / 100 },
    action: verdict === 'True' ? options.spam : 'none',
    symbols: symbolList(text.slice(end + 4).split(/[,\s]+/)),
  }
}
