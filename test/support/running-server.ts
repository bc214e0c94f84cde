/**
 * A server in a process of its own, started as the README says, on a folder and ports of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { type Ran, runProgram } from 'iems/testing'
import { askServer } from '../../core/control/client.ts'

const root = resolve(import.meta.dirname, '../..')

export interface RunningServer {
  readonly process: ChildProcess
  readonly folder: string
  readonly config: string
  /** Every line of the log so far. */
  readonly lines: readonly string[]
  /** Runs an `iems` command against it. */
  iems(...args: string[]): Promise<Ran>
  /** Runs a plugin's or the kernel's command over the control socket: without the time that a process takes. */
  run(words: string, given?: readonly string[], more?: Given): Promise<Answers>
  iemsWithInput(input: string, ...args: string[]): Promise<Ran>
  /** Waits for a line that matches. */
  line(pattern: RegExp): Promise<string>
  ended(): Promise<number | null>
}

export interface Given {
  readonly options?: Readonly<Record<string, string | true>>
  readonly input?: string
}

/** Of a command: its lines for people, and its values for programs. */
export interface Answers {
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: each command has its own rows, which its test compares
  readonly values: readonly any[]
}

const PATIENCE_MS = 100_000

/** Ports that no system gives to outgoing connections, which could take one before its server listens. */
const [FIRST_PORT, LAST_PORT] = [10_000, 32_000]

/** A port that was free a moment ago, for servers that must have the same one again. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST_PORT, LAST_PORT)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

export async function tempFolder(t: Pick<TestContext, 'after'>): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'iems-test-'))
  t.after(() => rm(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}

/** Runs an `iems` command to its end. */
export const iemsCommand = (args: readonly string[], input = '', cwd = root, timeout = 30_000): Promise<Ran> =>
  runProgram(process.execPath, ['--conditions=source', join(root, 'core/cli/main.ts'), ...args], {
    input,
    cwd,
    timeout,
  })

async function runOver(folder: string, words: string, given: readonly string[], { options = {}, input }: Given) {
  const lines: string[] = []
  const values: unknown[] = []
  const file = async function* () {
    yield Buffer.from(input ?? '')
  }
  await askServer(
    join(folder, 'data', 'control.sock'),
    { v: 1, method: 'command', params: { words, arguments: [...given], options } },
    (item) => {
      const { text, value } = item as { text?: string; value?: unknown }
      if (text !== undefined) lines.push(text)
      if (value !== undefined) values.push(value)
    },
    input === undefined ? undefined : file(),
  )
  return { text: lines.join('\n'), values }
}

/** Starts a server on the configuration in `folder`, and waits until it listens. */
export async function startProcess(
  t: Pick<TestContext, 'after'>,
  folder: string,
  source?: string,
  flags: readonly string[] = [],
): Promise<RunningServer> {
  const config = join(folder, 'iems.config.ts')
  if (source !== undefined) await writeFile(config, source)
  const child = spawn(
    process.execPath,
    ['--conditions=source', join(root, 'core/cli/main.ts'), 'start', '--quiet', '--config', config, ...flags],
    { cwd: root },
  )
  const lines: string[] = []
  const waiting = new Set<() => void>()
  let rest = ''
  let over = false
  const take = (chunk: Buffer) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    for (const wake of waiting) wake()
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  const closed = once(child, 'close').then(([code]) => {
    over = true
    for (const wake of waiting) wake()
    return code as number | null
  })
  t.after(() => child.kill('SIGKILL'))

  async function line(pattern: RegExp): Promise<string> {
    const end = Date.now() + PATIENCE_MS
    for (;;) {
      const found = lines.find((text) => pattern.test(text))
      if (found !== undefined) return found
      if (over || Date.now() > end) throw new Error(`the server never said ${pattern}:\n${lines.slice(-20).join('\n')}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000)
        waiting.add(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  await line(/"event":"server\.started"/)
  return {
    process: child,
    folder,
    config,
    lines,
    iems: (...args) => iemsCommand([...args, '--config', config]),
    run: (words, given = [], more = {}) => runOver(folder, words, given, more),
    iemsWithInput: (input, ...args) => iemsCommand([...args, '--config', config], input),
    line,
    ended: () => closed,
  }
}
