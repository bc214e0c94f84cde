/** The three sources of accounts, held against one contract: the configuration, the store, and another LDAP server. */
import type { TestContext } from 'node:test'
import * as z from 'zod'
import { definePlugin, type SetupContext, secret } from '../../core/index.ts'
import {
  type AccountsUnderTest,
  accountsContract,
  CONTRACT_ACCOUNTS,
  createTestKernel,
} from '../../core/testing/index.ts'
import { Accounts, type AccountsApi, hashPassword } from '../../plugins/directory/static/api.ts'
import { accounts } from '../../plugins/directory/static/index.ts'
import { createDirectoryKernel } from '../support/directory.ts'
import { createClientKernel } from '../support/ldap-client.ts'
import { startSlapd, whyNoSlapd } from '../support/slapd.ts'

function loginBy(openSession: SetupContext['openSession']): AccountsUnderTest['login'] {
  let logins = 0
  return async (username, password) => {
    const session = openSession({ protocol: 'IMAP', remote: { address: `10.1.0.${++logins}` } })
    const answer = await session.auth({ kind: 'password', username, password })
    session.close()
    return answer.kind === 'identity' ? answer.user : answer.reply.code
  }
}

accountsContract('accounts', async (t) => {
  const lent: { accounts?: AccountsApi; openSession?: SetupContext['openSession'] } = {}
  const borrow = definePlugin({
    name: 'borrow',
    config: z.undefined(),
    needs: [Accounts],
    setup(_, ctx) {
      lent.accounts = ctx.use(Accounts)
      lent.openSession = ctx.openSession
      return {}
    },
  })
  const written = await Promise.all(
    CONTRACT_ACCOUNTS.map(async ({ password, addresses, groups, ...rest }) => ({
      ...rest,
      addresses: [...addresses],
      groups: [...groups],
      password: await hashPassword(password),
    })),
  )
  await createTestKernel(t, {
    plugins: [accounts({ domains: ['example.org'], channel: 'out', accounts: written }), borrow()],
  })
  const { accounts: service, openSession } = lent as Required<typeof lent>
  return { accounts: service, login: loginBy(openSession) }
})

accountsContract('directory', async (t) => {
  const here = await createDirectoryKernel(t)
  await here.make({ add: { kind: 'domain', name: 'example.org' } })
  for (const { groups, ...rest } of CONTRACT_ACCOUNTS) {
    const { id } = await here.make({ add: { kind: 'account', ...rest } })
    for (const name of groups) await here.make({ add: { kind: 'group', name, members: [{ id }] } })
  }
  return { accounts: here.accounts, login: loginBy(here.openSession) }
})

const SUFFIX = 'dc=example,dc=org'

const LDIF = `dn: ${SUFFIX}
objectClass: domain
dc: example

${CONTRACT_ACCOUNTS.map(
  ({ name, addresses, displayName, password }) => `dn: uid=${name},${SUFFIX}
objectClass: inetOrgPerson
uid: ${name}
cn: ${displayName}
sn: Example
displayName: ${displayName}
userPassword: ${password}
${addresses.map((address) => `mail: ${address}\n`).join('')}
`,
).join('')}dn: cn=team,${SUFFIX}
objectClass: groupOfNames
cn: team
member: uid=ann,${SUFFIX}
`

async function ofLdap(t: TestContext): Promise<AccountsUnderTest> {
  const slapd = await startSlapd(t, { suffix: SUFFIX, ldif: LDIF })
  const options = { servers: [slapd.uri], bindDn: slapd.rootDn, password: secret.value('secret') }
  const here = await createClientKernel(t, options, { expectsFaults: true })
  return { accounts: here.accounts, login: loginBy(here.openSession), fail: () => slapd.stop() }
}

accountsContract('ldap-client', ofLdap, { skip: whyNoSlapd() ?? false })
