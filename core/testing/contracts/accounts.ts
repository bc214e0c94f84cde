/**
 * The contract of every source of accounts, as tests: `accountsContract('my accounts', make)` in a test file registers
 * them. A plugin that provides the service Accounts must pass them.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Identity } from '../../api/hooks.ts'

/** An account as other plugins see it. */
export interface ContractAccount {
  readonly id: string
  readonly name: string
  readonly addresses: readonly string[]
  readonly displayName?: string
  readonly quota?: number
}

/** The service Accounts of 'iems/plugins/accounts'. */
export interface ContractAccountsApi {
  byId(id: string): Promise<ContractAccount | undefined>
  byName(name: string): Promise<ContractAccount | undefined>
  byLogin(login: string): Promise<ContractAccount | undefined>
  byAddress(address: string): Promise<{ readonly account: ContractAccount; readonly detail?: string } | undefined>
  maySendAs(account: string, address: string): Promise<boolean>
  list(): AsyncIterable<ContractAccount>
  identify(login: string): Promise<Identity | undefined>
  groupsOf(id: string): Promise<readonly string[]>
}

/** A source with the domain example.org, `+` as detail separator, and `CONTRACT_ACCOUNTS`. */
export interface AccountsUnderTest {
  readonly accounts: ContractAccountsApi
  /** Logs in with a password. Returns the identity's user, or the code of the refusal. */
  login(username: string, password: string): Promise<string | number>
  /** Makes the source unreachable; absent for one that is always available. */
  fail?(): Promise<void>
}

/** Creates the source and closes it through `t.after`. */
export type MakeAccounts = (t: TestContext) => Promise<AccountsUnderTest>

/** The complete content of the source. */
export const CONTRACT_ACCOUNTS = [
  {
    name: 'ann',
    addresses: ['ann@example.org', 'a.example@example.org'],
    displayName: 'Ann Example',
    password: 'correct horse ann',
    groups: ['team'],
  },
  {
    name: 'bob',
    addresses: ['bob@example.org'],
    displayName: 'Bob Example',
    password: 'correct horse bob',
    groups: [],
  },
] as const

type Promised = readonly [name: string, holds: (under: AccountsUnderTest) => Promise<void>]

/** Names, addresses and ids that no account has. */
const NOBODY = [
  '',
  ' ',
  '*',
  'a*',
  'nobody',
  'ann)(uid=*',
  'ann\0',
  '@',
  '@example.org',
  'ann@',
  'ann@example.com',
  '+',
]
const ALLOWED: readonly string[] = ['id', 'name', 'addresses', 'displayName', 'quota']

async function annOf({ accounts }: AccountsUnderTest): Promise<ContractAccount> {
  const ann = await accounts.byName('ann')
  assert.ok(ann, 'there is an account ann')
  return ann
}

const PROMISES: readonly Promised[] = [
  [
    'an account is the same by its id, name, login and addresses',
    async (under) => {
      const ann = await annOf(under)
      const { id, name, addresses, displayName } = ann
      assert.match(id, /^[A-Za-z0-9_-]{1,64}$/)
      assert.deepEqual([name, addresses, displayName], ['ann', CONTRACT_ACCOUNTS[0].addresses, 'Ann Example'])
      const { accounts } = under
      const found = [await accounts.byId(id), await accounts.byLogin('ann'), await accounts.byLogin('ann@example.org')]
      for (const address of addresses) found.push((await accounts.byAddress(address))?.account)
      for (const one of found) assert.deepEqual(one, ann)
    },
  ],
  [
    'case makes no difference in names and addresses',
    async (under) => {
      const ann = await annOf(under)
      const { accounts } = under
      assert.deepEqual(await accounts.byName('ANN'), ann)
      assert.deepEqual(await accounts.byLogin('Ann@EXAMPLE.org'), ann)
      assert.deepEqual(await accounts.byAddress('A.EXAMPLE@Example.ORG'), { account: ann })
    },
  ],
  [
    'a subaddress is its account, with the detail as it was written',
    async (under) => {
      const ann = await annOf(under)
      const { accounts } = under
      assert.deepEqual(await accounts.byAddress('ann+Lists@example.org'), { account: ann, detail: 'Lists' })
      assert.equal(await accounts.byAddress('nobody+ann@example.org'), undefined)
      assert.equal(await accounts.byAddress('+ann@example.org'), undefined)
    },
  ],
  [
    'an unknown name, address or id is undefined, whatever it contains',
    async ({ accounts }) => {
      for (const text of NOBODY) {
        const found = [
          await accounts.byName(text),
          await accounts.byLogin(text),
          await accounts.byAddress(text),
          await accounts.identify(text),
        ]
        assert.deepEqual(found, [undefined, undefined, undefined, undefined], JSON.stringify(text))
      }
      assert.equal(await accounts.byId('00000000-0000-4000-8000-000000000000'), undefined)
      assert.deepEqual(await accounts.groupsOf('00000000-0000-4000-8000-000000000000'), [])
    },
  ],
  [
    'an account sends from its own addresses and from no other',
    async (under) => {
      const { accounts } = under
      const { id } = await annOf(under)
      for (const address of ['ann@example.org', 'ANN@example.org', 'a.example@example.org'])
        assert.equal(await accounts.maySendAs(id, address), true, address)
      for (const address of ['bob@example.org', 'nobody@example.org', 'ann@example.com', '', '*', 'ann'])
        assert.equal(await accounts.maySendAs(id, address), false, address)
      assert.equal(await accounts.maySendAs('00000000-0000-4000-8000-000000000000', 'ann@example.org'), false)
    },
  ],
  [
    'the list has each account once',
    async (under) => {
      const all = await Array.fromAsync(under.accounts.list())
      assert.deepEqual(all.map(({ name }) => name).sort(), ['ann', 'bob'])
      const ann = await annOf(under)
      assert.deepEqual(
        all.find(({ name }) => name === 'ann'),
        ann,
      )
    },
  ],
  [
    'identify names the account that a login would',
    async (under) => {
      const { id } = await annOf(under)
      for (const login of ['ann', 'a.example@example.org']) {
        const identity = await under.accounts.identify(login)
        assert.deepEqual([identity?.kind, identity?.user, identity?.account], ['identity', 'ann', id], login)
      }
    },
  ],
  [
    'groups are told by name',
    async (under) => {
      const { accounts } = under
      assert.deepEqual(await accounts.groupsOf((await annOf(under)).id), ['team'])
      assert.deepEqual(await accounts.groupsOf((await accounts.byName('bob'))?.id ?? ''), [])
    },
  ],
  [
    'nothing but what an account is known by leaves the source',
    async ({ accounts }) => {
      const byAddress = await accounts.byAddress('ann@example.org')
      const all = [await accounts.byName('ann'), await accounts.byLogin('ann'), byAddress?.account]
      for (const one of [...all, ...(await Array.fromAsync(accounts.list()))])
        assert.deepEqual(
          Object.keys(one ?? {}).filter((field) => !ALLOWED.includes(field)),
          [],
        )
    },
  ],
  [
    'a login needs the right password of that account',
    async (under) => {
      const [ann, bob] = CONTRACT_ACCOUNTS
      assert.equal(await under.login('ann', ann.password), 'ann')
      assert.equal(await under.login('Ann@Example.org', ann.password), 'ann')
      for (const [name, password] of [
        ['ann', bob.password],
        ['ann', ''],
        ['', ann.password],
        ['nobody', ann.password],
        ['a*', ann.password],
        ['ann', `${ann.password} `],
      ] as const)
        assert.equal(await under.login(name, password), 535, `${name} with ${password}`)
    },
  ],
  [
    'a source that cannot be reached throws, and never says that an account is unknown',
    async (under) => {
      if (!under.fail) return
      await under.fail()
      await assert.rejects(under.accounts.byName('carl'))
      await assert.rejects(under.accounts.byAddress('carl@example.org'))
      assert.equal(await under.login('ann', CONTRACT_ACCOUNTS[0].password), 454)
    },
  ],
]

/** Registers a test for each promise. `options`: those of `test`, for example to skip them. */
export function accountsContract(
  name: string,
  make: MakeAccounts,
  options: { readonly skip?: boolean | string } = {},
): void {
  for (const [promise, holds] of PROMISES)
    test(`${name}: ${promise}`, options, async (t) => {
      await holds(await make(t))
    })
}
