/** Verdicts about a verified message: DMARC's policy (RFC 9989, with `pct` of RFC 7489), SPF, ARC and this server's rules. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Circumstances, judge, type PolicyOptions } from '../../plugins/filter/sender-auth/policy.ts'
import type { DmarcVerdict, Verification } from '../../plugins/filter/sender-auth/verify.ts'

const OPTIONS: PolicyOptions = {
  dmarc: {
    reject: 'refuse',
    quarantine: 'quarantine',
    temporary: 'defer',
    ambiguousFrom: 'refuse',
    honourSampling: true,
  },
  spf: { fail: 'tag' },
  arc: { trusted: [] },
}
const FAILS: DmarcVerdict = {
  result: 'fail',
  from: 'a.test',
  policyDomain: 'a.test',
  record: 'v=DMARC1; p=reject',
  policy: 'reject',
  published: 'reject',
  isTesting: false,
  isSpfAligned: false,
  isDkimAligned: false,
}

interface Row {
  readonly what: string
  readonly dmarc?: Partial<DmarcVerdict>
  readonly spf?: string
  readonly dkim?: readonly string[]
  readonly arc?: Partial<Verification['arc']>
  readonly options?: Partial<{ [section in keyof PolicyOptions]: Partial<PolicyOptions[section]> }>
  readonly forwarder?: true
  readonly chance?: number
  /** Action, disposition in the report, and type of the override. */
  readonly is: readonly [action: string, disposition: string, override?: string]
}

const none = { result: 'none', policy: 'none', published: 'none', record: undefined } as unknown as DmarcVerdict
const ROWS: readonly Row[] = [
  { what: 'pass', dmarc: { result: 'pass' }, is: ['accept', 'pass'] },
  { what: 'pass of a domain that asks for nothing', dmarc: { result: 'pass', policy: 'none' }, is: ['accept', 'none'] },
  {
    what: 'pass whatever SPF says',
    dmarc: { result: 'pass' },
    spf: 'fail',
    options: { spf: { fail: 'refuse' } },
    is: ['accept', 'pass'],
  },
  { what: 'fail with reject', is: ['refuse', 'reject'] },
  {
    what: 'fail with quarantine',
    dmarc: { policy: 'quarantine', published: 'quarantine' },
    is: ['quarantine', 'quarantine'],
  },
  { what: 'fail with none', dmarc: { policy: 'none', published: 'none' }, is: ['accept', 'none'] },
  { what: 'no record', dmarc: none, is: ['accept', 'none'] },
  { what: 'a server that only tags', options: { dmarc: { reject: 'tag' } }, is: ['tag', 'none', 'local_policy'] },
  {
    what: 'a server that quarantines',
    options: { dmarc: { reject: 'quarantine' } },
    is: ['quarantine', 'quarantine', 'local_policy'],
  },
  {
    what: 'a domain in test mode asks for one step less (RFC 9989 section 4.7)',
    dmarc: { isTesting: true, policy: 'quarantine', record: 'v=DMARC1; p=reject; t=y' },
    is: ['quarantine', 'quarantine', 'policy_test_mode'],
  },
  {
    what: 'test mode of quarantine',
    dmarc: { isTesting: true, policy: 'none', published: 'quarantine' },
    is: ['accept', 'none', 'policy_test_mode'],
  },
  { what: 'the sampled part', dmarc: { record: 'v=DMARC1; p=reject; pct=30' }, chance: 0.29, is: ['refuse', 'reject'] },
  {
    what: 'the part that is sampled out',
    dmarc: { record: 'v=DMARC1; p=reject; pct=30' },
    chance: 0.3,
    is: ['quarantine', 'quarantine', 'other'],
  },
  {
    what: 'quarantine that is sampled out',
    dmarc: { policy: 'quarantine', published: 'quarantine', record: 'v=DMARC1; p=quarantine; pct=0;' },
    is: ['accept', 'none', 'other'],
  },
  {
    what: 'pct beside t does not count',
    dmarc: { record: 'v=DMARC1; p=reject; t=n; pct=0' },
    chance: 0.9,
    is: ['refuse', 'reject'],
  },
  {
    what: 'pct that is no number',
    dmarc: { record: 'v=DMARC1; p=reject; pct=ten' },
    chance: 0.9,
    is: ['refuse', 'reject'],
  },
  {
    what: 'sampling that this server does not honour',
    dmarc: { record: 'v=DMARC1; p=reject; pct=0' },
    options: { dmarc: { honourSampling: false } },
    chance: 0.9,
    is: ['refuse', 'reject'],
  },
  { what: 'a known forwarder', forwarder: true, is: ['accept', 'none', 'trusted_forwarder'] },
  {
    what: 'SPF of a known forwarder',
    dmarc: none,
    spf: 'fail',
    options: { spf: { fail: 'refuse' } },
    forwarder: true,
    is: ['accept', 'none'],
  },
  {
    what: 'a chain of trusted sealers',
    arc: { result: 'pass', sealers: ['list.test', 'relay.test'], firstDmarc: 'pass' },
    options: { arc: { trusted: ['LIST.test', 'relay.test'] } },
    is: ['accept', 'none', 'trusted_forwarder'],
  },
  {
    what: 'a chain with one sealer that is not trusted',
    arc: { result: 'pass', sealers: ['list.test', 'evil.test'], firstDmarc: 'pass' },
    options: { arc: { trusted: ['list.test'] } },
    is: ['refuse', 'reject'],
  },
  {
    what: 'a chain whose first sealer saw no pass',
    arc: { result: 'pass', sealers: ['list.test'], firstDmarc: 'fail' },
    options: { arc: { trusted: ['list.test'] } },
    is: ['refuse', 'reject'],
  },
  {
    what: 'a broken chain',
    arc: { result: 'fail', sealers: ['list.test'], firstDmarc: 'pass' },
    options: { arc: { trusted: ['list.test'] } },
    is: ['refuse', 'reject'],
  },
  {
    what: 'a chain without sealers',
    arc: { result: 'pass', sealers: [], firstDmarc: 'pass' },
    is: ['refuse', 'reject'],
  },
  {
    what: 'no answer about the policy',
    dmarc: { result: 'temperror', record: undefined } as never,
    is: ['defer', 'none'],
  },
  {
    what: 'no answer where the record asks for nothing',
    dmarc: { result: 'temperror', record: 'v=DMARC1; p=none' },
    is: ['accept', 'none'],
  },
  { what: 'no answer about a signature that could pass', dkim: ['temperror'], is: ['defer', 'none'] },
  { what: 'no answer about SPF that could pass', spf: 'temperror', is: ['defer', 'none'] },
  {
    what: 'no answer that could change nothing',
    dmarc: { policy: 'none', published: 'none' },
    spf: 'temperror',
    is: ['accept', 'none'],
  },
  {
    what: 'no answer, from a server that does not wait',
    spf: 'temperror',
    options: { dmarc: { temporary: 'tag' } },
    is: ['accept', 'none'],
  },
  {
    what: 'no answer about a message of a known forwarder',
    spf: 'temperror',
    forwarder: true,
    is: ['accept', 'none', 'trusted_forwarder'],
  },
  { what: 'SPF alone', dmarc: none, spf: 'fail', is: ['accept', 'none'] },
  {
    what: 'SPF alone, refused',
    dmarc: none,
    spf: 'fail',
    options: { spf: { fail: 'refuse' } },
    is: ['refuse', 'reject'],
  },
  {
    what: 'SPF, refused beside a policy of none',
    dmarc: { policy: 'none', published: 'none' },
    spf: 'fail',
    options: { spf: { fail: 'refuse' } },
    is: ['refuse', 'reject', 'local_policy'],
  },
  { what: 'softfail', dmarc: none, spf: 'softfail', options: { spf: { fail: 'refuse' } }, is: ['accept', 'none'] },
  {
    what: 'SPF without an answer, where its fail is refused',
    dmarc: none,
    spf: 'temperror',
    options: { spf: { fail: 'refuse' } },
    is: ['defer', 'none'],
  },
  { what: 'several authors', dmarc: { result: 'permerror', problem: 'several authors' }, is: ['refuse', 'none'] },
  {
    what: 'several authors, tagged',
    dmarc: { result: 'permerror', problem: 'several authors' },
    options: { dmarc: { ambiguousFrom: 'tag' } },
    is: ['accept', 'none'],
  },
  { what: 'no author at all', dmarc: { result: 'permerror', problem: 'no author' }, is: ['accept', 'none'] },
]

for (const { what, dmarc, spf = 'none', dkim = [], arc, options = {}, forwarder = false, chance = 0, is } of ROWS)
  test(`a policy is applied: ${what}`, () => {
    const found = {
      spf: { result: spf, domain: 'a.test', scope: 'mfrom' },
      dkim: dkim.map((result) => ({ result, domain: 'a.test', selector: 's' })),
      arc: { result: 'none', sealers: [], ...arc },
      dmarc: { ...FAILS, ...dmarc },
      rows: [],
      receivedSpf: '',
    } as Verification
    const circumstances: Circumstances = { isForwarder: forwarder, chance: () => chance }
    const all: PolicyOptions = {
      dmarc: { ...OPTIONS.dmarc, ...options.dmarc },
      spf: { ...OPTIONS.spf, ...options.spf },
      arc: { ...OPTIONS.arc, ...options.arc },
    }
    const { action, disposition, override, reason } = judge(found, all, circumstances)
    assert.deepEqual([action, disposition, ...(override ? [override.type] : [])], is)
    assert.match(reason, /^[ -~]*$/, 'the reason is one line of ASCII')
  })

test('names of strangers in a reason have no characters that could end the reply', () => {
  const dmarc = { ...FAILS, from: 'a.test\r\n250 OK', policyDomain: '\u001b[31m.test' }
  const found = {
    spf: { result: 'none' },
    dkim: [],
    arc: { result: 'none', sealers: [] },
    dmarc,
  } as unknown as Verification
  const { reason } = judge(found, OPTIONS, { isForwarder: false, chance: () => 0 })
  assert.equal(reason, 'DMARC policy of ??31m.test: neither SPF nor DKIM vouches for a.test??250?OK')
})
