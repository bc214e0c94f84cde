/**
 * SpamAssassin's spamd, by the protocol of spamc: `SYMBOLS`, answered with a verdict, a score and names of rules.
 *
 * What must stay true: an answer that is not understood is a failure of that server, never a verdict.
 */
import { createOutside, type OutsideAddress, type OutsideParts, type ReadableMessage } from 'iems'
import { exchange } from './exchange.ts'
import type { SpamassassinOptions } from './options.ts'
import { type Scan, type Scanner, symbolList } from './scanner.ts'

export function createSpamassassin(options: SpamassassinOptions, parts: Pick<OutsideParts, 'now' | 'log'>): Scanner {
  const servers = createOutside({ ...parts, ...options, service: 'spamassassin' })

  async function ask(to: OutsideAddress, message: ReadableMessage, signal: AbortSignal): Promise<Scan> {
    const user = options.user === undefined ? '' : `User: ${options.user}\r\n`
    const head = `SYMBOLS SPAMC/1.5\r\nContent-length: ${message.size}\r\n${user}\r\n`
    const said = await exchange(to, { head, content: message.open(), signal })
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
