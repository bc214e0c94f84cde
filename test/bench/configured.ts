/*
 * This server on a configuration of the measurement's own, in a folder that goes with it: started, asked by its command.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from 'iems/testing'
import { endGroup } from '../../core/testing/program.ts'
import { accepting } from './load.ts'

export interface Configured {
  /** Starts it and waits until it listens there; the pid of its process group. One that runs already is ended first. */
  start(port: number): Promise<number>
  /** Runs `iems …` with that on standard input. Throws what it complains of. */
  iems(input: string, ...args: string[]): Promise<void>
}

const PATIENCE_MS = 10_000

/** Flags for Node come from IEMS_BENCH_NODE_FLAGS, such as --cpu-prof. */
export async function configured(scope: Scope, configuration: string): Promise<Configured> {
  const folder = await mkdtemp(join(tmpdir(), 'iems-bench-'))
  const project = join(import.meta.dirname, '../..')
  let pid: number | undefined
  scope.after(async () => {
    if (pid) await endGroup(pid, PATIENCE_MS)
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  const config = join(folder, 'iems.config.ts')
  await writeFile(config, configuration)
  const cli = (...args: string[]) => [
    '--conditions=source',
    join(project, 'core/cli/main.ts'),
    ...args,
    '--config',
    config,
  ]

  return {
    async start(port) {
      if (pid) await endGroup(pid, PATIENCE_MS)
      const flags = [...(process.env.IEMS_BENCH_NODE_FLAGS?.split(' ') ?? []), ...cli('start', '--quiet')]
      pid = spawn(process.execPath, flags, { detached: true, cwd: project, stdio: 'ignore' }).pid
      await accepting(port)
      return pid as number
    },
    async iems(input, ...args) {
      const child = spawn(process.execPath, cli(...args), { cwd: project, stdio: ['pipe', 'ignore', 'pipe'] })
      let said = ''
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
      child.stdin?.end(input)
      const [code] = (await once(child, 'close')) as [number]
      if (code !== 0) throw new Error(`${args.join(' ')}: ${said}`)
    },
  }
}
