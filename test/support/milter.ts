/**
 * Filters for tests: one of libmilter that does what the subject asks, opendkim, and a broken one of a few lines.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { missing } from './programs.ts'
import { tempFolder } from './running-server.ts'
import { until } from './smtp-sink.ts'

const PYTHON = '/usr/bin/python3'
const LIBRARY = '/usr/lib/python3/dist-packages/Milter'
export const OPENDKIM = '/usr/sbin/opendkim'

export const noLibmilter = missing(PYTHON, LIBRARY)

async function running(t: Pick<TestContext, 'after'>, program: string, options: readonly string[], path: string) {
  const child = spawn(program, options)
  const ended = once(child, 'close')
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
  }
  t.after(stop)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk))
  await until(() => existsSync(path), `the start of ${program}`)
  return { said: () => said }
}

/** Its address, and what it has heard. */
export async function startFilter(t: TestContext, socket?: string) {
  const path = socket ?? join(await tempFolder(t), 'filter')
  await rm(path, { force: true })
  const script = join(import.meta.dirname, 'libmilter-filter.py')
  const { said } = await running(t, PYTHON, [script, `unix:${path}`], path)
  const heard = (): unknown[][] =>
    said()
      .split('\n')
      .filter((line) => line.startsWith('['))
      .map((line) => JSON.parse(line))
  return { path, address: `unix:${path}`, heard }
}

export async function startOpendkim(t: TestContext, settings: string) {
  const folder = await tempFolder(t)
  const path = join(folder, 'opendkim')
  await writeFile(join(folder, 'conf'), `Socket local:${path}\nBackground no\nRequireSafeKeys no\n${settings}`)
  await running(t, OPENDKIM, ['-x', join(folder, 'conf'), '-f'], path)
  return `unix:${path}`
}
