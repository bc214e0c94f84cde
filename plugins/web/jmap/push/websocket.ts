/**
 * JMAP over WebSocket (RFC 8887): requests and pushes on one connection.
 */
import type { Call, HttpApi, LoggedIn, SocketConnection } from '../../http/api.ts'
import { HttpProblem } from '../../http/api.ts'
import { listen, type PushDeps } from './pushes.ts'

export const WEBSOCKET = 'urn:ietf:params:jmap:websocket'
export const WEBSOCKET_PATH = '/jmap/ws'

export interface WebSocketDeps extends PushDeps {
  readonly types: readonly string[]
  readonly maxMessage: number
  accountsOf(call: LoggedIn<Call>): Promise<readonly string[]>
  /** Answers a request's text with the response object. */
  answer(text: string, call: LoggedIn<Call>): Promise<object>
}

interface Envelope {
  readonly '@type'?: unknown
  readonly id?: unknown
  readonly dataTypes?: unknown
}

export function addWebSocket(http: HttpApi, deps: WebSocketDeps): void {
  http.socket({
    path: WEBSOCKET_PATH,
    who: 'user',
    summary: 'JMAP over WebSocket',
    protocol: 'jmap',
    maxMessage: deps.maxMessage,
    open(connection, call) {
      let stop = () => {}
      return {
        async message(text) {
          const given = readEnvelope(text)
          const requestId = typeof given?.id === 'string' ? { requestId: given.id } : {}
          if (given?.['@type'] === 'WebSocketPushEnable') {
            stop()
            stop = await enable(deps, { connection, call, dataTypes: given.dataTypes })
          } else if (given?.['@type'] === 'WebSocketPushDisable') {
            stop()
            stop = () => {}
          } else connection.send(JSON.stringify({ ...(await answerOf(deps, text, call)), ...requestId }))
        },
        close: () => stop(),
      }
    },
  })
}

function readEnvelope(text: string): Envelope | undefined {
  try {
    const given: unknown = JSON.parse(text)
    return typeof given === 'object' && given !== null ? given : undefined
  } catch {
    return undefined
  }
}

async function answerOf(deps: WebSocketDeps, text: string, call: LoggedIn<Call>): Promise<object> {
  try {
    return { '@type': 'Response', ...(await deps.answer(text, call)) }
  } catch (cause) {
    if (!(cause instanceof HttpProblem)) throw cause
    return { '@type': 'RequestError', status: cause.status, detail: cause.message, ...cause.more }
  }
}

interface Enabling {
  readonly connection: SocketConnection
  readonly call: LoggedIn<Call>
  readonly dataTypes: unknown
}

async function enable(deps: WebSocketDeps, { connection, call, dataTypes }: Enabling): Promise<() => void> {
  const types = Array.isArray(dataTypes) ? deps.types.filter((type) => dataTypes.includes(type)) : deps.types
  return listen(deps, {
    accounts: await deps.accountsOf(call),
    types,
    // A push that a slow client does not take is found again by its states.
    send: (change) => void connection.send(JSON.stringify(change)),
  })
}
