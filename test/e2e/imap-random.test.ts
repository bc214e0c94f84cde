/**
 * Many sessions do random commands on the same mailboxes, and each keeps its own account of what it has been told: every
 * number must mean the message it meant before, and when all is quiet everybody must know the same. SECONDS says how
 * long, SEED which commands; a few seconds by default. With three kernels on one store, sessions are divided among them,
 * no UID is given twice, and an idling client hears of what every other kernel delivers.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Store } from 'iems'
import { HANDLES } from '../support/handles.ts'
import { createImapKernel, type ImapTalk } from '../support/imap-talk.ts'

const SECONDS = Number(process.env.SECONDS ?? 2)
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000)
const SESSIONS = 8
const MAILBOXES = ['INBOX', 'Archive']
const FLAGS = ['\\Seen', '\\Flagged', '\\Answered', '\\Deleted', 'work', '$Label']

interface Known {
  uid?: number | undefined
  flags?: string | undefined
}

const sorted = (flags: string) => flags.split(' ').filter(Boolean).sort().join(' ')

/** What a client knows of the mailbox it has selected. */
class Model {
  known: Known[] = []
  mailbox: string | undefined
  readonly #name: string
  /** While a command runs in which numbers must not change. */
  mayNotExpunge = false

  constructor(name: string) {
    this.#name = name
  }

  take(line: string): void {
    const [, number, word = '', rest = ''] = /^\* (\d+) (EXISTS|EXPUNGE|FETCH)(.*)$/s.exec(line) ?? []
    const vanished = /^\* VANISHED ([\d:,]+)$/.exec(line)?.[1]
    const say = (what: string) => `${this.#name} in ${this.mailbox}: ${what} at "${line}" (seed ${SEED})`
    if (vanished) this.#vanish(vanished, say)
    if (number === undefined || this.mailbox === undefined) return
    const at = Number(number)
    if (word === 'EXISTS') {
      assert.ok(at >= this.known.length, say(`fewer than ${this.known.length} exist`))
      while (this.known.length < at) this.known.push({})
      return
    }
    const one = this.known[at - 1]
    assert.ok(one, say(`there are only ${this.known.length}`))
    if (word === 'EXPUNGE') {
      assert.ok(!this.mayNotExpunge, say('an EXPUNGE where none may be'))
      this.known.splice(at - 1, 1)
      return
    }
    const uid = /\bUID (\d+)/.exec(rest)?.[1]
    if (uid !== undefined) {
      assert.ok(one.uid === undefined || one.uid === Number(uid), say(`number ${at} was UID ${one.uid}`))
      one.uid = Number(uid)
    }
    const flags = /FLAGS \(([^)]*)\)/.exec(rest)?.[1]
    if (flags !== undefined) one.flags = sorted(flags)
  }

  #vanish(set: string, say: (what: string) => string): void {
    assert.ok(!this.mayNotExpunge, say('a VANISHED where none may be'))
    for (const range of set.split(',')) {
      const [first = 0, last = first] = range.split(':').map(Number)
      for (let uid = first; uid <= last; uid++) {
        const told = this.known.findIndex((one) => one.uid === uid)
        // One that is new, and whose UID has not been asked for yet.
        const index = told >= 0 ? told : this.known.findIndex((one) => one.uid === undefined)
        assert.ok(index >= 0, say(`UID ${uid} is not known`))
        this.known.splice(index, 1)
      }
    }
  }
}

function randomFrom(seed: number): (most: number) => number {
  let state = seed
  return (most) => {
    state = (state * 1103515245 + 12345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * most)
  }
}

/** UIDs that any session was given for what it appended, copied or moved, by the validity of their mailbox. */
class GivenUids {
  readonly #given = new Set<string>()

  take(lines: readonly string[]): void {
    const found = lines.join('\n').matchAll(/\[(?:APPENDUID|COPYUID) (\d+) (?:[\d:,]+ )?([\d:,]+)\]/g)
    for (const [, validity, set = ''] of found)
      for (const range of set.split(',')) {
        const [first = 0, last = first] = range.split(':').map(Number)
        for (let uid = first; uid <= last; uid++) {
          assert.ok(!this.#given.has(`${validity} ${uid}`), `UID ${uid} was given twice (seed ${SEED})`)
          this.#given.add(`${validity} ${uid}`)
        }
      }
  }
}

class Client {
  readonly model: Model
  readonly #talk: ImapTalk
  readonly #below: (most: number) => number
  readonly #isQresync: boolean
  readonly #given: GivenUids
  count = 0

  constructor(
    name: string,
    talk: ImapTalk,
    { below, isQresync, given }: { below: (most: number) => number; isQresync: boolean; given: GivenUids },
  ) {
    this.model = new Model(name)
    this.#talk = talk
    this.#below = below
    this.#isQresync = isQresync
    this.#given = given
  }

  async say(command: string, keepsNumbers = false): Promise<string[]> {
    this.model.mayNotExpunge = keepsNumbers
    const lines = await this.#talk.command(command)
    for (const line of lines.slice(0, -1)) this.model.take(line)
    this.model.mayNotExpunge = false
    this.#given.take(lines)
    this.count++
    const answer = lines.at(-1) ?? ''
    assert.ok(!/^BAD|SERVERBUG/.test(answer), `${command}: ${answer} (seed ${SEED})`)
    return lines
  }

  async select(mailbox: string): Promise<void> {
    this.model.mailbox = undefined
    const lines = await this.#talk.command(`SELECT ${mailbox}`)
    this.model.mailbox = mailbox
    this.model.known = []
    for (const line of lines) this.model.take(line)
    // A QRESYNC client is told UIDs of what vanishes, so it must know them.
    if (this.#isQresync && this.model.known.length > 0) await this.say('FETCH 1:* (UID FLAGS)', true)
  }

  pick(): number {
    return 1 + this.#below(this.model.known.length)
  }

  async step(): Promise<void> {
    const below = this.#below
    const flag = FLAGS[below(FLAGS.length)] as string
    const count = this.model.known.length
    const other = MAILBOXES.find((name) => name !== this.model.mailbox) as string
    if (count === 0 || below(10) === 0) {
      const text = `Subject: ${below(1e9)}\r\n\r\nx\r\n`
      await this.say(`APPEND ${MAILBOXES[below(2)]} (${flag}) {${text.length}+}\r\n${text}`)
      if (this.#isQresync && this.model.known.length > 0) await this.say('FETCH 1:* (UID FLAGS)', true)
      return
    }
    const at = this.pick()
    const uid = this.model.known[at - 1]?.uid ?? at
    const steps: (() => Promise<unknown>)[] = [
      () => this.say('NOOP'),
      () => this.say(`FETCH ${at} (UID FLAGS)`, true),
      () => this.say(`FETCH ${Math.min(at, 3)}:* (FLAGS UID BODY.PEEK[])`, true),
      () => this.say(`UID FETCH ${uid}:* (FLAGS)`),
      () => this.say(`STORE ${at} ${'+-'[below(2)]}FLAGS${below(2) ? '.SILENT' : ''} (${flag})`, true),
      () => this.say(`UID STORE ${uid} FLAGS (${flag} other)`),
      () => this.say(`STORE ${at} +FLAGS (\\Deleted)`, true),
      () => this.say('EXPUNGE'),
      () => this.say(`UID EXPUNGE ${uid}`),
      () => this.say(`COPY ${at} ${other}`),
      () => this.say(`UID MOVE ${uid} ${other}`),
      () => this.say(`MOVE ${at} ${other}`),
      () =>
        this.say(`SEARCH ${flag.startsWith('\\') ? `NOT ${flag.slice(1).toUpperCase()}` : `KEYWORD ${flag}`}`, true),
      () => this.select(below(3) === 0 ? other : (this.model.mailbox as string)),
      () => this.say('STATUS Archive (MESSAGES UNSEEN)'),
    ]
    await steps[below(steps.length)]?.()
    if (this.#isQresync && this.model.known.some((one) => one.uid === undefined))
      await this.say('FETCH 1:* (UID FLAGS)', true)
  }
}

type ImapKernel = Awaited<ReturnType<typeof createImapKernel>>

async function talkAtRandom(t: TestContext, kernels: readonly [ImapKernel, ...ImapKernel[]]): Promise<void> {
  const [{ mailbox, entries, kernel }] = kernels
  const clients: Client[] = []
  const given = new GivenUids()
  for (let number = 0; number < SESSIONS; number++) {
    const connection = await (kernels[number % kernels.length] ?? kernels[0]).talk('ann')
    const isQresync = number % 4 === 3
    if (isQresync) await connection.command('ENABLE QRESYNC')
    const client = new Client(`session ${number}`, connection, {
      below: randomFrom(SEED + number * 7919),
      isQresync,
      given,
    })
    await client.select(MAILBOXES[number % 2] as string)
    clients.push(client)
  }
  const end = Date.now() + SECONDS * 1000
  await Promise.all(
    clients.map(async (client) => {
      while (Date.now() < end) await client.step()
    }),
  )
  for (const client of clients) {
    await client.say('NOOP')
    const truth = await entries('ann', client.model.mailbox)
    const told = client.model.known.map(({ uid, flags }) => ({ uid, flags }))
    assert.equal(told.length, truth.length)
    for (const [index, { uid, flags }] of truth.entries()) {
      const one = told[index]
      assert.equal(one?.uid ?? uid, uid)
      // Of what a client has stored in silence it knows only that it asked.
      await client.say(`FETCH ${index + 1} (UID FLAGS)`, true)
      assert.equal(client.model.known[index]?.flags, sorted(flags.join(' ')))
    }
  }
  for (const name of MAILBOXES) {
    const { messages, unseen } = await mailbox('ann', name)
    const all = await entries('ann', name)
    assert.deepEqual([messages, unseen], [all.length, all.filter(({ flags }) => !flags.includes('\\Seen')).length])
  }
  const check = kernel.commands.get('mailbox check')
  const said = await Array.fromAsync(
    check?.run({
      arguments: ['ann'],
      options: {},
      input: (async function* () {})(),
      signal: new AbortController().signal,
    }) ?? [],
  )
  assert.match(JSON.stringify(said.at(-1)), /0 problems found/)
  t.diagnostic(`${clients.reduce((sum, { count }) => sum + count, 0)} commands in ${SECONDS} s, seed ${SEED}`)
}

/** A client of each kernel idles, while every other kernel takes in a message. */
async function hearDeliveries(kernels: readonly ImapKernel[]): Promise<void> {
  for (const here of kernels) {
    const reader = await here.talk('ann')
    await reader.command('SELECT INBOX')
    reader.send('i IDLE\r\n')
    assert.match(await reader.line(), /^\+/)
    for (const there of kernels.filter((one) => one !== here)) {
      await there.submit({ from: 'me@far.test', to: ['ann@here.test'], content: 'Subject: hello\r\n\r\nx\r\n' })
      await there.deliver()
      assert.match(await reader.line(), /^\* \d+ EXISTS$/)
    }
    reader.close()
  }
}

const timeout = SECONDS * 1000 + 60_000

test(`what ${SESSIONS} sessions are told is true, whatever they do (seed ${SEED})`, { timeout }, async (t) => {
  await talkAtRandom(t, [await createImapKernel(t, { mailstore: { undelete: '0 s' } })])
})

for (const [name, { skip, open }] of Object.entries(HANDLES))
  test(`the same with 3 kernels on one store, ${name} (seed ${SEED})`, { skip, timeout: 2 * timeout }, async (t) => {
    const { handles, clock } = await open(t, 3)
    const make = (store: Store) => createImapKernel(t, { store, clock, mailstore: { undelete: '0 s' } })
    const [first, ...others] = await Promise.all(handles.map(make))
    const kernels = [first as ImapKernel, ...others] as const
    await talkAtRandom(t, kernels)
    await hearDeliveries(kernels)
  })
