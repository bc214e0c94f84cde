/**
 * Commands that change messages: flags, copies, moves, expunges.
 */
import type { FlagChange, Mailbox, Uids } from '../../../mailbox/store/api.ts'
import type { CommandDefinition } from '../command.ts'
import type { CommandContext } from '../context.ts'
import type { Cursor } from '../grammar/cursor.ts'
import { formatSet, readSet } from '../grammar/sets.ts'
import { bad, isAnswer, no, ok, refusal, type TaggedResponse } from '../responses.ts'
import type { View } from '../view.ts'

const READ_ONLY = no('Mailbox is read-only', 'NOPERM')
const NO_NUMBER = bad('No such message')
export const UIDS_ONLY = bad('UIDONLY is enabled; use UIDs', 'UIDREQUIRED')

// --- STORE ----------------------------------------------------------------------------------------

interface Store extends FlagChange {
  readonly isSilent: boolean
}

function readStore(session: CommandContext, cursor: Cursor): Store {
  let unchangedSince: number | undefined
  if (cursor.takes('(UNCHANGEDSINCE ')) {
    session.enableCondstore()
    unchangedSince = cursor.number64()
    cursor.expect(') ')
  }
  const how = cursor.takes('+') ? 'add' : cursor.takes('-') ? 'remove' : 'set'
  cursor.expect('FLAGS')
  const isSilent = cursor.takes('.SILENT')
  cursor.space()
  const flags = cursor.peek() === '(' ? cursor.flags() : readBareFlags(cursor)
  cursor.end()
  return { how, flags, isSilent, ...(unchangedSince === undefined ? {} : { unchangedSince }) }
}

function readBareFlags(cursor: Cursor): string[] {
  const flags = [cursor.messageFlag()]
  while (cursor.takes(' ')) flags.push(cursor.messageFlag())
  return flags
}

/** RFC 4314 section 4: each kind of flag has its own right; flags without it are skipped. */
async function allowedFlags(
  session: CommandContext,
  mailbox: Mailbox,
  flags: readonly string[],
): Promise<readonly string[]> {
  const rightOf = (flag: string) => ({ '\\seen': 's', '\\deleted': 't' })[flag.toLowerCase()] ?? 'w'
  const allowed: string[] = []
  for (const flag of flags) if (await session.may(mailbox, rightOf(flag))) allowed.push(flag)
  return allowed
}

export const store: CommandDefinition = {
  state: 'selected',
  uid: true,
  keepsNumbers: true,
  async run(session, { cursor, isUid }) {
    const view = session.view as View
    if (!isUid && session.enabled.has('UIDONLY')) return UIDS_ONLY
    cursor.space()
    const set = readSet(cursor)
    cursor.space()
    const { isSilent, ...change } = readStore(session, cursor)
    const asked = view.uidsOf(set, isUid)
    if (!asked) return NO_NUMBER
    if (view.isReadOnly) return READ_ONLY
    const { uids, code } = session.limited(asked)
    const flags = await allowedFlags(session, view.mailbox, change.flags)
    if (flags.length === 0 && change.flags.length > 0) return no('Permission denied', 'NOPERM')
    const done = await session.mail.setFlags(view.mailbox, uids, { ...change, flags })
    if ('refused' in done) return refusal(done)
    const { mailbox } = view
    await session.changed({ cause: 'FLAG', mailbox, uids: done.entries.map(({ uid }) => uid), flags })
    for (const entry of done.entries) {
      const number = view.numberOf(entry.uid)
      if (number === undefined) continue
      view.wasTold(entry)
      session.learn(entry.flags)
      const line = isSilent ? modseqLine(session, number, entry) : session.flagLine(number, entry)
      if (line) session.output.line(isUid && !isSilent ? withUid(line, entry.uid) : line)
      if (session.output.isFull) await session.output.flush()
    }
    if (done.modified.length === 0) return ok('STORE completed', code)
    if (code) session.output.line(`* OK [${code}] Command limit reached, change the rest`)
    return ok(
      'Conditional STORE failed',
      `MODIFIED ${formatSet(isUid ? done.modified : numbersOf(view, done.modified))}`,
    )
  },
}

/** RFC 7162 section 3.1.3: MODSEQ is sent even with .SILENT. */
function modseqLine(
  session: CommandContext,
  number: number,
  { uid, modseq }: { uid: number; modseq: number },
): string | undefined {
  if (!session.isCondstore) return undefined
  return session.enabled.has('UIDONLY')
    ? `* ${uid} UIDFETCH (MODSEQ (${modseq}))`
    : `* ${number} FETCH (UID ${uid} MODSEQ (${modseq}))`
}

const withUid = (line: string, uid: number) =>
  line.includes('(UID ') || line.includes('UIDFETCH') ? line : line.replace('FETCH (', `FETCH (UID ${uid} `)

export function numbersOf(view: View, uids: Uids): [number, number][] {
  const numbers: [number, number][] = []
  for (const [first, last] of uids)
    for (let uid = first; uid <= last; uid++) {
      const number = view.numberOf(uid)
      const before = numbers.at(-1)
      if (number === undefined) continue
      if (before && before[1] === number - 1) before[1] = number
      else numbers.push([number, number])
    }
  return numbers
}

// --- EXPUNGE and CLOSE ------------------------------------------------------------------------------

/** The UIDs among these that are flagged \Deleted: no more than the mailbox has. */
async function deletedOf({ mail, view }: CommandContext, uids: Uids): Promise<Uids> {
  const mailbox = view && (await mail.mailbox(view.mailbox))
  const deleted: [number, number][] = []
  if (!mailbox || mailbox.deleted === 0) return deleted
  for await (const { uid, flags } of mail.entries(mailbox, uids)) {
    if (!flags.includes('\\Deleted')) continue
    deleted.push([uid, uid])
    if (deleted.length === mailbox.deleted) break
  }
  return deleted
}

async function expungeDeleted(session: CommandContext, asked: Uids, isUid: boolean): Promise<TaggedResponse> {
  const view = session.view as View
  if (view.isReadOnly || !(await session.may(view.mailbox, 'e'))) return READ_ONLY
  const deleted = await deletedOf(session, asked)
  const { uids, code } = isUid ? session.limited(deleted) : { uids: deleted }
  const gone = await session.mail.expunge(view.mailbox, uids)
  if ('refused' in gone) return refusal(gone)
  if (code) session.output.line(`* OK [${code}] Command limit reached, expunge the rest`)
  if (gone.length === 0 || !session.isCondstore) return ok('EXPUNGE completed')
  const { modseq } = (await session.mail.mailbox(view.mailbox)) ?? view.mailbox
  return ok('EXPUNGE completed', `HIGHESTMODSEQ ${modseq}`)
}

export const expunge: CommandDefinition = {
  state: 'selected',
  uid: true,
  async run(session, { cursor, isUid }) {
    const view = session.view as View
    let uids = view.all
    if (isUid) {
      cursor.space()
      uids = view.uidsOf(readSet(cursor), true) ?? []
    }
    cursor.end()
    return expungeDeleted(session, uids, isUid)
  },
}

export const close: CommandDefinition = {
  state: 'selected',
  async run(session, { cursor }) {
    cursor.end()
    const view = session.view as View
    // RFC 9051 section 6.4.1: expunges silently, unless the mailbox is read-only.
    if (!view.isReadOnly && (await session.may(view.mailbox, 'e')))
      await session.mail.expunge(view.mailbox, await deletedOf(session, view.all))
    session.deselect()
    return ok('CLOSE completed')
  },
}

// --- COPY and MOVE ------------------------------------------------------------------------------------

function taking(isMove: boolean): CommandDefinition {
  return {
    state: 'selected',
    uid: true,
    async run(session, { cursor, isUid }) {
      const view = session.view as View
      if (!isUid && session.enabled.has('UIDONLY')) return UIDS_ONLY
      cursor.space()
      const set = readSet(cursor)
      cursor.space()
      const name = session.readName(cursor)
      cursor.end()
      const asked = view.uidsOf(set, isUid)
      if (!asked) return NO_NUMBER
      const { uids, code: limit } = session.limited(asked)
      // RFC 9738 section 3.1: COPY is all or nothing.
      if (limit && !isMove) return no('Too many messages in one command', limit)
      if (isMove && (view.isReadOnly || !(await session.may(view.mailbox, 'te')))) return READ_ONLY
      const target = await session.mailbox(name, 'i')
      if (isAnswer(target)) return target.code === 'NONEXISTENT' ? { ...target, code: 'TRYCREATE' } : target
      if (target.noSelect) return no('Mailbox cannot hold messages', 'TRYCREATE')
      const done = await (isMove ? session.mail.move : session.mail.copy)(view.mailbox, uids, target)
      if ('refused' in done) return refusal(done, true)
      const { uidValidity, copied } = done
      if (copied.length === 0) return ok('No messages copied')
      await session.changed({ cause: isMove ? 'MOVE' : 'COPY', mailbox: target, uids: copied.map((one) => one.to) })
      const [from, to] = [copied.map((one) => one.from), copied.map((one) => one.to)].map((all) =>
        formatSet(runs(all ?? [])),
      )
      // RFC 4315: a client without the right to read the target does not get its UIDs.
      const code = (await session.may(target, 'r')) ? `COPYUID ${uidValidity} ${from} ${to}` : undefined
      if (!isMove) return ok('COPY completed', code)
      // RFC 6851 section 4.3: before the EXPUNGE responses, which precede the tagged response.
      if (code) session.output.line(`* OK [${code}] Moved`)
      return ok('MOVE completed', limit)
    },
  }
}

/** Runs of consecutive numbers, in the given order. */
function runs(numbers: readonly number[]): [number, number][] {
  const all: [number, number][] = []
  for (const number of numbers) {
    const before = all.at(-1)
    if (before && before[1] === number - 1) before[1] = number
    else all.push([number, number])
  }
  return all
}

export const copy = taking(false)
export const move = taking(true)
