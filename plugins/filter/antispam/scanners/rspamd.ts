/**
 * Rspamd's protocol: `POST /checkv2` with facts about the client, and a JSON response.
 *
 * Invariants: nothing in a message can become a header line of the request; an invalid response is a failure of that
 * server, never a verdict.
 */
import { Agent, request } from 'node:http'
import { type BackendAddress, type BackendPoolOptions, createBackendPool, type ReadableMessage } from 'iems'
import * as z from 'zod'
import type { Action } from '../score.ts'
import { MAX_ANSWER, send } from './exchange.ts'
import type { RspamdOptions } from './options.ts'
import { type Scan, type Scanner, symbolList } from './scanner.ts'

/** The used part of a response. */
const answer = z.object({
  action: z.string(),
  score: z.number(),
  required_score: z.number().optional(),
  symbols: z.record(z.string(), z.unknown()).default({}),
})

/** Maximum recipients in a request. */
const RECIPIENTS = 100

export function createRspamd(
  options: RspamdOptions,
  parts: Pick<BackendPoolOptions, 'now' | 'log'> & { readonly hostname: string },
): Scanner {
  const servers = createBackendPool({ ...parts, ...options, service: 'rspamd' })
  const agent = new Agent({ keepAlive: true, maxSockets: 20, maxFreeSockets: 4 })

  function headersFor({ id, session, from, recipients, size, findings }: ReadableMessage) {
    const { remote, helo, identity, tls } = session
    // Header values are octets: UTF-8 is sent unchanged, and line breaks are replaced.
    const plain = (text: string) => Buffer.from(text.replace(/\p{Cc}/gu, ' ')).toString('latin1')
    const isVerified = findings.some(({ name }) => name === 'spf' || name === 'dmarc')
    return {
      'Content-Length': size,
      IP: plain(remote.address),
      From: plain(from),
      Rcpt: recipients.slice(0, RECIPIENTS).map(({ address }) => plain(address)),
      'Queue-Id': id,
      'MTA-Name': plain(parts.hostname),
      ...(helo === undefined ? {} : { Helo: plain(helo) }),
      ...(remote.name ? { Hostname: plain(remote.name) } : {}),
      ...(identity ? { User: plain(identity.user) } : {}),
      ...(tls ? { 'TLS-Version': plain(tls.version), 'TLS-Cipher': plain(tls.cipher) } : {}),
      ...(options.password === undefined ? {} : { Password: plain(options.password) }),
      ...(isVerified && Object.keys(options.settings).length > 0
        ? { Settings: plain(JSON.stringify(options.settings)) }
        : {}),
    }
  }

  async function ask(
    to: BackendAddress,
    message: ReadableMessage,
    signal: AbortSignal,
  ): Promise<z.output<typeof answer>> {
    const text = await new Promise<string>((resolve, reject) => {
      const target = 'path' in to ? { socketPath: to.path } : to
      const asking = request({
        ...target,
        agent,
        method: 'POST',
        path: '/checkv2',
        headers: headersFor(message),
        signal,
      })
      asking.on('error', reject)
      asking.on('response', (response) => {
        let said = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          said += chunk
          if (said.length > MAX_ANSWER) asking.destroy(new Error('its answer is too long'))
        })
        response.on('error', reject)
        response.on('end', () =>
          response.statusCode === 200 ? resolve(said) : reject(new Error(`it answered ${response.statusCode}`)),
        )
      })
      send(asking, message.open()).catch((cause) => asking.destroy(cause as Error))
    })
    const read = answer.safeParse(parseJson(text))
    if (!read.success) throw new Error('its answer was not understood')
    return read.data
  }

  return {
    name: 'rspamd',
    options,
    states: servers.states,
    backends: servers.backends,
    close: () => agent.destroy(),
    async scan(message) {
      const found = await servers.ask((to, signal) => ask(to, message, signal))
      return scanOf(found, options)
    },
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON: the schema rejects it.
    return undefined
  }
}

function scanOf({ action, score, symbols }: z.output<typeof answer>, options: RspamdOptions): Scan {
  const actions: Readonly<Record<string, Action>> = {
    reject: options.reject,
    'add header': options.addHeader,
    'rewrite subject': options.addHeader,
  }
  const later = { 'soft reject': 'defer', greylist: 'greylist' } as const
  return {
    reason: { name: 'rspamd', score: Math.round(score * options.weight * 100) / 100 },
    action: actions[action] ?? 'none',
    symbols: symbolList(Object.keys(symbols)),
    ...(action in later ? { later: later[action as keyof typeof later] } : {}),
  }
}
