/** A disk that is full: people read, log in and delete, senders hear 452, and the server recovers by itself. */
import assert from 'node:assert/strict'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { talkTo } from '../support/imap-talk.ts'
import { startProcess, tempFolder } from '../support/running-server.ts'
import { fillDisk, smallDisk } from '../support/small-disk.ts'

async function until<T>(what: () => Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + 30_000
  for (;;) {
    const seen = await what()
    if (seen !== undefined && seen !== false) return seen
    assert.ok(Date.now() < end, 'it did not happen')
    await delay(20)
  }
}

const exists = (file: string) =>
  stat(file).then(
    () => true,
    () => false,
  )

async function startServer(t: TestContext, disk: string, workers: number) {
  const folder = await tempFolder(t)
  const password = await hashPassword('secret')
  const source = `
import { defineConfig, secret } from 'iems'
import { accounts } from 'iems/plugins/accounts'
import { imap } from 'iems/plugins/imap'
import { mailstore } from 'iems/plugins/mailstore'
export default defineConfig({
  hostname: 'mx.test',
  workers: ${workers},
  store: { path: '${join(disk, 'data')}', minFree: '1 MB', reserve: '8 MB' },
  channels: { imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }), local: mailstore({}, { accepts: 'anyone' }) },
  plugins: [accounts({ domains: ['here.test'], accounts: [{ name: 'ann', addresses: ['ann@here.test'], password: '${password}' }] })],
})
`
  const server = await startProcess(t, folder, source)
  const { listeners } = JSON.parse((await server.iems('status', '--json')).out) as { listeners: { port: number }[] }
  const talk = async () => {
    const client = await talkTo(t, listeners[0]?.port as number)
    await client.line()
    return client
  }
  return { server, talk }
}

for (const workers of [1, 2])
  test(`on a full disk people log in, read and delete; senders hear 452; with room again all goes on; workers: ${workers}`, async (t) => {
    const disk = await smallDisk(t, '64m')
    if (!disk) return
    const { server, talk } = await startServer(t, disk, workers)
    const send = (body: string) =>
      server.iemsWithInput(`Subject: x\n\n${body}\n`, 'send', '--from', 'me@far.test', 'ann@here.test')
    await until(() => exists(join(disk, 'data/reserve')))
    for (let count = 0; count < 2; count++) assert.equal((await send('y'.repeat(2000))).code, 0)
    assert.equal((await send('large '.repeat(50_000))).code, 0)

    const client = await talk()
    const last = async (command: string) => (await client.command(command)).at(-1) ?? ''
    assert.match(await last('LOGIN ann secret'), /OK/)
    await until(async () => (await client.command('STATUS INBOX (MESSAGES)')).join().includes('MESSAGES 3'))
    await last('SELECT INBOX')

    const filler = join(disk, 'filler')
    await fillDisk(filler)
    // The server looks at the free space once a second: a message that comes sooner may still find room.
    let early = 0
    await until(async () => {
      const { code, out } = await send('no room')
      if (code === 0) early++
      else assert.match(out, /^452 4\.3\.1 /)
      return code === 75
    })
    // The first change finds no room and makes the server give the reserve up.
    let step = 0
    await until(async () => {
      const isKept = /^OK/.test(await last(`STORE 1 +FLAGS (k${step++})`))
      if (!(await exists(join(disk, 'data/reserve')))) return isKept
      // A compaction may free more than thousands of changes take: that is filled too.
      if (isKept) await fillDisk(filler)
      return false
    })
    const fresh = await talk()
    assert.match((await fresh.command('LOGIN ann secret')).at(-1) ?? '', /OK/)
    await fresh.command('SELECT INBOX')
    assert.match((await fresh.command('FETCH 3 BODY.PEEK[TEXT]')).join(''), /large large/)
    assert.match(await last('STORE 3 +FLAGS (\\Deleted)'), /^OK/)
    assert.match(await last('EXPUNGE'), /^OK/)
    assert.equal((await send('no room')).code, 75)

    // Somebody takes what the reserve has left as well: reading goes on.
    await until(async () => {
      await fillDisk(filler)
      return !/^OK/.test(await last(`STORE 1 +FLAGS (k${step++})`))
    })
    assert.match((await fresh.command('FETCH 1 BODY.PEEK[TEXT]')).join(''), /yyyy/)
    assert.match((await (await talk()).command('LOGIN ann secret')).at(-1) ?? '', /OK/)

    await rm(filler)
    await until(async () => (await send('room again')).code === 0)
    await until(async () => (await client.command('STATUS INBOX (MESSAGES)')).join().includes(`MESSAGES ${3 + early}`))
    await until(() => exists(join(disk, 'data/reserve')))
  })
