/** Domains, accounts, aliases and files of other mail systems: Dovecot's hashes log in, Takeout's labels are folders. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type { CommandOutput } from '../../core/index.ts'
import { move } from '../../plugins/gateway/move/index.ts'
import { readDump } from '../../plugins/gateway/move/systems/databases.ts'
import { readMainCf } from '../../plugins/gateway/move/systems/postfix.ts'
import { mailsort } from '../../plugins/mailbox/mailsort/index.ts'
import { createDirectoryKernel } from '../support/directory.ts'
import { startDovecot, whyNoDovecot } from '../support/dovecot.ts'
import { createImapKernel } from '../support/imap-talk.ts'
import { fillMaildir, imapClient, numbered, seenBy } from '../support/move.ts'
import { tempFolder } from '../support/running-server.ts'

const run = promisify(execFile)
const SCHEMES = [
  'SHA512-CRYPT',
  'SHA256-CRYPT',
  'BLF-CRYPT',
  'SSHA256',
  'SSHA512',
  'PBKDF2',
  'ARGON2ID',
  'SCRAM-SHA-256',
  'PLAIN',
]
const texts = (outputs: readonly CommandOutput[]) => outputs.flatMap((one) => ('text' in one ? [one.text] : []))

test('accounts of Postfix and Dovecot log in with their old passwords, and their aliases work', {
  skip: existsSync('/usr/bin/doveadm') ? false : 'doveadm (Debian package dovecot-core) is not installed',
}, async (t) => {
  const folder = await tempFolder(t)
  const hash = async (scheme: string) =>
    (await run('doveadm', ['pw', '-s', scheme, '-p', `pass-${scheme}`])).stdout.trim()
  const users = await Promise.all(
    SCHEMES.map(async (scheme) => `u.${scheme.toLowerCase()}@here.test:${await hash(scheme)}:1000:1000::/home::`),
  )
  await writeFile(join(folder, 'users'), [...users, 'odd@here.test:{MD5-CRYPT}$1$x$y', '# end', ''].join('\n'))
  await writeFile(
    join(folder, 'virtual'),
    '# comment\ninfo@here.test  u.plain@here.test,\n   far@far.test\n@old.test @here.test\nu.ssha256@here.test u.ssha256@here.test, copy@far.test\n',
  )
  await writeFile(join(folder, 'aliases'), 'postmaster: u.plain@here.test\nprogram: "|/bin/prog"\n')
  await writeFile(
    join(folder, 'main.cf'),
    `myhostname = mail.here.test
mydestination =
virtual_mailbox_domains = here.test
virtual_alias_domains = old.test
virtual_alias_maps = hash:${folder}/virtual, mysql:/etc/postfix/sql.cf
alias_maps = hash:$folder_of/aliases
folder_of = ${folder}
`,
  )
  const { command, directory, session, accounts } = await createDirectoryKernel(t, { plugins: [move()] })
  const values = { main: join(folder, 'main.cf'), passwd: [join(folder, 'users')] }
  const dry = texts(await command('move postfix', { values: { ...values, dryRun: true } }))
  assert.equal(await directory.byName('domain', 'old.test'), undefined)
  assert.match(dry.join('\n'), /nothing has been changed/)
  const said = texts(await command('move postfix', { values })).join('\n')
  assert.match(said, /mysql:\/etc\/postfix\/sql.cf cannot be read/)
  assert.match(said, /odd@here\.test: the hash of the password has an unknown scheme/)
  assert.match(said, /program.*no counterpart/)
  for (const [n, scheme] of SCHEMES.entries()) {
    const client = session({ protocol: 'IMAP', remote: { address: `192.0.${n}.1` } })
    const username = `u.${scheme.toLowerCase()}@here.test`
    const answer = await client.auth({ kind: 'password', username, password: `pass-${scheme}` })
    assert.equal(answer.kind, 'identity', scheme)
  }
  const wrong = await session({ protocol: 'IMAP' }).auth({
    kind: 'password',
    username: 'u.plain@here.test',
    password: 'x',
  })
  assert.equal(wrong.kind, 'refuse')
  assert.deepEqual((await directory.byName('alias', 'info@here.test'))?.targets, ['u.plain@here.test', 'far@far.test'])
  assert.deepEqual((await directory.byName('alias', '*@old.test'))?.targets, ['*@here.test'])
  assert.deepEqual((await directory.byName('account', 'u.ssha256@here.test'))?.forward, {
    to: ['copy@far.test'],
    keep: true,
  })
  assert.ok(await accounts.byAddress('odd@here.test'))
  assert.match(texts(await command('move postfix', { values })).join('\n'), /^0 entries added, 0 changed/m)
})

test('main.cf expands its parameters and has defaults', () => {
  const value = readMainCf('myhostname = mx.here.test\na = $b,\n  $(mydomain)\n# c\nb = one\na_loop = $a_loop\n')
  assert.deepEqual(
    [value('a'), value('mydomain'), value('mydestination')],
    ['one, here.test', 'here.test', 'mx.here.test, localhost.here.test, localhost'],
  )
  assert.ok(value('a_loop').length < 100)
})

test('Mailu, Mailcow and docker-mailserver give the same entries', async (t) => {
  const folder = await tempFolder(t)
  const database = new DatabaseSync(join(folder, 'main.db'))
  database.exec(`CREATE TABLE domain (name TEXT); INSERT INTO domain VALUES ('here.test');
    CREATE TABLE user (email TEXT, localpart TEXT, domain_name TEXT, password TEXT, quota_bytes INT, enabled INT,
      displayed_name TEXT, forward_enabled INT, forward_destination TEXT, forward_keep INT);
    INSERT INTO user VALUES ('ann@here.test','ann','here.test','{PLAIN}secret',1000,1,'Ann O''Hara',0,'',0);
    CREATE TABLE alias (email TEXT, localpart TEXT, domain_name TEXT, destination TEXT);
    INSERT INTO alias VALUES ('info@here.test','info','here.test','ann@here.test,x@far.test');`)
  database.close()
  await writeFile(
    join(folder, 'dump.sql'),
    `CREATE TABLE \`domain\` (\n  \`domain\` varchar(255),\n  \`active\` tinyint\n) ENGINE=InnoDB;
INSERT INTO \`domain\` VALUES ('here.test',1);
CREATE TABLE \`mailbox\` (\n  \`username\` varchar(255),\n  \`password\` varchar(255),\n  \`name\` varchar(255),\n  \`quota\` bigint,\n  \`active\` tinyint,\n  PRIMARY KEY (\`username\`)\n) ENGINE=InnoDB;
INSERT INTO \`mailbox\` VALUES ('ann@here.test','{PLAIN}secret','Ann O\\'Hara',1000,1);
CREATE TABLE \`alias\` (\n  \`address\` varchar(255),\n  \`goto\` text,\n  \`active\` tinyint\n) ENGINE=InnoDB;
INSERT INTO \`alias\` VALUES ('ann@here.test','ann@here.test',1),('info@here.test','ann@here.test,x@far.test',1);
`,
  )
  await mkdir(join(folder, 'dms'))
  await writeFile(join(folder, 'dms/postfix-accounts.cf'), 'ann@here.test|{PLAIN}secret\n')
  await writeFile(join(folder, 'dms/postfix-virtual.cf'), 'info@here.test ann@here.test,x@far.test\n')
  await writeFile(join(folder, 'dms/dovecot-quotas.cf'), 'ann@here.test:1000\n')
  for (const [words, path] of [
    ['move mailu', 'main.db'],
    ['move mailcow', 'dump.sql'],
    ['move docker-mailserver', 'dms'],
  ] as const) {
    const { command, directory, session } = await createDirectoryKernel(t, { plugins: [move()] })
    await command(words, { values: { path: join(folder, path) } })
    const ann = await directory.byName('account', 'ann@here.test')
    assert.deepEqual([ann?.addresses, ann?.quota], [['ann@here.test'], 1000], words)
    if (words !== 'move docker-mailserver') assert.equal(ann?.displayName, "Ann O'Hara")
    assert.deepEqual((await directory.byName('alias', 'info@here.test'))?.targets, ['ann@here.test', 'x@far.test'])
    const login = await session({ protocol: 'IMAP' }).auth({
      kind: 'password',
      username: 'ann@here.test',
      password: 'secret',
    })
    assert.equal(login.kind, 'identity', words)
  }
  assert.throws(() => readDump('nothing', ['mailbox']), /no table mailbox/)
})

test('a Maildir on disk is what Dovecot shows of it, with its UIDs', { skip: whyNoDovecot() ?? false }, async (t) => {
  const dovecot = await startDovecot(t, { users: ['ann'] })
  await fillMaildir(dovecot.folder, 'ann', 40, ['Work', 'Work/2026'])
  const there = await seenBy({ port: dovecot.imap, user: 'ann' }, { uids: true })
  const { command, port } = await createImapKernel(t, { plugins: [move()] })
  const values = { account: 'ann', path: join(dovecot.folder, 'mail/ann'), keepUids: true }
  await command('move maildir', { values })
  const names = new Set(there.map(({ name }) => name))
  const here = await seenBy({ port, user: 'ann' }, { uids: true })
  const plain = (folders: typeof there) => folders.map(({ subscribed: _, ...rest }) => rest)
  assert.deepEqual(plain(here.filter(({ name }) => names.has(name))), plain(there))
  assert.match(texts(await command('move maildir', { values })).join('\n'), /nothing differs/)
})

test('an mdbox or sdbox on disk is what Dovecot shows of it, also after changes', {
  skip: whyNoDovecot() ?? false,
}, async (t) => {
  for (const kind of ['mdbox', 'sdbox']) {
    const dovecot = await startDovecot(t, { users: ['ann'], settings: `mail_location = ${kind}:~/box\n` })
    const access = { port: dovecot.imap, user: 'ann' }
    const client = await imapClient(access)
    await client.mailboxCreate('Grüße/v1.2')
    await client.mailboxSubscribe('Grüße/v1.2')
    for (let n = 0; n < 6; n++)
      await client.append(
        n % 3 === 0 ? 'Grüße/v1.2' : 'INBOX',
        numbered(n),
        [['\\Seen'], ['later', '\\Flagged'], []][n % 3],
        new Date(1.6e12 + n * 1e6),
      )
    const compared = async () => {
      const there = await seenBy(access, { uids: true })
      const here = new Map((await seenBy({ port, user: 'ann' }, { uids: true })).map((folder) => [folder.name, folder]))
      assert.deepEqual(
        there.map(({ name }) => here.get(name)),
        there,
        kind,
      )
    }
    const { command, port } = await createImapKernel(t, { plugins: [move()] })
    const values = { account: 'ann', path: join(dovecot.folder, 'mail/ann/box'), keepUids: true }
    await command('move mdbox', { values })
    await compared()
    assert.match(texts(await command('move mdbox', { values })).join('\n'), /nothing differs/)
    await client.mailboxOpen('INBOX')
    await client.messageDelete('1')
    await client.messageFlagsAdd('1', ['\\Answered'])
    await client.append('INBOX', numbered(7))
    await client.logout()
    await command('move mdbox', { values })
    await compared()
  }
  const { command } = await createImapKernel(t, { plugins: [move()] })
  await assert.rejects(
    command('move mdbox', { values: { account: 'ann', path: '/etc' } }),
    /neither an mdbox nor an sdbox/,
  )
})

const TAKEOUT = [
  ['Inbox,Unread', 'one', 'Wed Jan 01 10:00:00 +0000 2025'],
  ['Opened,Starred,=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=,Projects/2025', 'two', 'Thu Jan 02 10:00:00 +0100 2025'],
  ['Archived,Important', 'three', 'Fri Jan 03 10:00:00 +0000 2025'],
].map(
  ([labels, subject, date], n) =>
    `From 180000000000000000${n}@xxx ${date}\nX-Gmail-Labels: ${labels}\nSubject: ${subject}\n\n>From here\nText\n\n`,
)

test("messages of Google Takeout go to their labels' folders, once", async (t) => {
  const folder = await tempFolder(t)
  const path = join(folder, 'All mail.mbox')
  await writeFile(path, TAKEOUT.join(''))
  const { command, entries, content, mail } = await createImapKernel(t, { plugins: [move()] })
  const values = { account: 'ann', path }
  for (const again of [false, true]) {
    const said = texts(await command('move takeout', { values })).join('\n')
    assert.equal(/nothing differs/.test(said), again, said)
  }
  const seen = async (name: string) =>
    (await entries('ann', name)).map(({ flags, received }) => [
      [...flags].sort().join(' '),
      new Date(received).toISOString(),
    ])
  assert.deepEqual(await seen('INBOX'), [['', '2025-01-01T10:00:00.000Z']])
  for (const name of ['Grüße', 'Projects/2025'])
    assert.deepEqual(await seen(name), [['\\Flagged \\Seen', '2025-01-02T09:00:00.000Z']])
  assert.deepEqual(await seen('Archive'), [['$Important \\Seen', '2025-01-03T10:00:00.000Z']])
  const [first] = await entries('ann', 'INBOX')
  assert.match(await content(first?.email ?? ''), /\r\n\r\nFrom here\r\nText\r\n$/)
  assert.equal(
    (await mail.mailboxes('ann')).some(({ name }) => name === 'Opened'),
    false,
  )
})

test('a PST file comes by what readpst writes', async (t) => {
  const folder = await tempFolder(t)
  const readpst = join(folder, 'readpst')
  await writeFile(
    readpst,
    `#!/bin/sh
while [ "$1" != -o ]; do shift; done
mkdir -p "$2/Outlook/Inbox/Sub"
printf 'From "a" Wed Jan  1 10:00:00 2025\\nStatus: RO\\nSubject: top\\n\\nText\\n\\n' > "$2/Outlook/Inbox/mbox"
printf 'From "a" Wed Jan  1 10:00:00 2025\\nSubject: sub\\n\\nText\\n\\n' > "$2/Outlook/Inbox/Sub/mbox"
`,
  )
  await chmod(readpst, 0o755)
  const { command, entries } = await createImapKernel(t, { plugins: [move({ readpst })] })
  await command('move pst', { values: { account: 'ann', path: join(folder, 'file.pst') } })
  assert.deepEqual(
    (await entries('ann', 'INBOX')).map(({ flags }) => flags),
    [['\\Seen']],
  )
  assert.equal((await entries('ann', 'INBOX/Sub')).length, 1)
})

test('Sieve scripts of a home folder come along, and the active one stays active', async (t) => {
  const home = await tempFolder(t)
  await mkdir(join(home, 'sieve'))
  await writeFile(join(home, 'sieve/main.sieve'), 'require "fileinto";\nfileinto "Work";\n')
  await writeFile(join(home, 'sieve/other.sieve'), 'keep;\n')
  await writeFile(join(home, 'sieve/odd.sieve'), 'require "vnd.unknown";\n')
  await symlink('sieve/main.sieve', join(home, '.dovecot.sieve'))
  const { command } = await createImapKernel(t, { plugins: [mailsort(), move()] })
  const said = texts(await command('move sieve', { values: { account: 'ann', home } })).join('\n')
  assert.match(said, /^! odd: /m)
  assert.match(said, /2 scripts of 3, active: main/)
  const listed = texts(await command('mailsort list', { arguments: ['ann'], values: { account: 'ann' } })).join('\n')
  assert.match(listed, /^\* main/m)
})
