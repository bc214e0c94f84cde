/** Files of other mail systems in the forms that their manuals allow, each read to the same facts. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { readDump } from '../../plugins/gateway/move/systems/databases.ts'
import { readDockerMailserver, readMainCf, readPostfix, readTable } from '../../plugins/gateway/move/systems/postfix.ts'
import { tempFolder } from '../support/running-server.ts'

const MAIN = 'etc/postfix/main.cf'
type Files = Readonly<Record<string, string>>

/** Domains of `virtual_mailbox_domains` by postconf(5): words, files of words, and tables, mixed. */
const DOMAINS: readonly (readonly [
  value: string,
  files: Files,
  domains: readonly string[],
  problems: RegExp | null,
])[] = [
  ['A.test, b.test c.test', {}, ['a.test', 'b.test', 'c.test'], null],
  ['/etc/postfix/vhosts', { 'etc/postfix/vhosts': '# ours\na.test\n\nb.test\r\n' }, ['a.test', 'b.test'], null],
  ['$config_directory/vhosts', { 'etc/postfix/vhosts': 'a.test' }, ['a.test'], null],
  ['hash:/etc/postfix/d', { 'etc/postfix/d': 'a.test OK\nb.test anything\n' }, ['a.test', 'b.test'], null],
  ['a.test hash:$config_directory/d', { 'etc/postfix/d': 'b.test 1' }, ['a.test', 'b.test'], null],
  ['proxy:texthash:/etc/postfix/d', { 'etc/postfix/d': 'a.test x' }, ['a.test'], null],
  ['/etc/postfix/v', { 'etc/postfix/v': 'hash:/etc/d a.test', 'etc/d': 'b.test OK' }, ['b.test', 'a.test'], null],
  ['a.test mysql:/etc/postfix/sql.cf', {}, ['a.test'], /mysql:\/etc\/postfix\/sql\.cf cannot be read/],
  ['a.test regexp:/etc/postfix/re', { 'etc/postfix/re': '/x/ OK' }, ['a.test'], /regexp:.* cannot be read/],
  ['a.test /etc/postfix/missing', {}, ['a.test'], /virtual_mailbox_domains: .*missing/],
  ['/etc/postfix/v', { 'etc/postfix/v': '/etc/postfix/v a.test' }, ['a.test'], /v cannot be read/],
]

test('domains of Postfix are words, files and tables; what cannot be read is named, and nothing else', async (t) => {
  for (const [at, [value, files, domains, problems]] of DOMAINS.entries()) {
    const root = join(await tempFolder(t), `${at}`)
    const given = {
      ...files,
      [MAIN]: `mydestination =\nalias_maps =\nvirtual_mailbox_domains = ${value}\n`,
    }
    for (const [name, text] of Object.entries(given)) {
      await mkdir(dirname(join(root, name)), { recursive: true })
      await writeFile(join(root, name), text)
    }
    const found = await readPostfix({ main: join(root, MAIN), passwd: [], root })
    assert.deepEqual([...new Set(found.domains)], domains, value)
    if (problems) assert.match(found.problems.join('\n'), problems, value)
    assert.equal(found.problems.length, problems ? 1 : 0, `${value}: ${found.problems}`)
  }
})

test('a copy of main.cf elsewhere is read with the tables beside it', async (t) => {
  const folder = await tempFolder(t)
  await writeFile(
    join(folder, 'virtual'),
    'info@a.test ann@a.test,\n  bob@a.test\n@a.test  ann@a.test\na.test anything\n',
  )
  await writeFile(
    join(folder, 'main.cf'),
    'alias_maps=\nmydestination=\nvirtual_alias_domains = a.test\nvirtual_alias_maps = hash:$(config_directory)/virtual\n',
  )
  const { domains, aliases, problems } = await readPostfix({ main: join(folder, 'main.cf'), passwd: [] })
  assert.deepEqual([domains, problems], [['a.test'], []])
  assert.deepEqual(aliases, [
    { from: 'info@a.test', to: ['ann@a.test', 'bob@a.test'] },
    { from: '@a.test', to: ['ann@a.test'] },
  ])
})

test('parameters of main.cf have the forms and defaults of postconf(5)', () => {
  const cases: readonly (readonly [text: string, name: string, value: string])[] = [
    ['a = 1\na = 2', 'a', '2'],
    ['a = x\n\ty\n # comment\n  z', 'a', 'x y z'],
    [`a=$b/$(c)/\${d}\nb=1\nc=2\nd=3`, 'a', '1/2/3'],
    ['a = b = c', 'a', 'b = c'],
    ['a =', 'a', ''],
    ['', 'unknown', ''],
    ['a = $unknown!', 'a', '!'],
    ['myhostname = mx.a.test', 'mydomain', 'a.test'],
    ['myhostname = mx.a.test\nmydomain = b.test', 'mydestination', 'mx.a.test, localhost.b.test, localhost'],
    ['myhostname = mx.a.test', 'myorigin', 'mx.a.test'],
    ['', 'alias_maps', 'hash:/etc/aliases'],
    ['', 'config_directory', '/etc/postfix'],
    ['config_directory = /opt/mail', 'config_directory', '/opt/mail'],
  ]
  for (const [text, name, value] of cases) assert.equal(readMainCf(text)(name), value, `${name} of ${text}`)
})

test('tables and aliases have the forms of postmap(1) and aliases(5)', () => {
  const cases: readonly (readonly [text: string, kind: 'table' | 'aliases', entries: Files])[] = [
    ['a b\nc\td e', 'table', { a: 'b', c: 'd e' }],
    ['a b\n  c\n# d\n\n\te', 'table', { a: 'b c e' }],
    ['"a b" c', 'table', { 'a b': 'c' }],
    ['lonely', 'table', { lonely: '' }],
    ['a 1\na 2', 'table', { a: '2' }],
    ['a: b, c\nd : e\nf:g', 'aliases', { a: 'b, c', d: 'e', f: 'g' }],
    ['"odd one": b', 'aliases', { 'odd one': 'b' }],
    ['a: "|/bin/prog -x"', 'aliases', { a: '"|/bin/prog -x"' }],
  ]
  for (const [text, kind, entries] of cases)
    assert.deepEqual(Object.fromEntries(readTable(text.replaceAll('\n', '\r\n'), kind)), entries, text)
})

const TABLE =
  'CREATE TABLE `m` (\n  `user` varchar(9),\n  `n` int,\n  `note` text,\n  KEY `k` (`n`)\n) ENGINE=InnoDB;\n'
type Rows = readonly Readonly<Record<string, string>>[]
const DUMPS: readonly (readonly [statement: string, rows: Rows])[] = [
  ['', []],
  ["INSERT INTO `m` VALUES ('a',1,NULL);", [{ user: 'a', n: '1' }]],
  [
    "INSERT INTO `m` VALUES ('a',-1.5,''),('b', 2 ,'x');",
    [
      { user: 'a', n: '-1.5', note: '' },
      { user: 'b', n: '2', note: 'x' },
    ],
  ],
  [
    "INSERT INTO `m` VALUES ('a',1,'x');\nINSERT INTO `m` VALUES ('b',2,'y');",
    [
      { user: 'a', n: '1', note: 'x' },
      { user: 'b', n: '2', note: 'y' },
    ],
  ],
  ["INSERT INTO `m` (`note`, `user`) VALUES ('x','a');", [{ note: 'x', user: 'a' }]],
  [
    String.raw`INSERT INTO ${'`m`'} VALUES ('O\'Hara',1,'a\\b\n\"c\" ''d'' (e),;');`,
    [{ user: "O'Hara", n: '1', note: 'a\\b\n"c" \'d\' (e),;' }],
  ],
  ["INSERT INTO `m` VALUES ('NULL',1,_binary 'x');", [{ user: 'NULL', n: '1', note: 'x' }]],
  [
    "INSERT INTO `m` VALUES ('a',1,'INSERT INTO `m` VALUES (1,2,3);');",
    [{ user: 'a', n: '1', note: 'INSERT INTO `m` VALUES (1,2,3);' }],
  ],
  ["INSERT INTO `other` VALUES ('a',1,'x');", []],
  ["INSERT INTO `m` VALUES ('a',1,'cut", []],
]

test('a dump is read as mysqldump writes it, with any line end, and never past a cut', () => {
  for (const [statement, rows] of DUMPS)
    for (const text of [
      TABLE + statement,
      `-- dump\n${TABLE}${statement}\n`,
      (TABLE + statement).replaceAll('\n', '\r\n'),
    ])
      assert.deepEqual(readDump(text, ['m']).get('m'), rows, text)
})

test('accounts of docker-mailserver have quotas in its units', async (t) => {
  const folder = await tempFolder(t)
  const quotas = {
    a: ['5M', 5 * 1024 ** 2],
    b: ['2g', 2 * 1024 ** 3],
    c: ['10', 10],
    d: ['0', undefined],
    e: [undefined, undefined],
  }
  const names = Object.keys(quotas) as (keyof typeof quotas)[]
  await writeFile(
    join(folder, 'postfix-accounts.cf'),
    `# accounts\n${names.map((name) => `${name}@a.test|{PLAIN}x|later\n`).join('')}`,
  )
  await writeFile(
    join(folder, 'dovecot-quotas.cf'),
    names.flatMap((name) => (quotas[name][0] ? [`${name}@a.test:${quotas[name][0]}\n`] : [])).join(''),
  )
  const { users, domains, aliases } = await readDockerMailserver(folder)
  assert.deepEqual([domains, aliases], [['a.test'], []])
  assert.deepEqual(
    users.map(({ quota }) => quota),
    names.map((name) => quotas[name][1]),
  )
  assert.deepEqual(new Set(users.map(({ password }) => password)), new Set(['{PLAIN}x']))
})
