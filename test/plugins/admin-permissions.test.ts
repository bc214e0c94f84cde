/**
 * The permission matrix: every route of the administration, of self-service and of logins × every kind of login.
 *
 * A route without a row fails, and so does a row whose route has gone or asks for another permission.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definePlugin } from 'iems'
import { account } from 'iems/plugins/account'
import { Http, type HttpApi } from 'iems/plugins/http'
import * as z from 'zod'
import { startAdmin } from '../support/web-admin.ts'

/** The logins of the columns: Basic credentials by name; keys of the API by their role; `program` is a password for programs of the administrator. */
const COLUMNS = [
  'nobody',
  'user',
  'support',
  'domain',
  'other',
  'admin',
  'program',
  'key-none',
  'key-support',
  'key-domain',
  'key-other',
  'key-admin',
] as const
type Column = (typeof COLUMNS)[number]

const LOGINS = COLUMNS.filter((one) => one !== 'nobody')
const ADMINS: readonly Column[] = ['admin', 'program', 'key-admin']
const SUPPORT: readonly Column[] = ['support', 'key-support', ...ADMINS]
const DOMAINS: readonly Column[] = ['domain', 'other', 'key-domain', 'key-other', ...ADMINS]
/** The columns that each class of routes admits. `own`: a login with an account; `owner`: by its own password. */
const CLASSES: Readonly<Record<string, { readonly who: readonly string[]; readonly admits: readonly Column[] }>> = {
  anyone: { who: ['anyone'], admits: COLUMNS },
  login: { who: ['user'], admits: LOGINS },
  own: { who: ['user'], admits: ['user', 'support', 'domain', 'other', 'admin', 'program'] },
  owner: { who: ['user'], admits: ['user', 'support', 'domain', 'other', 'admin'] },
  support: { who: ['status:read', 'queue:read', 'trace:read'], admits: SUPPORT },
  people: { who: ['people:read', 'people:change'], admits: DOMAINS },
  admin: { who: ['admin'], admits: ADMINS },
}

const ROWS: Readonly<Record<string, keyof typeof CLASSES>> = {
  'POST /api/login': 'anyone',
  'POST /api/login/confirm': 'login',
  'GET /api/login/language': 'login',
  'PUT /api/login/language': 'login',
  'GET /api/login/ways': 'anyone',
  'POST /api/login/passkey/options': 'anyone',
  'POST /api/login/passkey': 'anyone',
  'GET /api/passkeys': 'own',
  'POST /api/passkeys/options': 'owner',
  'POST /api/passkeys': 'owner',
  'DELETE /api/passkeys/:id': 'owner',
  'GET /api/login': 'login',
  'DELETE /api/login': 'login',
  'GET /api/logins': 'login',
  'DELETE /api/logins/:id': 'login',
  'POST /login': 'anyone',
  'POST /logout': 'login',
  'GET /api/openapi.json': 'anyone',
  'GET /api/v1/me': 'login',
  'GET /api/v1/status': 'support',
  'GET /api/v1/flow': 'support',
  'GET /api/v1/full-mailboxes': 'admin',
  'GET /api/v1/queue/hops': 'support',
  'GET /api/v1/queue': 'support',
  'POST /api/v1/queue/changes': 'admin',
  'POST /api/v1/queue/flush': 'admin',
  'GET /api/v1/queue/content/:message': 'admin',
  'GET /api/v1/messages': 'support',
  'GET /api/v1/messages/:id': 'support',
  'GET /api/v1/commands': 'support',
  'POST /api/v1/commands/run': 'support',
  'POST /api/v1/commands/input': 'support',
  'GET /api/v1/components': 'support',
  'PUT /api/v1/components/:name': 'admin',
  'GET /api/v1/nodes': 'support',
  'POST /api/v1/reload': 'admin',
  'POST /api/v1/stop': 'admin',
  'GET /api/v1/plugins': 'support',
  'GET /api/v1/hooks': 'support',
  'GET /api/v1/metrics': 'support',
  'GET /api/v1/configuration': 'admin',
  'GET /api/v1/log': 'admin',
  'GET /api/v1/history': 'admin',
  'GET /api/v1/tasks': 'login',
  'GET /api/v1/tasks/:id/lines': 'login',
  'DELETE /api/v1/tasks/:id': 'login',
  'GET /api/v1/certificates': 'admin',
  'GET /api/v1/keys': 'admin',
  'POST /api/v1/keys': 'admin',
  'DELETE /api/v1/keys/:id': 'admin',
  'GET /api/v1/pages': 'login',
  'POST /api/v1/pages/:id/rows': 'login',
  'POST /api/v1/pages/:id/actions/:action': 'login',
  'GET /api/v1/pages/:id/preview': 'login',
  'GET /api/v1/pages/:id/form': 'login',
  'PUT /api/v1/pages/:id/form': 'login',
  'GET /api/v1/pages/:id/figures': 'login',
  'GET /api/v1/pages/:id/module': 'login',
  'GET /admin/modules/:file': 'login',
  'GET /api/v1/packages': 'admin',
  'GET /api/v1/registry': 'admin',
  'POST /api/v1/configuration/check': 'admin',
  'GET /api/v1/directory/:kind': 'people',
  'POST /api/v1/directory/:kind': 'people',
  'GET /api/v1/directory/:kind/:id': 'people',
  'PATCH /api/v1/directory/:kind/:id': 'people',
  'DELETE /api/v1/directory/:kind/:id': 'people',
  'POST /api/v1/directory/:kind/changes': 'people',
  'GET /api/v1/removed': 'people',
  'POST /api/v1/removed/restorations': 'people',
  'GET /api/v1/lists': 'admin',
  'GET /api/v1/lists/:address/members': 'admin',
  'GET /api/v1/lists/:address/held': 'admin',
  'GET /api/v1/lists/:address/held/:id': 'admin',
  'POST /api/v1/lists/:address/decisions': 'admin',
  'GET /admin': 'anyone',
  'GET /admin/': 'anyone',
  'GET /api/account': 'own',
  'PUT /api/account/password': 'owner',
  'GET /api/account/app-passwords': 'own',
  'POST /api/account/app-passwords': 'owner',
  'DELETE /api/account/app-passwords/:id': 'owner',
  'POST /api/account/second-factor': 'owner',
  'PUT /api/account/second-factor': 'owner',
  'DELETE /api/account/second-factor': 'owner',
  'PUT /api/account/forward': 'owner',
  'POST /api/account/addresses': 'owner',
  'DELETE /api/account/addresses/:address': 'owner',
  'GET /api/account/export': 'owner',
  'GET /account': 'anyone',
  'GET /account/': 'anyone',
}
/**
 * Pages of lists with a list whose archive is for its members. `account`: logins with an account; `reader`: members
 * and who manages it; `manager`: administrators, as the list has no owner. The values are those of the path and of the form.
 */
const LIST = 'news@lists.here.test'
const POST_HASH = 'a'.repeat(32)
const OPTIONS = 'action=save&delivery=post'
const LIST_ROWS: Readonly<
  Record<string, readonly [group: 'anyone' | 'login' | 'account' | 'member' | 'reader' | 'manager', form?: string]>
> = {
  'GET /lists-style.css': ['anyone'],
  'GET /robots.txt': ['anyone'],
  'GET /lists-login.js': ['anyone'],
  'GET /lists/login': ['anyone'],
  'GET /lists': ['anyone'],
  'GET /lists/:list': ['anyone'],
  'POST /lists/:list/subscribe': ['anyone'],
  'POST /lists/:list/options': ['anyone'],
  'GET /lists/confirm/:token': ['anyone'],
  'POST /lists/confirm/:token': ['anyone'],
  'GET /lists/unsubscribe/:token': ['anyone'],
  'POST /lists/unsubscribe/:token': ['anyone'],
  'GET /lists/options/:token': ['anyone'],
  'POST /lists/options/:token': ['anyone'],
  'GET /lists/:list/membership': ['account'],
  'POST /lists/:list/membership': ['login'],
  'GET /lists/:list/recent': ['reader'],
  'GET /lists/:list/search': ['reader'],
  'GET /lists/:list/starred': ['reader'],
  'GET /lists/:list/month/:month': ['reader'],
  'GET /lists/:list/mbox/:month': ['reader'],
  'GET /lists/:list/atom': ['reader'],
  'GET /lists/:list/message/:hash': ['reader'],
  'GET /lists/:list/thread/:hash': ['reader'],
  'GET /lists/:list/message/:hash/file/:file': ['reader'],
  'POST /lists/:list/message/:hash/star': ['reader', 'star=yes'],
  'GET /lists/:list/message/:hash/reply': ['member'],
  'POST /lists/:list/message/:hash/reply': ['member', 'text=Hello'],
  'GET /lists/:list/held': ['manager'],
  'POST /lists/:list/held': ['manager', 'id=none&decision=discard'],
  'GET /lists/:list/settings': ['manager'],
  'POST /lists/:list/settings': ['manager', ''],
  'GET /lists/:list/members': ['manager'],
  'POST /lists/:list/members': ['manager', 'action=add&members='],
  'GET /lists/:list/members/:address': ['manager'],
  'POST /lists/:list/members/:address': ['manager', OPTIONS],
  'GET /lists/:list/message/:hash/edit': ['manager'],
  'POST /lists/:list/message/:hash/edit': ['manager', 'action=redact'],
}
/** The member of the list is `user`; who may manage it reads it as well. */
const LIST_ADMITS = {
  anyone: COLUMNS,
  login: LOGINS,
  member: ['user'],
  account: CLASSES.own?.admits ?? [],
  reader: ['user', ...ADMINS],
  manager: ADMINS,
} as const

/** They would stop the server, or have no end: only those who are refused ask for them. */
const NOT_RUN = new Set(['POST /api/v1/stop', 'GET /api/v1/log'])
const REFUSALS = /Your account may not do this|Log in with the account's own password|This login has no account/

async function start(t: Parameters<typeof startAdmin>[0]) {
  const lent: { http?: HttpApi } = {}
  const borrow = definePlugin({
    name: 'borrow-http',
    config: z.undefined(),
    needs: [Http],
    setup(_, ctx) {
      lent.http = ctx.use(Http)
      return {}
    },
  })
  const here = await startAdmin(t, {
    options: { registry: 'http://127.0.0.1:1' },
    plugins: [account({ forwarding: 'own', aliases: { domains: ['here.test'], max: 1 } }), borrow()],
  })
  const { ask, make, directory } = here
  await make({
    add: {
      kind: 'account',
      name: 'other',
      addresses: ['other@other.test'],
      password: 'other-secret',
      roles: ['domain-admin:other.test'],
    },
  })
  const admin = await directory.byName('account', 'admin')
  const app = await directory.addAppPassword(admin?.id ?? '', { name: 'script', scopes: ['web'] }, 'test')
  const basic = (name: string, password: string) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
  const key = async (name: string, roles: readonly string[]) =>
    `Bearer ${(await ask('admin', 'POST', '/api/v1/keys', { name, roles })).json.secret}`
  const credentials: Readonly<Record<Column, string | undefined>> = {
    nobody: undefined,
    user: basic('user', 'user-secret'),
    support: basic('support', 'support-secret'),
    domain: basic('domain', 'domain-secret'),
    other: basic('other', 'other-secret'),
    admin: basic('admin', 'admin-secret'),
    program: basic('admin', 'refused' in app ? '' : app.password),
    'key-none': await key('none', ['no-such-role']),
    'key-support': await key('support', ['support']),
    'key-domain': await key('domain', ['domain-admin:here.test']),
    'key-other': await key('other', ['domain-admin:other.test']),
    'key-admin': await key('admin', ['admin']),
  }
  async function by(column: Column, method: string, path: string, body?: string) {
    const authorization = credentials[column]
    const response = await fetch(here.base + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined
          ? {}
          : { 'content-type': body.startsWith('{') ? 'application/json' : 'application/x-www-form-urlencoded' }),
      },
      ...(body === undefined ? {} : { body }),
    })
    return { status: response.status, text: await response.text() }
  }
  return { ...here, by, routes: lent.http?.routes() ?? [] }
}

test('permissions of every login for every route, and the people of another domain', async (t) => {
  const here = await start(t)
  const { by, routes, directory } = here
  const ours = routes.filter(({ path }) => !/^\/(lists|robots)/.test(path))
  const names = ours.map(({ method, path }) => `${method} ${path}`)
  assert.deepEqual(
    names.filter((name) => !ROWS[name]),
    [],
    'routes without a row',
  )
  assert.deepEqual(
    Object.keys(ROWS).filter((name) => !names.includes(name)),
    [],
    'rows without a route',
  )

  await t.test('every row × every column', async () => {
    for (const { method, path, who, kind } of ours) {
      const name = `${method} ${path}`
      const { who: permissions, admits } = CLASSES[ROWS[name] as string] as (typeof CLASSES)[string]
      assert.ok(permissions.includes(who), `${name} is for ${who}`)
      const place = path.replace(':kind', 'account').replace(/:\w+/g, 'none')
      const body = ['POST', 'PUT', 'PATCH'].includes(method)
        ? kind === 'page'
          ? 'a=b'
          : '{"nothing":"right"}'
        : undefined
      await Promise.all(
        COLUMNS.map(async (column) => {
          const isAdmitted = admits.includes(column)
          if (isAdmitted && NOT_RUN.has(name)) return
          const { status, text } = await by(column, method, place, body)
          const cell = `${name} by ${column}: ${status} ${text.slice(0, 200)}`
          if (!isAdmitted) assert.ok(status === (column === 'nobody' ? 401 : 403), cell)
          else assert.ok(status !== 500 && status !== 401 && status !== 429 && !REFUSALS.test(text), cell)
        }),
      )
    }
  })

  await t.test('pages of lists: every row × every column', async () => {
    await here.ask('admin', 'POST', '/api/v1/commands/run', { words: 'list add', values: { address: LIST } })
    const values = { list: LIST, action: 'add', welcome: false }
    await here.ask('admin', 'POST', '/api/v1/commands/run', { words: 'list import', values, input: 'user@here.test\n' })
    const listed = routes.filter(({ path }) => /^\/(lists|robots)/.test(path))
    assert.deepEqual(listed.map(({ method, path }) => `${method} ${path}`).sort(), Object.keys(LIST_ROWS).sort())
    for (const { method, path } of listed) {
      const [group, form = 'a=b'] = LIST_ROWS[`${method} ${path}`] as (typeof LIST_ROWS)[string]
      const place = path
        .replace(':list', LIST)
        .replace(':month', '2026-11')
        .replace(':hash', POST_HASH)
        .replace(':file', '1')
        .replace(':address', 'none@here.test')
        .replace(/:\w+/g, 'none')
      await Promise.all(
        COLUMNS.map(async (column) => {
          const { status, text } = await by(column, method, place, method === 'POST' ? form : undefined)
          const cell = `${method} ${place} by ${column}: ${status} ${text.replace(/<[^>]+>/g, ' ').slice(-200)}`
          if ((LIST_ADMITS[group] as readonly Column[]).includes(column))
            assert.ok(![401, 403, 429, 500].includes(status), cell)
          else assert.equal(status, column === 'nobody' ? 401 : 403, cell)
        }),
      )
    }
  })

  await t.test('a domain administrator of another domain sees and changes none of the people', async () => {
    const user = await directory.byName('account', 'user')
    const at = `/api/v1/directory/account/${user?.id}`
    for (const column of ['other', 'key-other'] as const) {
      assert.equal((await by(column, 'GET', at)).status, 404)
      assert.equal((await by(column, 'PATCH', at, '{"displayName":"Taken"}')).status, 404)
      assert.equal((await by(column, 'DELETE', at)).status, 404)
      const listed = JSON.parse((await by(column, 'GET', '/api/v1/directory/account')).text).entries
      assert.deepEqual(listed.map((one: { name: string }) => one.name).sort(), ['far', 'other'])
      for (const changes of [
        { action: 'remove', ids: [user?.id] },
        { action: 'set', filter: { search: 'user' }, fields: { status: 'disabled' } },
      ])
        assert.match(
          (await by(column, 'POST', '/api/v1/directory/account/changes', JSON.stringify(changes))).text,
          /"changed":0/,
        )
      const made = await by(column, 'POST', '/api/v1/directory/account', '{"name":"new","addresses":["new@here.test"]}')
      assert.equal(made.status, 403, made.text)
    }
    for (const column of ['domain', 'key-domain'] as const) assert.equal((await by(column, 'GET', at)).status, 200)
    assert.deepEqual(await directory.byName('account', 'user'), user)
  })
})
