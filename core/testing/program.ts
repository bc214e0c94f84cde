/**
 * Programs for tests: servers that are started and stopped, tools that run to their end.
 *
 * Invariants: a program and all its children end with the test; a failed start shows the program's output.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createConnection } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Scope } from './scope.ts'

/** The reason for skipping a test on this machine, for node:test's `skip`; false when all files exist. */
export const missing = (...files: readonly string[]): string | false => {
  const absent = files.filter((file) => !existsSync(file))
  return absent.length > 0 && `not installed: ${absent.join(', ')}`
}

export interface RunOptions {
  readonly cwd?: string
  /** Default: the environment of the test. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

export interface StartOptions extends RunOptions {
  /** The program is ready when its output matches, all of these ports on 127.0.0.1 accept, or the file exists. */
  readonly ready: RegExp | { readonly ports: readonly number[] } | { readonly file: string }
  /** Further output to show after a failed start, such as a log file's. */
  readonly log?: () => Promise<string>
  /** Start timeout in ms. Default 30,000. */
  readonly startTimeout?: number
  /** Ms between SIGTERM and SIGKILL. Default 3000. */
  readonly stopTimeout?: number
}

export interface Program {
  /** Also the id of its process group. */
  readonly pid: number
  /** Its output so far, both streams. */
  output(): string
  /** Ends it and its children. */
  stop(): Promise<void>
}

/** Starts a server program, waits until it is ready, and stops it when the scope ends. */
export async function startProgram(
  t: Scope,
  command: string,
  args: readonly string[],
  { ready, log = async () => '', startTimeout = 30_000, stopTimeout = 3000, ...options }: StartOptions,
): Promise<Program> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let output = ''
  let hasEnded = false
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const ended = once(child, 'close').then(
    () => {},
    (error) => {
      output += error
    },
  )
  void ended.then(() => {
    hasEnded = true
  })
  const stop = async () => {
    if (child.pid !== undefined) await endGroup(child.pid, stopTimeout)
    await ended
  }
  t.after(stop)
  for (const end = Date.now() + startTimeout; !(await isReady(ready, output)); await delay(25))
    if (hasEnded || Date.now() > end)
      throw new Error(`${command} ${hasEnded ? 'has ended' : 'is not ready'}:\n${output}${await log()}`)
  return { pid: child.pid as number, output: () => output, stop }
}

async function isReady(ready: StartOptions['ready'], output: string): Promise<boolean> {
  if (ready instanceof RegExp) return ready.test(output)
  if ('file' in ready) return existsSync(ready.file)
  for (const port of ready.ports) if (!(await accepts(port))) return false
  return true
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** Ends a process group by its leader's id: SIGTERM, and SIGKILL after `timeout` ms. */
export async function endGroup(pid: number, timeout = 2000): Promise<void> {
  signal(-pid, 'SIGTERM')
  for (let waited = 0; waited < timeout && signal(-pid, 0); waited += 20) await delay(20)
  for (let tries = 0; tries < 100 && signal(-pid, 'SIGKILL'); tries++) await delay(20)
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    // It has ended already.
    return false
  }
}

export interface Ran {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs a program to its end; it is killed after `timeout` ms (default 30,000). */
export async function runProgram(
  command: string,
  args: readonly string[],
  {
    input = '',
    timeout = 30_000,
    ...options
  }: RunOptions & { readonly input?: string; readonly timeout?: number } = {},
): Promise<Ran> {
  const child = spawn(command, args, options)
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const timer = setTimeout(() => child.kill('SIGKILL'), timeout)
  const [code] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  return { code, out, err }
}
