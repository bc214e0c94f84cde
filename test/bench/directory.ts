import { once } from 'node:events'
import { connect } from 'node:net'
import type { Scope } from 'iems/testing'
import { freePort } from '../support/running-server.ts'
import { configured } from './configured.ts'
import { usageOf } from './usage.ts'

export interface SeenDirectory {
  /** Accounts a second. */
  readonly imported: number
  /** RCPT commands a second, each for another account. */
  readonly recipients: number
  /** Resident, after all that. */
  readonly megabytes: number
}

const ASKED = 20_000

export async function measureDirectory(scope: Scope, accounts: number): Promise<SeenDirectory> {
  const smtp = await freePort()
  const { start, iems } = await configured(
    scope,
    `import { defineConfig } from 'iems'
import { directory } from 'iems/plugins/directory'
import { mailstore } from 'iems/plugins/mailstore'
import { smtpIn } from 'iems/plugins/smtp-in'
export default defineConfig({
  hostname: 'iems.test',
  store: { path: 'data' },
  channels: { mx: smtpIn({ listen: '127.0.0.1:${smtp}' }), local: mailstore({}, { accepts: 'anyone' }) },
  plugins: [directory()],
})
`,
  )
  const pid = await start(smtp)
  await iems('', 'domain', 'add', 'here.test')
  const rows = Array.from({ length: accounts }, (_, at) => `u${at},u${at}@here.test,Person Number ${at}`)
  const started = performance.now()
  await iems(`name,address,display-name\n${rows.join('\n')}\n`, 'account', 'import', '--each')
  const imported = accounts / ((performance.now() - started) / 1000)

  await rcpts(smtp, accounts, 2000)
  const before = performance.now()
  await rcpts(smtp, accounts, ASKED)
  const recipients = ASKED / ((performance.now() - before) / 1000)
  return { imported, recipients, megabytes: Math.round(usageOf(pid).residentBytes / 1e6) }
}

/** So many recipients, a thousand in one transaction, all of a transaction in one write. */
async function rcpts(port: number, accounts: number, count: number): Promise<void> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1')
  await once(socket, 'data')
  const say = (text: string, replies: number) =>
    new Promise<void>((resolve, reject) => {
      let left = replies
      const take = (chunk: string) => {
        if (/^[45]\d\d[ -]/m.test(chunk)) reject(new Error(chunk.slice(0, 200)))
        left -= (chunk.match(/^\d{3} /gm) ?? []).length
        if (left > 0) return
        socket.off('data', take)
        resolve()
      }
      socket.on('data', take)
      socket.write(text)
    })
  await say('EHLO bench.test\r\n', 1)
  let account = 0
  const next = () => {
    // Steps of a prime go through all of them without order.
    account = (account + 7919) % accounts
    return account
  }
  for (let done = 0; done < count; done += 1000) {
    const lines = Array.from({ length: 1000 }, () => `RCPT TO:<u${next()}@here.test>\r\n`)
    await say(`RSET\r\nMAIL FROM:<x@far.test>\r\n${lines.join('')}`, 1002)
  }
  socket.destroy()
}
