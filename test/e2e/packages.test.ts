/** The files that make IEMS a service: the systemd unit, log rotation, completion in zsh, the Windows service. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { runProgram } from 'iems/testing'
import sax from 'sax'
import { iemsCommand, tempFolder } from '../support/running-server.ts'

const root = resolve(import.meta.dirname, '../..')
const config = (name: string) => join(root, 'config', name)
const lacks = (path: string) => !existsSync(path) && `${path} is not installed`

test('the systemd unit is valid, and its exposure is below 2.5', {
  skip: lacks('/usr/bin/systemd-analyze'),
}, async () => {
  for (const unit of ['iems.service', 'iems-responder.service']) {
    const { out, code } = await runProgram('systemd-analyze', [
      'security',
      '--offline=true',
      '--threshold=25',
      config(unit),
    ])
    assert.match(out, /Overall exposure level for [\w.-]+: [0-2]\.\d OK/)
    assert.equal(code, 0, out)
  }
})

test('logrotate rotates the file of a running server, and no line is lost', {
  skip: lacks('/usr/sbin/logrotate'),
}, async (t) => {
  const folder = await tempFolder(t)
  const log = join(folder, 'iems.log')
  const rules = (await readFile(config('iems.logrotate'), 'utf8')).replace('/var/log/iems/*.log', log)
  await writeFile(join(folder, 'rotate'), rules, { mode: 0o644 })
  await writeFile(join(folder, 'iems.config.ts'), "export default { hostname: 'mx.test', channels: {} }")
  const file = await open(log, 'a', 0o600)
  const main = join(root, 'core/cli/main.ts')
  const given = [
    '--conditions=source',
    main,
    'start',
    '--quiet',
    '--memory',
    '--config',
    join(folder, 'iems.config.ts'),
  ]
  const child = spawn(process.execPath, given, { stdio: ['ignore', file.fd, file.fd] })
  t.after(() => child.kill('SIGKILL'))
  const holds = async (path: string, text: string) => {
    for (let tries = 0; tries < 600; tries++) {
      if ((await readFile(path, 'utf8')).includes(text)) return
      await delay(50)
    }
    assert.fail(`${path} never holds ${text}`)
  }
  await holds(log, 'server.started')
  const { code, err } = await runProgram('logrotate', [
    '--force',
    '--state',
    join(folder, 'state'),
    join(folder, 'rotate'),
  ])
  assert.equal(code, 0, err)
  await holds(`${log}.1`, 'server.started')
  child.kill('SIGTERM')
  await once(child, 'close')
  const after = await readFile(log, 'utf8')
  assert.match(after, /server\.stopped/)
  assert.doesNotMatch(after, /server\.started|\0/, 'the file is continued from its new beginning')
  await file.close()
})

test('zsh completes commands and options', { skip: lacks('/usr/bin/zsh') }, async (t) => {
  const folder = await tempFolder(t)
  const { out } = await iemsCommand(['completion', 'zsh'])
  await writeFile(join(folder, '_iems'), out)
  // A terminal for zsh itself: what is typed comes back, completed by Tab.
  await writeFile(
    join(folder, 'ask.zsh'),
    `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1=; autoload -Uz compinit && compinit -u -D; source ${folder}/_iems; print re''ady"
zpty -r z line '*ready*'
ask() {
  zpty -w -n z $'\\x15'"$1"$'\\t'
  zpty -r z line "*$2*" && print -r -- "$2"
}
ask 'iems doct' 'iems doctor'
ask 'iems backup rest' 'iems backup restore'
ask 'iems log --foll' 'iems log --follow'
`,
  )
  const { out: completed } = await runProgram('timeout', ['60', 'zsh', '-f', join(folder, 'ask.zsh')])
  assert.equal(completed, 'iems doctor\niems backup restore\niems log --follow\n')
})

test('the Windows service runs the launcher of the folder it is in', async () => {
  const parser = sax.parser(true)
  const names: string[] = []
  parser.onopentag = ({ name }) => names.push(name)
  parser.onerror = (error) => assert.fail(error)
  const text = await readFile(config('windows/iems-service.xml'), 'utf8')
  parser.write(text).close()
  for (const name of ['id', 'executable', 'arguments', 'stoptimeout']) assert.ok(names.includes(name), name)
  assert.match(text, /iems\\core\\cli\\launch\.cjs" start --quiet/)
})
