/** The manual page and the shell completion, as man and bash read them. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { runProgram } from 'iems/testing'
import { iemsCommand, tempFolder } from '../support/running-server.ts'

async function made(t: TestContext, ...words: string[]) {
  const folder = await tempFolder(t)
  const { out, code, err } = await iemsCommand(words)
  assert.equal(code, 0, err)
  const file = join(folder, 'made')
  await writeFile(file, out)
  return { file, out }
}

test('the manual page is roff without a fault, and has the commands of plugins', async (t) => {
  const { file } = await made(t, 'man')
  const { out, err, code } = await runProgram('man', ['--warnings', '-l', file])
  assert.equal(code, 0, err)
  assert.equal(err, '')
  for (const words of ['iems message find', 'iems backup create <folder>', 'iems account add', '--follow'])
    assert.ok(out.includes(words), words)
})

test('bash reads the completion, and completes commands, words below them and options', async (t) => {
  const { file } = await made(t, 'completion', 'bash')
  assert.deepEqual((await runProgram('bash', ['-n', file])).err, '')
  async function complete(...words: string[]) {
    const script = `source ${file}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _iems; echo "\${COMPREPLY[*]}"`
    return (await runProgram('bash', ['-c', script])).out.trim().split(' ')
  }
  assert.deepEqual(await complete('iems', 'doc'), ['doctor'])
  assert.deepEqual((await complete('iems', 'backup', '')).filter((word) => !word.startsWith('-')).sort(), [
    'create',
    'list',
    'restore',
    'verify',
  ])
  assert.deepEqual(await complete('iems', 'log', '--fol'), ['--follow'])
  assert.deepEqual(await complete('iems', 'queue', 'list', '--channel', 'out', '--next'), ['--nexthop'])
})

test('an unknown shell is an error', async () => {
  const { code, err } = await iemsCommand(['completion', 'csh'])
  assert.equal(code, 1)
  assert.match(err, /There is no completion for csh; there is for bash and zsh/)
})
