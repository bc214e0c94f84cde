/**
 * Checks the text of a configuration as `iems check` does, in a process of its own.
 *
 * A configuration is a program. Invariants: the process may write no file and start no program, ends after a time, and
 * its answer is bounded; nothing of the running server changes.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ConfigurationView } from '../api/administration.ts'

export interface Examined {
  /** Empty for a valid configuration. */
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
  /** The configuration as it would run; absent for an invalid one. */
  readonly view?: ConfigurationView
}

const TIMEOUT_MS = 30_000
const MAX_ANSWER = 16_777_216
const MAX_FAULTS = 2000

/** `beside`: the file in use; imports of the text are relative to its folder. */
export async function examineConfiguration(text: string, beside: string): Promise<Examined> {
  const name = `.iems-examined-${randomUUID()}${extname(beside) || '.ts'}`
  const own = join(dirname(beside), name)
  const file = await writeFile(own, text, { mode: 0o600 }).then(
    () => own,
    // The folder is often the administrator's alone.
    async () => {
      const other = join(tmpdir(), name)
      await writeFile(other, text, { mode: 0o600 })
      return other
    },
  )
  try {
    const answer = JSON.parse(await outputOf(file)) as Examined
    const named = (line: string) => line.replaceAll(file, beside)
    return { ...answer, problems: answer.problems.map(named), warnings: answer.warnings.map(named) }
  } finally {
    await rm(file, { force: true })
  }
}

function outputOf(file: string): Promise<string> {
  const program = fileURLToPath(import.meta.resolve('iems/examiner'))
  const conditions = process.execArgv.filter((one) => one.startsWith('--conditions'))
  const rights = [
    '--permission',
    '--allow-fs-read=*',
    '--allow-addons',
    '--allow-worker',
    '--disable-warning=SecurityWarning',
  ]
  const child = spawn(process.execPath, [...conditions, ...rights, program, file], {
    cwd: dirname(file),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let answer = ''
  let faults = ''
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    answer += part
    if (answer.length > MAX_ANSWER || answer.endsWith('\n')) child.kill('SIGKILL')
  })
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    faults = (faults + part).slice(-MAX_FAULTS)
  })
  child.once('error', reject)
  child.once('close', () => {
    clearTimeout(timer)
    const isWhole = answer.endsWith('\n') && answer.length <= MAX_ANSWER
    const problem = faults.trim() || 'The configuration was not read in time'
    resolve(isWhole ? answer : JSON.stringify({ problems: [problem], warnings: [] }))
  })
  return promise
}
