/** Virtual list views: what address books scroll through, asked by python-ldap of this server and of slapd. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLdapKernel, PASSWORD, run, SUFFIX, whyNoLdapUtils } from '../support/ldap.ts'
import { startSlapd, whyNoSlapd } from '../support/slapd.ts'

const skip =
  whyNoLdapUtils() ??
  (existsSync('/usr/lib/python3/dist-packages/ldap') ? false : 'python3-ldap (Debian package) is not installed')
const NAMES = ['Adam', 'Bea', 'Carl', 'Dora', 'Emil', 'Fay', 'Gus', 'Hal', 'Ida', 'Jim', 'Kim', 'Leo']
const PEOPLE = NAMES.map(
  (name) => `dn: uid=${name.toLowerCase()},${SUFFIX}
objectClass: inetOrgPerson
uid: ${name.toLowerCase()}
cn: ${name} Smith
sn: ${name === 'Dora' ? 'Zuse' : 'Smith'}
`,
).join('\n')

/** With its ordering rule, which slapd wants named. */
const CN = 'cn:2.5.13.3'

interface Asked {
  readonly view: { before_count: number; after_count: number; [target: string]: number | string }
  readonly sort?: readonly string[]
}
type Shown = readonly [uids: readonly string[], position: number, count: number]

async function ask(uri: string, who: string, password: string, asked: readonly Asked[]) {
  const script = join(import.meta.dirname, '../support/ldap-view.py')
  const filter = '(&(objectClass=inetOrgPerson)(cn=* Smith))'
  const { out, err } = await run('/usr/bin/python3', [script, uri, who, password, SUFFIX, filter], {
    input: JSON.stringify(asked),
  })
  assert.equal(err, '')
  return JSON.parse(out) as (Shown | string)[]
}

const at = (before: number, after: number, offset: number, count: number, ...sort: string[]): Asked => ({
  view: { before_count: before, after_count: after, offset, content_count: count },
  sort: sort.length > 0 ? sort : [CN],
})
const from = (before: number, after: number, value: string, ...sort: string[]): Asked => ({
  view: { before_count: before, after_count: after, greater_than_or_equal: value },
  sort: sort.length > 0 ? sort : [CN],
})

/** What slapd answers as well. */
const SAME: readonly Asked[] = [
  at(0, 2, 1, 0),
  at(0, 4, 1, 12),
  at(1, 1, 5, 12),
  at(2, 2, 12, 12),
  at(3, 0, 1, 0),
  at(20, 20, 6, 12),
  at(0, 0, 3, 0),
  from(0, 3, 'Dora'),
  from(1, 1, 'emi'),
  from(2, 2, 'A'),
  at(0, 1, 1, 0, `-${CN}`),
  at(0, 2, 2, 0, 'sn:2.5.13.3', `-${CN}`),
]

async function add(uri: string, ldif: string) {
  const { code, err } = await run('ldapadd', ['-x', '-H', uri, '-D', `uid=ann,${SUFFIX}`, '-w', PASSWORD], {
    input: ldif,
  })
  assert.equal(code, 0, err)
}

test('a view shows the same entries, positions and counts as with slapd', {
  skip: skip || (whyNoSlapd() ?? false),
}, async (t) => {
  const here = await createLdapKernel(t)
  await add(here.uri, PEOPLE)
  const slapd = await startSlapd(t, {
    suffix: SUFFIX,
    ldif: `dn: ${SUFFIX}\nobjectClass: domain\ndc: example\n\n${PEOPLE}`,
  })
  const ours = await ask(here.uri, `uid=ann,${SUFFIX}`, PASSWORD, SAME)
  const theirs = await ask(slapd.uri, slapd.rootDn, 'secret', SAME)
  for (const [number, asked] of SAME.entries()) {
    assert.deepEqual(ours[number], theirs[number], JSON.stringify(asked))
    assert.equal(ours[number]?.[2], 12)
  }
})

test('a view beyond the end, without an order, of offset 0 or larger than allowed', { skip }, async (t) => {
  const here = await createLdapKernel(t, { limits: { entries: 5, sorted: 10 } })
  const blocks = PEOPLE.split('\n\n')
  await add(here.uri, blocks.slice(0, 9).join('\n\n'))
  const asBob = (...asked: Asked[]) => ask(here.uri, `uid=bob,${SUFFIX}`, PASSWORD, asked)
  assert.deepEqual(
    await asBob(
      from(1, 1, 'Zz'),
      at(2, 2, 9, 9),
      at(0, 1, 50, 100),
      at(0, 1, 0, 9),
      { ...at(0, 1, 1, 0), sort: [] },
      at(3, 3, 1, 0),
    ),
    [
      [['ida'], 10, 9],
      [['gus', 'hal', 'ida'], 9, 9],
      [['emil', 'fay'], 5, 9],
      ...['VLV_ERROR', 'VLV_ERROR', 'VLV_ERROR'],
    ],
  )
  await add(here.uri, blocks.slice(9).join('\n\n'))
  assert.deepEqual(await asBob(at(0, 1, 1, 0)), ['ADMINLIMIT_EXCEEDED'], 'more entries than are sorted')
})

test('the root DSE announces views', { skip }, async (t) => {
  const here = await createLdapKernel(t)
  const { out } = await run('ldapsearch', ['-x', '-H', here.uri, '-LLL', '-s', 'base', '-b', '', 'supportedControl'])
  assert.match(out, /^supportedControl: 2\.16\.840\.1\.113730\.3\.4\.9$/m)
})
