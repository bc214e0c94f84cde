/**
 * kill -9 while sessions change a mailbox and a client follows with QRESYNC: when the server is back, what the client
 * knew, brought level by SELECT (QRESYNC …) alone, is what is there. The server has one kernel and three in turn. KILLS
 * says how often; a few by default.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { numbersOf } from '../support/imap-answers.ts'
import { type ImapTalk, talkTo } from '../support/imap-talk.ts'
import { freePort, startProcess, tempFolder } from '../support/running-server.ts'

const KILLS = Number(process.env.KILLS ?? 3)
const FLAGS = ['\\Seen', '\\Flagged', '\\Answered', 'work']

const sorted = (flags: string) => flags.split(' ').filter(Boolean).sort().join(' ')

async function logIn(scope: Parameters<typeof talkTo>[0], port: number): Promise<ImapTalk> {
  const client = await talkTo(scope, port)
  await client.line()
  assert.match((await client.command('LOGIN ann secret')).at(-1) ?? '', /^OK/)
  return client
}

/** A client that keeps the flags of every message, and asks for no more than it must. */
class Follower {
  readonly flags = new Map<number, string>()
  #talk: ImapTalk | undefined
  #validity = ''
  /** All changes up to this one are known; the highest that was seen may come before others. */
  #modseq = 0
  #seen = 0

  async #say(command: string): Promise<readonly string[]> {
    const lines = (await this.#talk?.command(command)) ?? []
    assert.match(lines.at(-1) ?? '', /^OK/, command)
    for (const line of lines) this.#take(line)
    return lines
  }

  #take(line: string): void {
    const vanished = /^\* VANISHED (?:\(EARLIER\) )?([\d:,]+)$/.exec(line)?.[1]
    for (const uid of vanished ? numbersOf(vanished) : []) this.flags.delete(uid)
    const [, uid, flags = '', modseq] =
      /^\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) MODSEQ \((\d+)\)\)$/.exec(line) ?? []
    if (uid === undefined) return
    this.flags.set(Number(uid), sorted(flags))
    this.#seen = Math.max(this.#seen, Number(modseq))
  }

  /** Until nothing more has come meanwhile. */
  async #fetchNew(told: readonly string[]): Promise<void> {
    for (let lines = told; lines.some((line) => line.endsWith(' EXISTS')); )
      lines = await this.#say(`UID FETCH ${Math.max(0, ...this.flags.keys()) + 1}:* (FLAGS MODSEQ)`)
  }

  async connect(talk: ImapTalk): Promise<void> {
    this.#talk = talk
    await talk.command('ENABLE QRESYNC')
    const resync = this.#validity === '' ? '' : ` (QRESYNC (${this.#validity} ${this.#modseq}))`
    const lines = await this.#say(`SELECT INBOX${resync}`)
    const validity = /UIDVALIDITY (\d+)/.exec(lines.join('\n'))?.[1] ?? ''
    if (this.#validity === '') await this.#fetchNew(lines)
    else assert.equal(validity, this.#validity)
    this.#validity = validity
    const highest = Number(/HIGHESTMODSEQ (\d+)/.exec(lines.join('\n'))?.[1])
    assert.ok(highest >= this.#modseq, `${highest} is before ${this.#modseq}, which had been told`)
    this.#modseq = highest
  }

  async follow(): Promise<void> {
    await this.#fetchNew(await this.#say('NOOP'))
    this.#modseq = Math.max(this.#modseq, this.#seen)
  }
}

/** Changes the mailbox until its connection is lost. */
async function work(talk: ImapTalk, seed: number): Promise<void> {
  let random = seed
  const below = (most: number) => {
    random = (random * 1103515245 + 12345) % 2 ** 31
    return Math.floor((random / 2 ** 31) * most)
  }
  await talk.command('SELECT INBOX')
  for (;;) {
    const text = `Subject: ${below(1e9)}\r\n\r\nx\r\n`
    const appended = await talk.command(`APPEND INBOX {${text.length}+}\r\n${text}`)
    const uid = Number(/APPENDUID \d+ (\d+)/.exec(appended.at(-1) ?? '')?.[1])
    for (let steps = below(4); steps > 0; steps--)
      await talk.command(`UID STORE ${Math.max(1, uid - below(30))} ${'+-'[below(2)]}FLAGS.SILENT (${FLAGS[below(4)]})`)
    const other = Math.max(1, uid - below(20))
    if (below(3) === 0) await talk.command(`UID MOVE ${other} Archive`)
    else if (below(2) === 0) {
      await talk.command(`UID STORE ${other} +FLAGS.SILENT (\\Deleted)`)
      await talk.command('EXPUNGE')
    }
  }
}

test(`a client with QRESYNC is level with the server after each of ${KILLS} kills`, {
  timeout: 60_000 + KILLS * 10_000,
}, async (t) => {
  const folder = await tempFolder(t)
  const port = await freePort()
  const people = [{ name: 'ann', addresses: ['ann@here.test'], password: await hashPassword('secret') }]
  const configOf = (workers: number) => `
    import { defineConfig } from 'iems'
    import { accounts } from 'iems/plugins/accounts'
    import { imap } from 'iems/plugins/imap'
    import { mailstore } from 'iems/plugins/mailstore'
    export default defineConfig({
      hostname: 'mx.test',
      workers: ${workers},
      store: { path: 'data' },
      channels: { local: mailstore({}), imap: imap({ listen: '127.0.0.1:${port}', authWithoutTls: true }) },
      plugins: [accounts({ domains: ['here.test'], accounts: ${JSON.stringify(people)} })],
    })`
  const follower = new Follower()
  let commands = 0
  for (let kill = 1; ; kill++) {
    const server = await startProcess(t, folder, configOf(kill % 2 === 0 ? 3 : 1))
    await follower.connect(await logIn(t, port))
    const truth = new Map<number, string>()
    const reader = await logIn(t, port)
    await reader.command('EXAMINE INBOX')
    for (const line of await reader.command('UID FETCH 1:* (FLAGS)')) {
      const [, uid, flags = ''] = /UID (\d+) FLAGS \(([^)]*)\)/.exec(line) ?? []
      if (uid !== undefined) truth.set(Number(uid), sorted(flags))
    }
    assert.deepEqual(new Map([...follower.flags].sort(([a], [b]) => a - b)), truth)
    if (kill > KILLS) break
    const sessions = await Promise.all([1, 2, 3].map(() => logIn(t, port)))
    // A lost connection is how each of them ends.
    const workers = sessions.map((talk, worker) => work(talk, kill * 10 + worker).catch(() => {}))
    for (let turns = 30 + Math.floor(Math.random() * 100); turns > 0; turns--, commands++) await follower.follow()
    server.process.kill('SIGKILL')
    await Promise.all([...workers, server.ended()])
  }
  t.diagnostic(`${commands} times followed, ${follower.flags.size} messages known at the last kill`)
})
