/**
 * A listener for http-01 alone: answers challenges and redirects all other requests to HTTPS.
 *
 * Invariants: it reads no body, and a client that sends too slowly is disconnected.
 */
import { createServer, type Server } from 'node:http'
import type { Log } from 'iems'

/** RFC 8555 section 8.3. */
export const CHALLENGE_PATH = '/.well-known/acme-challenge/'
/** Characters of base64url; at most this many. */
export const TOKEN = /^[\w-]{1,200}$/
const REQUEST_MS = 10_000
const MAX_CONNECTIONS = 500
const HOST = /^[a-z0-9.-]{1,253}$/i

export function createHttp01(answerTo: (token: string) => Promise<string | undefined>, log: Log): Server {
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAlive: false },
    async (request, response) => {
      response.setHeader('Connection', 'close')
      try {
        const path = (request.url ?? '/').split('?')[0] as string
        const token = path.startsWith(CHALLENGE_PATH) ? path.slice(CHALLENGE_PATH.length) : undefined
        if (token === undefined) {
          const host = (request.headers.host ?? '').replace(/:\d{1,5}$/, '')
          if (!HOST.test(host)) return void response.writeHead(404).end()
          return void response.writeHead(301, { Location: `https://${host}${request.url}` }).end()
        }
        const answer = TOKEN.test(token) ? await answerTo(token) : undefined
        if (answer === undefined) return void response.writeHead(404).end()
        response.writeHead(200, { 'Content-Type': 'application/octet-stream' }).end(answer)
      } catch (cause) {
        log.error('a challenge could not be answered', { cause })
        response.writeHead(500).end()
      }
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  return server
}
