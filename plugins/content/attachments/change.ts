/**
 * Applies changes to a message, in order: formats read in, rules, forms written out for some recipients.
 *
 * Invariants: parts that their author signed or encrypted, and reports, are never changed; a message is changed wholly
 * or not at all; every change is noted as a difference.
 */
import type { HookContext, Message, Recipient } from 'iems'
import { type MimePart, readStructure, rewriteMime, structureProblem } from 'iems/mime'
import { describe } from './describe.ts'
import type { Links } from './links.ts'
import type { Form, Options } from './options.ts'
import { replacements } from './policy.ts'
import { type Changes, readIn } from './read-in.ts'
import { isIn } from './rules.ts'
import { eachPart, nameOfPath, obstacleIn } from './walk.ts'
import { writeOut } from './write-out.ts'

export interface ChangeDeps {
  readonly options: Options
  readonly links: Links | undefined
}

type Note = HookContext['note']
/** Notes of one message. */
const MAX_NOTES = 50

const structureOf = (message: Message) => readStructure((range) => message.open(range), message.size)

/** Returns whether the content is another now. */
async function applyChanges(
  message: Message,
  structure: MimePart,
  changes: Changes,
  { options, note }: { readonly options: Options; readonly note: Note },
): Promise<boolean> {
  if (changes.size === 0) return false
  const { content, problem } = await rewriteMime(message, ({ path }) => changes.get(nameOfPath(path)), {
    structure,
    filter: { containers: true },
    maxParts: options.limits.maxParts,
  })
  if (problem) note('attachments', `left as it is: ${problem.what} in part ${nameOfPath(problem.path)}`)
  if (!content) return false
  let count = 0
  for (const placed of eachPart(structure)) {
    const change = changes.get(nameOfPath(placed.path))
    if (change && ++count <= MAX_NOTES) note('attachments', describe(placed, change))
  }
  await message.replaceContent(content())
  return true
}

/** Recipients by the form that their side needs. */
function byForm(message: Message, write: Options['write']): ReadonlyMap<Form, readonly Recipient[]> {
  const groups = new Map<Form, Recipient[]>()
  for (const recipient of message.recipients) {
    const channel = message.channelOf(recipient)
    const found = write.find(
      ({ recipients, channels }) =>
        (!recipients || isIn(recipient.address, recipients)) &&
        (!channels || (channel !== undefined && channels.includes(channel))),
    )
    const form = found?.form ?? 'mime'
    groups.set(form, [...(groups.get(form) ?? []), recipient])
  }
  return groups
}

export async function changeMessage(message: Message, { options, links }: ChangeDeps, note: Note): Promise<void> {
  let structure = await structureOf(message)
  const problem = structureProblem(structure, options.limits)
  const obstacle = problem ? `${problem.what} in part ${nameOfPath(problem.path)}` : obstacleIn(structure)
  const isUsed = options.read.length > 0 || options.rules.length > 0 || options.write.length > 0
  if (obstacle !== undefined) {
    if (isUsed) note('attachments', `left as it is: ${obstacle}`)
    return
  }
  const using = { options, note }
  if (await applyChanges(message, structure, await readIn(message, structure, options), using))
    structure = await structureOf(message)
  if (options.rules.some(({ action }) => action !== 'refuse' && action !== 'quarantine')) {
    const { changes, notes } = await replacements(message, structure, options, links)
    for (const text of notes.slice(0, MAX_NOTES)) note('attachments-rule', text)
    const isChanged = await applyChanges(message, structure, changes, using)
    if (isChanged && options.write.length > 0) structure = await structureOf(message)
  }
  if (options.write.length > 0) await writeForms(message, structure, using)
}

async function writeForms(
  message: Message,
  structure: MimePart,
  using: { readonly options: Options; readonly note: Note },
): Promise<void> {
  const { write, limits } = using.options
  const groups = [...byForm(message, write)].filter(([form]) => form !== 'mime')
  const isWhole = groups.length === 1 && groups[0]?.[1].length === message.recipients.length
  // Recipients with another form get a message of their own.
  const parted = groups.map(([form, recipients]) => ({ form, one: isWhole ? message : message.split(recipients) }))
  for (const { form, one } of parted)
    await applyChanges(one, structure, await writeOut(one, structure, form, limits.maxFile), using)
}
