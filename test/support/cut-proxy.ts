/*
 * A TCP proxy in front of a server's Unix socket that does to connections what networks do: cuts them, also in the middle
 * of a message, delays what it carries, closes one direction, or swallows everything without a word.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Scope } from 'iems/testing'

export interface CutProxy {
  readonly port: number
  /** The socket to which it leads. */
  target: string
  /** Ms by which everything is late, in each direction. */
  delayMs: number
  /** Nothing is carried, and no connection ends. */
  swallows: boolean
  /** After so many further chunks from the server a connection is cut; undefined: never. */
  cutAfter: (() => number) | undefined
  /** Ends all connections at once. */
  cut(): void
  /** Ends one direction of each connection: towards the server. */
  halfClose(): void
  /** How many connections it has cut by itself. */
  readonly cuts: number
}

export async function startCutProxy(scope: Scope, target: string): Promise<CutProxy> {
  const pairs = new Set<readonly [client: Socket, server: Socket]>()
  let cuts = 0
  const server = createServer((client) => {
    const upstream = connect(proxy.target)
    const pair = [client, upstream] as const
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    let left = proxy.cutAfter?.()
    const carry = (from: Socket, to: Socket, isAnswer: boolean) => {
      let turn: Promise<unknown> = Promise.resolve()
      from.on('data', (chunk: Buffer) => {
        turn = turn.then(async () => {
          if (proxy.delayMs > 0) await delay(proxy.delayMs)
          if (proxy.swallows || to.destroyed) return
          if (isAnswer && left !== undefined && left-- <= 0) {
            cuts++
            end()
          } else to.write(chunk)
        })
      })
      from.on('error', end)
      from.on('close', end)
    }
    carry(client, upstream, false)
    carry(upstream, client, true)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: CutProxy = {
    port: (server.address() as { port: number }).port,
    target,
    delayMs: 0,
    swallows: false,
    cutAfter: undefined,
    cut() {
      for (const [client, upstream] of pairs) {
        client.destroy()
        upstream.destroy()
      }
    },
    halfClose() {
      for (const [, upstream] of pairs) upstream.end()
    },
    get cuts() {
      return cuts
    },
  }
  scope.after(() => {
    proxy.cut()
    server.close()
  })
  return proxy
}
