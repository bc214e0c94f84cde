/*
 * The load and its end: Postfix's smtp-source as the clients and smtp-sink as the next hop, the same for every server.
 * Both are single C programs that need a small part of what any server under test needs, so neither is the limit; the
 * report prints how fast they are alone. smtp-source does not pipeline and stops at the first unexpected reply, so a run
 * that ends well has had every message answered with 250.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort, type Scope } from '../support/postfix.ts'

export interface Load {
  readonly messages: number
  readonly clients: number
  readonly bytes: number
  /** Whether a client sends all its messages on one connection or each on its own. */
  readonly connections: 'kept' | 'each'
}

const limitMs = 600_000

/** Sends the load to a port; how many seconds it took. */
export async function send(port: number, load: Load): Promise<number> {
  const flags = ['-s', load.clients, '-m', load.messages, '-l', load.bytes, '-f', 'a@bench.test', '-t', 'b@example.org']
  if (load.connections === 'kept') flags.unshift('-d')
  const started = performance.now()
  await ended(spawn('smtp-source', [...flags.map(String), `127.0.0.1:${port}`], { stdio: ['ignore', 'ignore', 'pipe'] }))
  return (performance.now() - started) / 1000
}

export interface Sink {
  readonly port: number
  readonly pid: number
  /** Resolves when it has received all it was started for. */
  readonly full: Promise<void>
}

/** Starts a next hop that counts `messages` and then ends. */
export async function startSink(scope: Scope, messages: number, port?: number): Promise<Sink> {
  const own = port ?? (await freePort())
  const child = spawn('smtp-sink', ['-u', 'postfix', '-m', '1000', '-M', String(messages), `127.0.0.1:${own}`, '1000'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const full = ended(child)
  full.catch(() => undefined) // who waits for it is told; being killed at the end of the scope is no fault
  scope.after(() => void child.kill())
  await accepting(own)
  return { port: own, pid: child.pid ?? 0, full }
}

/** Waits until something accepts connections on a loopback port. */
export async function accepting(port: number): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    const socket = connect(port, '127.0.0.1')
    const [outcome] = await Promise.race([once(socket, 'connect').then(() => ['open']), once(socket, 'error')])
    socket.destroy()
    if (outcome === 'open') return
    await delay(50)
  }
  throw new Error(`nothing listens on port ${port}`)
}

async function ended(child: ChildProcess): Promise<void> {
  let complaint = ''
  child.stderr?.on('data', (bytes) => {
    if (complaint.length < 2000) complaint += bytes
  })
  const timer = setTimeout(() => child.kill(), limitMs)
  const [code, signal] = await once(child, 'close')
  clearTimeout(timer)
  if (code !== 0) throw new Error(`${child.spawnfile} ended with ${code ?? signal}: ${complaint}`)
}
