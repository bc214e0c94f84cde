/**
 * One account changed by IMAP and JMAP in turn, at random: both show what a model says, and a JMAP client that follows
 * the changes never misses one. IEMS_JMAP_RANDOM=steps and IEMS_JMAP_SEED=number choose longer and other runs.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { imap } from 'iems/plugins/imap'
import { ImapFlow } from 'imapflow'
import { type Json, message, startJmap } from '../support/jmap.ts'

const STEPS = Number(process.env.IEMS_JMAP_RANDOM ?? (process.env.IEMS_TEST_LONG ? 2000 : 120))
const SEED = Number(process.env.IEMS_JMAP_SEED ?? 20_261_128)
/** Steps between two looks at everything. */
const EVERY = 10
const FLAGS = { '\\Seen': '$seen', '\\Flagged': '$flagged', work: 'work' } as const
type Flag = keyof typeof FLAGS

/** Numbers from a seed (mulberry32). */
function numbersFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Subject → mailbox → flags there. */
type Model = Map<string, Map<string, Set<Flag>>>

/** RFC 8621: `$seen` when every mailbox has it (this server's rule), any other keyword when one has it. */
function keywordsOf(places: ReadonlyMap<string, ReadonlySet<Flag>>): string[] {
  const sets = [...places.values()]
  return (Object.keys(FLAGS) as Flag[])
    .filter((flag) => (flag === '\\Seen' ? sets.every((one) => one.has(flag)) : sets.some((one) => one.has(flag))))
    .map((flag) => FLAGS[flag])
    .sort()
}

test('IMAP and JMAP change one account at random, and agree', { timeout: 60_000 + STEPS * 1000 }, async (t) => {
  const here = await startJmap(t, {}, [], { imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }) })
  const ann = await here.client('ann')
  const reader = new ImapFlow({
    ...{ host: '127.0.0.1', port: here.listener('imap').port, secure: false, logger: false },
    auth: { user: 'ann', pass: 'ann-secret' },
  })
  await reader.connect()
  t.after(() => reader.close())
  const random = numbersFrom(SEED)
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T
  const model: Model = new Map()
  const boxes = new Set(['INBOX', 'Archive'])
  let made = 0

  const idsOf = async () => {
    const found = new Map<string, string>()
    for (const { id, name } of await ann.mailboxes()) found.set(name === 'Inbox' ? 'INBOX' : name, id)
    return found
  }
  const emailId = async (subject: string): Promise<string> =>
    (await ann.one('Email/query', { filter: { header: ['subject', subject] } })).ids[0]
  const inBox = async <T>(box: string, work: (uid: string, subject: string) => Promise<T>, subject: string) => {
    const lock = await reader.getMailboxLock(box)
    try {
      await reader.noop()
      const uids = (await reader.search({ header: { subject } }, { uid: true })) || []
      assert.equal(uids.length, 1, `${subject} in ${box}`)
      return await work(String(uids[0]), subject)
    } finally {
      lock.release()
    }
  }
  const set = async (subject: string, patch: Json) => {
    const id = await emailId(subject)
    const { notUpdated } = await ann.one('Email/set', { update: { [id]: patch } })
    assert.equal(notUpdated, null)
  }
  const placesOf = (subject: string) => model.get(subject) as Map<string, Set<Flag>>
  const someFlags = () => (Object.keys(FLAGS) as Flag[]).filter(() => random() < 0.3)
  const without = (places: ReadonlyMap<string, unknown>) => [...boxes].filter((box) => !places.has(box))

  const steps: Record<string, () => Promise<void>> = {
    async append() {
      const [subject, box, flags] = [`m${++made}x`, pick([...boxes]), someFlags()]
      await reader.append(box, message({ Subject: subject }), [...flags])
      model.set(subject, new Map([[box, new Set(flags)]]))
    },
    async import() {
      const [subject, box, flags] = [`m${++made}x`, pick([...boxes]), someFlags()]
      const mailboxIds = { [(await idsOf()).get(box) as string]: true }
      const keywords = Object.fromEntries(flags.map((flag) => [FLAGS[flag], true]))
      await ann.file(message({ Subject: subject }), { mailboxIds, keywords })
      model.set(subject, new Map([[box, new Set(flags)]]))
    },
    async storeFlag() {
      const subject = pick([...model.keys()])
      const [[box, flags], flag] = [pick([...placesOf(subject)]), pick(Object.keys(FLAGS) as Flag[])]
      const isSet = random() < 0.6
      await inBox(
        box,
        (uid) =>
          isSet
            ? reader.messageFlagsAdd(uid, [flag], { uid: true })
            : reader.messageFlagsRemove(uid, [flag], { uid: true }),
        subject,
      )
      if (isSet) flags.add(flag)
      else flags.delete(flag)
    },
    async setKeyword() {
      const [subject, flag] = [pick([...model.keys()]), pick(Object.keys(FLAGS) as Flag[])]
      const isSet = random() < 0.6
      await set(subject, { [`keywords/${FLAGS[flag]}`]: isSet || null })
      for (const flags of placesOf(subject).values())
        if (isSet) flags.add(flag)
        else flags.delete(flag)
    },
    async copy() {
      const subject = pick([...model.keys()])
      const places = placesOf(subject)
      const [[box, flags], targets] = [pick([...places]), without(places)]
      if (targets.length === 0) return
      const target = pick(targets)
      await inBox(box, (uid) => reader.messageCopy(uid, target, { uid: true }), subject)
      places.set(target, new Set(flags))
    },
    async move() {
      const subject = pick([...model.keys()])
      const places = placesOf(subject)
      const [[box, flags], targets] = [pick([...places]), without(places)]
      if (targets.length === 0) return
      const target = pick(targets)
      await inBox(box, (uid) => reader.messageMove(uid, target, { uid: true }), subject)
      places.delete(box)
      places.set(target, flags)
    },
    async file() {
      const subject = pick([...model.keys()])
      const places = placesOf(subject)
      const ids = await idsOf()
      const chosen = [...boxes].filter(() => random() < 0.5)
      if (chosen.length === 0) chosen.push('INBOX')
      await set(subject, { mailboxIds: Object.fromEntries(chosen.map((box) => [ids.get(box), true])) })
      if (chosen.length === places.size && chosen.every((box) => places.has(box))) return
      // The email keeps its keywords, whatever copies come and go.
      const keywords = keywordsOf(places)
      const flags = (Object.keys(FLAGS) as Flag[]).filter((flag) => keywords.includes(FLAGS[flag]))
      model.set(subject, new Map(chosen.map((box) => [box, new Set(flags)])))
    },
    async expunge() {
      const subject = pick([...model.keys()])
      const box = pick([...placesOf(subject).keys()])
      await inBox(box, (uid) => reader.messageDelete(uid, { uid: true }), subject)
      placesOf(subject).delete(box)
      if (placesOf(subject).size === 0) model.delete(subject)
    },
    async destroy() {
      const subject = pick([...model.keys()])
      await ann.one('Email/set', { destroy: [await emailId(subject)] })
      model.delete(subject)
    },
    async makeBox() {
      if (boxes.size >= 6) return
      const name = `Box ${++made}`
      if (random() < 0.5) await reader.mailboxCreate(name)
      else assert.ok((await ann.one('Mailbox/set', { create: { a: { name } } })).created)
      boxes.add(name)
    },
    async renameBox() {
      const [old, name] = [pick([...boxes].filter((box) => box.startsWith('Box'))), `Box ${++made}`]
      if (old === undefined) return
      if (random() < 0.5) await reader.mailboxRename(old, name)
      else await ann.one('Mailbox/set', { update: { [(await idsOf()).get(old) as string]: { name } } })
      boxes.delete(old)
      boxes.add(name)
      for (const places of model.values()) {
        const flags = places.get(old)
        if (flags) places.set(name, flags)
        places.delete(old)
      }
    },
    async removeBox() {
      const old = pick([...boxes].filter((box) => box.startsWith('Box')))
      if (old === undefined) return
      // A session whose mailbox goes is ended (RFC 2180 section 3.3).
      await reader.mailboxOpen('INBOX')
      const destroy = [(await idsOf()).get(old) as string]
      if (random() < 0.5) await reader.mailboxDelete(old)
      else await ann.one('Mailbox/set', { destroy, onDestroyRemoveEmails: true })
      boxes.delete(old)
      for (const [subject, places] of model) if (places.delete(old) && places.size === 0) model.delete(subject)
    },
  }

  /** A client that follows Email/changes: id → subject and keywords and mailboxes. */
  const kept = new Map<string, string>()
  let state = (await ann.one('Email/get', { ids: [] })).state
  const shown = ({ subject, keywords, mailboxIds }: Json, names: ReadonlyMap<string, string>) =>
    `${subject} ${Object.keys(keywords).sort()} in ${Object.keys(mailboxIds)
      .map((id) => names.get(id))
      .sort()}`
  async function follow(names: ReadonlyMap<string, string>): Promise<string[]> {
    for (let hasMore = true; hasMore; ) {
      const changes = await ann.one('Email/changes', { sinceState: state, maxChanges: 7 })
      const ids = [...changes.created, ...changes.updated]
      const { list } = await ann.one('Email/get', { ids, properties: ['subject', 'keywords', 'mailboxIds'] })
      for (const id of changes.destroyed) kept.delete(id)
      for (const one of list) kept.set(one.id, shown(one, names))
      state = changes.newState
      hasMore = changes.hasMoreChanges
    }
    return [...kept.values()]
  }

  async function compare(trail: readonly string[]): Promise<void> {
    const names = new Map([...(await idsOf())].map(([name, id]) => [id, name]))
    const wanted = [...model]
      .map(([subject, places]) => `${subject} ${keywordsOf(places)} in ${[...places.keys()].sort()}`)
      .sort()
    const where = `seed ${SEED}, after ${trail.slice(-EVERY).join(', ')}`
    const { ids } = await ann.one('Email/query', {})
    const { list } = await ann.one('Email/get', { ids, properties: ['subject', 'keywords', 'mailboxIds'] })
    assert.deepEqual(list.map((one: Json) => shown(one, names)).sort(), wanted, `JMAP, ${where}`)
    await follow(names)
    // Names of mailboxes change without a change of their emails.
    const known = (
      await ann.one('Email/get', { ids: [...kept.keys()], properties: ['subject', 'keywords', 'mailboxIds'] })
    ).list
    assert.deepEqual(known.map((one: Json) => shown(one, names)).sort(), wanted, `Email/changes, ${where}`)
    const seen: string[] = []
    for (const box of boxes) {
      const lock = await reader.getMailboxLock(box)
      try {
        // What another client did since the last command.
        await reader.noop()
        if (reader.mailbox && reader.mailbox.exists > 0)
          for await (const { envelope, flags = new Set<string>() } of reader.fetch('1:*', {
            envelope: true,
            flags: true,
          }))
            seen.push(`${envelope?.subject} ${[...flags].filter((flag: string) => flag in FLAGS).sort()} in ${box}`)
      } finally {
        lock.release()
      }
    }
    const places = [...model].flatMap(([subject, all]) =>
      [...all].map(([box, flags]) => `${subject} ${[...flags].sort()} in ${box}`),
    )
    assert.deepEqual(seen.sort(), places.sort(), `IMAP, ${where}`)
    const total = (await ann.mailboxes()).reduce((sum, { totalEmails }) => sum + totalEmails, 0)
    assert.equal(total, places.length, `totalEmails, ${where}`)
  }

  const trail: string[] = []
  for (let step = 1; step <= STEPS; step++) {
    const name = model.size < 3 ? pick(['append', 'import']) : pick(Object.keys(steps))
    trail.push(name)
    await steps[name]?.()
    if (step % EVERY === 0 || step === STEPS) await compare(trail)
  }
})
