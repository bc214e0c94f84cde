/** Programs in Node that use ldapjs' client, as many still do, against this server. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import ldapjs from 'ldapjs'
import { createLdapKernel, PASSWORD, SUFFIX } from '../support/ldap.ts'

/** A client whose calls can be waited for. */
async function connected(t: TestContext, url: string) {
  const client = ldapjs.createClient({ url })
  client.on('error', () => {})
  await once(client, 'connect')
  t.after(() => client.destroy())
  const call = <T = void>(start: (done: (error: Error | null, value?: T) => void) => void) =>
    new Promise<T>((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value as T))))
  return {
    client,
    call,
    bind: (who: string, password: string) => call((done) => client.bind(who, password, (error) => done(error))),
    /** The names of what was found, and the values of `mail` of each. */
    async search(options: ldapjs.SearchOptions) {
      const found: (readonly [dn: string, mail: readonly string[]])[] = []
      const response = await call<ldapjs.SearchCallbackResponse>((done) => client.search(SUFFIX, options, done))
      response.on('searchEntry', (entry) => {
        const mail = entry.attributes.find(({ type }) => type === 'mail')
        found.push([`${entry.objectName}`, [mail?.values ?? []].flat()])
      })
      await new Promise((resolve, reject) => {
        response.on('error', reject)
        response.on('end', resolve)
      })
      return found
    },
  }
}

test('bind, search, pages and changes', async (t) => {
  const here = await createLdapKernel(t)
  const { client, call, bind, search } = await connected(t, here.uri)
  await assert.rejects(bind(`uid=ann,${SUFFIX}`, 'wrong'), { code: 49 })
  await bind(`uid=ann,${SUFFIX}`, PASSWORD)
  const byMail = {
    scope: 'sub',
    filter: new ldapjs.EqualityFilter({ attribute: 'mail', value: 'B@example.org' }),
  } as const
  assert.deepEqual(await search(byMail), [[`uid=bob,${SUFFIX}`, ['bob@example.org', 'b@example.org']]])
  const person = { objectClass: 'inetOrgPerson', uid: 'cleo', cn: 'Cleo', sn: 'C', mail: ['cleo@example.org'] }
  await call((done) => client.add(`uid=cleo,${SUFFIX}`, person, (error) => done(error)))
  assert.deepEqual((await here.directory.byName('account', 'cleo'))?.addresses, ['cleo@example.org'])
  const modification = new ldapjs.Attribute({ type: 'title', values: ['Queen'] })
  const change = new ldapjs.Change({ operation: 'replace', modification })
  await call((done) => client.modify(`uid=cleo,${SUFFIX}`, change, (error) => done(error)))
  const isQueen = await call<boolean>((done) =>
    client.compare(`uid=cleo,${SUFFIX}`, 'title', 'queen', (error, matched) => done(error, matched)),
  )
  assert.equal(isQueen, true)
  const paged = await search({ scope: 'sub', filter: '(objectClass=person)', paged: { pageSize: 1 } })
  assert.deepEqual(
    paged.map(([dn]) => dn).sort(),
    ['ann', 'bob', 'cleo'].map((name) => `uid=${name},${SUFFIX}`),
  )
  await call((done) => client.modifyDN(`uid=cleo,${SUFFIX}`, 'uid=cleopatra', (error) => done(error)))
  await call((done) => client.del(`uid=cleopatra,${SUFFIX}`, (error) => done(error)))
  await assert.rejects(
    call((done) => client.del(`uid=cleopatra,${SUFFIX}`, (error) => done(error))),
    { code: 32 },
  )
})
