/**
 * Filters for tests: one of libmilter that does what the subject asks, opendkim, and a broken one of a few lines.
 */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { missing, startProgram } from 'iems/testing'
import { tempFolder } from './running-server.ts'

const PYTHON = '/usr/bin/python3'
const LIBRARY = '/usr/lib/python3/dist-packages/Milter'
export const OPENDKIM = '/usr/sbin/opendkim'

export const noLibmilter = missing(PYTHON, LIBRARY)

/** Its address, and what it has heard. */
export async function startFilter(t: TestContext, socket?: string) {
  const path = socket ?? join(await tempFolder(t), 'filter')
  await rm(path, { force: true })
  const script = join(import.meta.dirname, 'libmilter-filter.py')
  const { output } = await startProgram(t, PYTHON, [script, `unix:${path}`], { ready: { file: path } })
  const heard = (): unknown[][] =>
    output()
      .split('\n')
      .filter((line) => line.startsWith('['))
      .map((line) => JSON.parse(line))
  return { path, address: `unix:${path}`, heard }
}

export async function startOpendkim(t: TestContext, settings: string) {
  const folder = await tempFolder(t)
  const path = join(folder, 'opendkim')
  await writeFile(join(folder, 'conf'), `Socket local:${path}\nBackground no\nRequireSafeKeys no\n${settings}`)
  await startProgram(t, OPENDKIM, ['-x', join(folder, 'conf'), '-f'], { ready: { file: path } })
  return `unix:${path}`
}
