/** Mail to and from a Domino that is still in use, which a real Postfix plays: its users, its fields, a user who moves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missing, runProgram } from 'iems/testing'
import { startPostfix, whyNoPostfix } from '../support/postfix.ts'
import { freePort, startProcess, tempFolder } from '../support/running-server.ts'

const configOf = ({ mx, imap, domino }: { readonly mx: number; readonly imap: number; readonly domino: number }) => `
import { defineConfig } from 'iems'
import { directory } from 'iems/plugins/directory'
import { imap } from 'iems/plugins/imap'
import { mailstore } from 'iems/plugins/mailstore'
import { notes } from 'iems/plugins/notes'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
const nexthop = '127.0.0.1:${domino}'
export default defineConfig({
  hostname: 'iems.acme.test',
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${mx}' }),
    local: mailstore(),
    imap: imap({ listen: '127.0.0.1:${imap}', authWithoutTls: true }),
    domino: smtpOut({ domains: ['domino.invalid'], nexthop, tls: 'off' }, { accepts: 'anyone' }),
  },
  plugins: [directory(), notes({
    domain: 'acme.test',
    connector: { channel: 'domino', nexthop, hosts: ['127.0.0.1'], domains: ['acme.test'], web: 'https://domino.acme.test' },
  })],
})
`

const NDL = '<NDL>\n<REPLICA 85256A00:00000001>\n<REM>Sales</REM>\n</NDL>\n'

test('mail passes both ways between Domino and here, also while a user moves', {
  skip: whyNoPostfix() ?? missing('/usr/bin/swaks', '/usr/bin/curl'),
}, async (t) => {
  const [mx, imap] = [await freePort(), await freePort()]
  // All of acme.test is at Domino, except Ann, who is here.
  const domino = await startPostfix(t, {
    fate: { keepFor: ['acme.test'] },
    settings: { transport_maps: `inline:{ {ann@acme.test = smtp:[127.0.0.1]:${mx}} }` },
  })
  const server = await startProcess(t, await tempFolder(t), configOf({ mx, imap, domino: domino.port }))
  const iems = async (...args: string[]) => {
    const { code, out, err } = await server.iems(...args)
    assert.equal(code, 0, `${args.join(' ')}: ${out}${err}`)
    return out
  }
  await iems('domain', 'add', 'acme.test')
  for (const [name, notesName] of [
    ['ann', 'Ann Smith/Sales/Acme'],
    ['bob', 'Bob Jones/Acme'],
  ] as const) {
    await iems(
      'account',
      'add',
      name,
      `address=${name}@acme.test`,
      `display-name=${notesName.split('/')[0]}`,
      `attr:notesname=${notesName}`,
    )
    assert.equal((await server.iemsWithInput('moving-secret\n', 'account', 'password', name)).code, 0)
  }
  await iems('notes', 'route', 'bob', 'there')
  const send = async (port: number, ...args: string[]) => {
    const { code, out } = await runProgram('/usr/bin/swaks', [
      '--server',
      `127.0.0.1:${port}`,
      '--helo',
      'acme.test',
      ...args,
    ])
    assert.equal(code, 0, out)
  }
  const curl = async (user: string, number: number) =>
    (
      await runProgram('/usr/bin/curl', [
        '-s',
        '-u',
        `${user}:moving-secret`,
        `imap://127.0.0.1:${imap}/INBOX;MAILINDEX=${number}`,
      ])
    ).out
  const until = async (holds: () => Promise<boolean>) => {
    for (const end = Date.now() + 25_000; Date.now() < end; ) if (await holds()) return
    assert.fail(`${await domino.log()}\n${server.lines.slice(-10).join('\n')}`)
  }

  // Domino's router hands over what Bob wrote.
  await send(
    domino.port,
    ...['--from', 'bob@acme.test', '--to', 'ann@acme.test'],
    ...['--header', 'From: Bob_Jones/Acme@acme.test', '--header', 'To: Ann_Smith/Sales/Acme@acme.test'],
    ...[
      '--header',
      'X-MIMETrack: Itemize by SMTP Server on Hub/Acme',
      '--header',
      'Return-Receipt-To: Bob_Jones/Acme@acme.test',
    ],
    ...[
      '--attach-body',
      'See the document.',
      '--attach-type',
      'application/octet-stream',
      '--attach-name',
      'doclink.ndl',
    ],
    ...['--attach', NDL],
  )
  await until(async () => (await curl('ann', 1)).includes('Subject:'))
  const mail = await curl('ann', 1)
  assert.match(mail, /^From: "Bob Jones" <bob@acme\.test>\r$/m)
  assert.match(mail, /^To: "Ann Smith" <ann@acme\.test>\r$/m)
  assert.match(mail, /^Disposition-Notification-To: "Bob Jones" <bob@acme\.test>\r$/im)
  assert.doesNotMatch(mail, /X-MIMETrack/i)
  assert.match(mail, /https:\/\/domino\.acme\.test\/__85256A0000000001\.nsf\//)

  // A stranger writes to Bob, who is still at Domino.
  await send(
    mx,
    '--from',
    'ed@example.org',
    '--to',
    'bob@acme.test',
    '--header',
    'Disposition-Notification-To: ed@example.org',
  )
  await until(async () => (await domino.kept()).length === 1)
  const [kept = ''] = await domino.kept()
  assert.match(kept, /^Delivered-To: bob@acme\.test$/m)
  assert.match(kept, /^Return-Receipt-To: ed@example\.org$/m)

  // Bob has moved: his mail stays here.
  await iems('notes', 'route', 'bob', 'here')
  await send(mx, '--from', 'ed@example.org', '--to', 'bob@acme.test')
  await until(async () => (await curl('bob', 1)).includes('Subject:'))
  assert.equal((await domino.kept()).length, 1)
})
