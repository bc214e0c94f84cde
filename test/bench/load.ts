/*
 * The load and its end: Postfix's smtp-source as the clients and smtp-sink as the next hop, the same for every server.
 * Both are single C programs that need a small part of what any server under test needs, so neither is the limit; the
 * report prints how fast they are alone. smtp-source does not pipeline and stops at the first unexpected reply, so a run
 * that ends well has had every message answered with 250.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Scope } from 'iems/testing'
import { freePort } from '../support/running-server.ts'

export interface Load {
  readonly messages: number
  readonly clients: number
  readonly bytes: number
  /** Whether a client sends all its messages on one connection or each on its own. */
  readonly connections: 'kept' | 'each'
  readonly to?: string
}

const limitMs = 600_000

/** Sends the load to a port; how many seconds it took. */
export async function send(port: number, load: Load): Promise<number> {
  const flags = [
    '-s',
    load.clients,
    '-m',
    load.messages,
    '-l',
    load.bytes,
    '-f',
    'a@bench.test',
    '-t',
    load.to ?? 'b@example.org',
  ]
  if (load.connections === 'kept') flags.unshift('-d')
  const started = performance.now()
  await ended(
    spawn('smtp-source', [...flags.map(String), `127.0.0.1:${port}`], { stdio: ['ignore', 'ignore', 'pipe'] }),
  )
  return (performance.now() - started) / 1000
}

export interface Sink {
  readonly port: number
  /** Resolves when it has received that many messages in all. */
  received(messages: number): Promise<void>
}

/** Starts a next hop that counts what it receives. */
export async function startSink(scope: Scope): Promise<Sink> {
  const folder = await mkdtemp(join(tmpdir(), 'sink-'))
  const port = await freePort()
  const counts = await open(join(folder, 'counts'), 'w+')
  const flags = ['-c', '-u', 'postfix', '-m', '1000', `127.0.0.1:${port}`, '1000']
  const child = spawn('smtp-sink', flags, { stdio: ['ignore', counts.fd, 'ignore'] })
  scope.after(async () => {
    child.kill()
    await counts.close()
    await rm(folder, { recursive: true })
  })
  await accepting(port)
  return { port, received: (messages) => waitForCount(counts, messages) }
}

/** The sink writes `sess=1 quit=0 mesg=1` after each message; looking at the end of the file costs it nothing. */
async function waitForCount(counts: FileHandle, messages: number): Promise<void> {
  const tail = Buffer.alloc(200)
  for (const until = performance.now() + limitMs; performance.now() < until; await delay(10)) {
    const { size } = await counts.stat()
    const { bytesRead } = await counts.read(tail, 0, tail.length, Math.max(0, size - tail.length))
    const seen = [...tail.toString('latin1', 0, bytesRead).matchAll(/mesg=(\d+)(?=\s)/g)].at(-1)
    if (Number(seen?.[1] ?? 0) >= messages) return
  }
  throw new Error(`the sink did not receive ${messages} messages in ${limitMs / 1000} s`)
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
