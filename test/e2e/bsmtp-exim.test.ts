/**
 * Batches to and from Debian's exim4: its batch mode (`-bS`) reads what this server writes, and this server reads what
 * exim's `use_bsmtp` and the users of `-bS` write.
 *
 * The package conflicts with other mail servers, so it is unpacked into a folder; exim's user exists only in a mount
 * namespace of its own.
 */
import assert from 'node:assert/strict'
import { chmod, chown, copyFile, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Ran, runProgram } from 'iems/testing'
import { startPair, until } from '../support/bsmtp.ts'
import { tempFolder } from '../support/running-server.ts'

/** Where `.ci/run` unpacks exim4-daemon-light. */
const EXIM = process.env.IEMS_TEST_EXIM ?? '/opt/iems-test-exim/usr/sbin/exim4'
const UID = 64_999

interface Exim {
  readonly folder: string
  run(args: readonly string[], input: string | Buffer): Promise<Ran>
  /** What it has delivered to each local part. */
  mail(): Promise<Record<string, string>>
}

async function lacksExim(): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'needs root for a mount namespace'
  const found = await readFile(EXIM).catch(() => undefined)
  return found ? false : `${EXIM} is not there: .ci/run unpacks it`
}

async function startExim(t: TestContext, transport: readonly string[]): Promise<Exim> {
  const folder = await tempFolder(t)
  await chmod(folder, 0o755)
  for (const name of ['spool', 'log', 'mail']) {
    await mkdir(join(folder, name))
    await chown(join(folder, name), UID, UID)
  }
  await cp(resolve(EXIM), join(folder, 'exim4'))
  for (const name of ['passwd', 'group']) {
    await copyFile(`/etc/${name}`, join(folder, name))
    const line = name === 'passwd' ? `Debian-exim:x:${UID}:${UID}::/:/bin/false\n` : `Debian-exim:x:${UID}:\n`
    await writeFile(join(folder, name), line, { flag: 'a' })
  }
  await writeFile(
    join(folder, 'conf'),
    `primary_hostname = exim.test
exim_path = ${folder}/exim4
spool_directory = ${folder}/spool
log_file_path = ${folder}/log/%slog
keep_environment =
never_users =
trusted_users = root
deliver_drop_privilege = true
acl_smtp_mail = accept
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin routers
all:
  driver = accept
  transport = out
begin transports
out:
  driver = appendfile
  ${transport.join('\n  ').replace('MAIL/', `${folder}/mail/`)}
begin retry
* * F,1h,1m
`,
  )
  const mount = ['passwd', 'group'].map((name) => `mount --bind ${folder}/${name} /etc/${name}`).join(' && ')
  return {
    folder,
    run: (args, input) =>
      runProgram(
        'unshare',
        ['-m', 'sh', '-c', `${mount} && exec ${folder}/exim4 -C ${folder}/conf ${args.join(' ')}`],
        { input: input.toString('latin1') },
      ),
    async mail() {
      const found: Record<string, string> = {}
      for (const name of await readdir(join(folder, 'mail')))
        found[name] = await readFile(join(folder, 'mail', name), 'latin1')
      return found
    },
  }
}

const skip = await lacksExim()

test('exim -bS takes what this server writes', { skip }, async (t) => {
  const exim = await startExim(t, ['file = MAIL/all', 'return_path_add', 'envelope_to_add'])
  const pair = await startPair(t, { partner: { format: 'rfc2442', extensions: [] } })
  const { hub } = pair
  for (const to of ['one', 'two'])
    await hub.submit({ from: 'ann@hub.test', to: [`${to}@ship.test`], body: `.dot\r\n..\r\nFrom here for ${to}` })
  await hub.submit({ from: '', to: ['three@ship.test', 'four@ship.test'], body: 'A report' })
  await hub.deliver()
  await until(pair, async () => (await readdir(hub.out)).length > 0, 20)
  const [name = ''] = await readdir(hub.out)
  const batch = await readFile(join(hub.out, name))
  const ran = await exim.run(['-odi', '-bS'], batch)
  assert.equal(ran.code, 0, ran.out + ran.err)
  const { all = '' } = await exim.mail()
  const entries = all.split(/^(?=From \S+ \w{3} )/m).map((entry) => entry.replace(/^From .*\n/, ''))
  const headed = entries.map((entry) => entry.split('\n').slice(0, 2).join(' ')).sort()
  assert.deepEqual(headed, [
    'Return-path: <> Envelope-to: four@ship.test',
    'Return-path: <> Envelope-to: three@ship.test',
    'Return-path: <ann@hub.test> Envelope-to: one@ship.test',
    'Return-path: <ann@hub.test> Envelope-to: two@ship.test',
  ])
  assert.match(all, /\n\n\.dot\n\.\.\n>?From here for one\n/)
})

test('this server takes what exim writes with use_bsmtp, and what users feed to exim -bS', { skip }, async (t) => {
  const exim = await startExim(t, [
    'file = MAIL/batch',
    'use_bsmtp',
    'batch_max = 100',
    'message_prefix = HELO exim.test\\n',
  ])
  const fed = [
    'MAIL FROM:<ann@hub.test>',
    'RCPT TO:<one@ship.test>',
    'RCPT TO:<two@ship.test>',
    'DATA',
    'Subject: first',
    '',
    '..dot',
    'Text',
    '.',
    'MAIL FROM:<>',
    'RCPT TO:<three@ship.test>',
    'DATA',
    'Subject: second',
    '',
    'Report',
    '.',
    '',
  ].join('\n')
  const ran = await exim.run(['-odi', '-bS'], fed)
  assert.equal(ran.code, 0, ran.out + ran.err)
  const { batch = '' } = await exim.mail()
  assert.match(batch, /^HELO exim\.test\nMAIL FROM:/)
  const accept = { unsigned: true, senders: ['*'] }
  const pair = await startPair(t, {}, { partner: { accept } })
  const { ship } = pair
  const arrivals = async (text: string, name: string) => {
    const before = ship.arrived.length
    await writeFile(join(ship.in, name), text, 'latin1')
    await until(pair, () => ship.arrived.length === before + 3, 10)
    return ship.arrived
      .slice(before)
      .map(({ from, to, text: content }) => [
        from,
        to,
        /Subject: (.*)\r\n/.exec(content)?.[1],
        content.split('\r\n\r\n')[1],
      ])
      .sort()
  }
  const users = await arrivals(fed, 'users')
  assert.deepEqual(await arrivals(batch, 'exim'), users)
  assert.deepEqual(users, [
    ['', 'three@ship.test', 'second', 'Report\r\n'],
    ['ann@hub.test', 'one@ship.test', 'first', '.dot\r\nText\r\n'],
    ['ann@hub.test', 'two@ship.test', 'first', '.dot\r\nText\r\n'],
  ])
})
