/**
 * The directory over LDAP, for address books, lookups and administration.
 *
 * This file assembles the parts; start reading at connection.ts, then operations.ts. protocol/ implements the protocol.
 */
import { type Client, createListener, definePlugin, LineReader, LineWriter, type SetupContext } from 'iems'
import { Directory } from '../../store/api.ts'
import { createAccess } from './access.ts'
import type { OperationsDeps } from './asker.ts'
import { Connection } from './connection.ts'
import { Login } from './login.ts'
import { Operations } from './operations.ts'
import { options } from './options.ts'
import { parseDn } from './protocol/dn.ts'
import { disconnection } from './protocol/responses.ts'
import { Searching } from './search.ts'
import { Tree } from './tree.ts'
import { Writing } from './writing.ts'

export const ldap = definePlugin({
  name: 'ldap',
  config: options,
  needs: [Directory],
  async setup(config, ctx) {
    const directory = ctx.use(Directory)
    const tree = new Tree(directory, parseDn(config.suffix) ?? [])
    const access = createAccess(directory, config)
    const parts: OperationsDeps = {
      directory,
      tree,
      access,
      searching: new Searching(directory, tree, access),
      writing: new Writing(directory, tree, { ...config, log: ctx.log }),
      options: config,
      clock: ctx.clock,
    }
    return createListener(config, ctx, {
      label: 'LDAP',
      full: '',
      serve: (client, signal) => serve(parts, ctx, { client, signal }),
    })
  },
})

interface Served {
  readonly client: Client
  readonly signal: AbortSignal
}

async function serve(parts: OperationsDeps, ctx: SetupContext, { client, signal }: Served): Promise<void> {
  const { options, directory, tree } = parts
  const { remote, local, tls } = client
  const open = ctx.openSession({ protocol: 'LDAP', brings: 'nothing', remote, local, ...(tls ? { tls } : {}) })
  const input = new LineReader(options.timeouts.login)
  const output = new LineWriter(options.timeouts.write)
  let isSecure = tls !== undefined
  let top = client.socket
  client.socket.setNoDelay(true)
  input.attach(client.socket)
  output.attach(client.socket)
  const login = new Login({ open, directory, tree, mayShow: () => isSecure || options.authWithoutTls })
  const operations = new Operations(parts, {
    output,
    login,
    identity: () => open.session.identity,
    mayStartTls: () => client.mayStartTls && !isSecure,
    isSecure: () => isSecure,
    mechanisms: () => login.mechanisms(),
    async isOwnPassword(account, username, password) {
      // Application passwords are not valid for the web, except those created for it.
      const web = ctx.openSession({ protocol: 'HTTP', brings: 'nothing', remote, local })
      const answer = await web.auth({ kind: 'password', username, password })
      web.close()
      return answer.kind === 'identity' && answer.account === account
    },
    async changeOwnPassword(change, username, password) {
      // The new password ends all sessions of the old one, so this session is anonymous until it binds again.
      const { identity } = open.session
      open.update({ identity: undefined })
      try {
        await change()
      } catch (fault) {
        open.update({ identity })
        throw fault
      }
      await open.auth({ kind: 'password', username, password })
    },
  })
  try {
    const refusal = await open.connect()
    if (refusal) {
      output.write(disconnection('unavailable', refusal.reply.text))
      return await output.flush()
    }
    const connection = new Connection({
      input,
      output,
      options,
      log: ctx.log,
      signal: AbortSignal.any([signal, open.revoked]),
      isBound: () => open.session.identity !== undefined,
      answer: (request, operation) => operations.answer(request, operation),
      async startTls() {
        input.detach()
        const { socket, tls } = await client.startTls()
        isSecure = true
        top = socket
        open.update({ tls })
        input.attach(socket)
        output.attach(socket)
      },
      cut: () => top.destroy(),
    })
    client.socket.once('close', () => connection.gone())
    await connection.run()
  } finally {
    login.end()
    await operations.end()
    open.close()
  }
}
