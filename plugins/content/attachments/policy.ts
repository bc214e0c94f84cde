/**
 * Applies rules to the files of a message: they refuse or quarantine the message, or replace parts.
 *
 * Invariants: a rule that matches a file within another format applies to the whole part; a message that must stay as
 * it is is never changed, but its rules may refuse or quarantine it.
 */
import { formatSize, type ReadableMessage, refuse, type Verdict } from 'iems'
import { baseName, type MimePart, type NewPart, type Rewritable } from 'iems/mime'
import { partOf } from './facts.ts'
import { type FoundFile, findFiles } from './found.ts'
import type { Links } from './links.ts'
import type { Options, RuleOptions } from './options.ts'
import type { Changes } from './read-in.ts'
import { Asked, ruleFor } from './rules.ts'
import { isReachable, nameOfPath, obstacleIn, type Placed } from './walk.ts'

const REFUSAL = refuse(554, '5.7.1', 'An attachment of this message is not accepted here')

export interface Ruled {
  readonly file: FoundFile
  readonly asked: Asked
  readonly rule: RuleOptions
}

/** The files to which rules apply, each with its rule. */
export async function* ruled(
  message: Rewritable & Pick<ReadableMessage, 'from'>,
  root: MimePart,
  { rules, limits }: Pick<Options, 'rules' | 'limits'>,
): AsyncGenerator<Ruled> {
  for await (const file of findFiles(message, root, limits)) {
    const asked = new Asked(file, limits)
    const rule = await ruleFor(rules, asked, message.from)
    if (rule) yield { file, asked, rule }
  }
}

/** The verdict of the first rule that has one. */
export async function judge(
  message: ReadableMessage,
  root: MimePart,
  options: Pick<Options, 'rules' | 'limits'>,
  note: (text: string) => void,
): Promise<Verdict | undefined> {
  const obstacle = obstacleIn(root)
  let quarantine: Verdict | undefined
  for await (const { file, rule } of ruled(message, root, options)) {
    const isVerdict = rule.action === 'refuse' || rule.action === 'quarantine'
    const isChange = !isVerdict && (obstacle !== undefined || !isReachable(file.placed))
    const action = isVerdict ? rule.action : isChange ? rule.ifSigned : 'leave'
    if (action === 'leave') continue
    note(`${rule.name}: ${file.path} "${baseName(file.facts.name)}": ${action}`)
    if (action === 'refuse') return REFUSAL
    quarantine ??= { kind: 'quarantine', reason: `attachments: ${rule.name}` }
  }
  return quarantine
}

/** Replacements for the parts to which rules apply. */
export async function replacements(
  message: Rewritable & Pick<ReadableMessage, 'from' | 'id'>,
  root: MimePart,
  options: Pick<Options, 'rules' | 'limits'>,
  links: Links | undefined,
): Promise<{ readonly changes: Changes; readonly notes: readonly string[] }> {
  const changes: Changes = new Map()
  const notes: string[] = []
  for await (const one of ruled(message, root, options)) {
    const { placed } = one.file
    const path = nameOfPath(placed.path)
    if (changes.has(path) || one.rule.action === 'refuse' || one.rule.action === 'quarantine') continue
    if (!isReachable(placed)) {
      notes.push(`${one.rule.name}: ${one.file.path} stays: it is in an attached message`)
      continue
    }
    const replace = await replacementFor(one, message, links)
    if (typeof replace === 'string') notes.push(`${one.rule.name}: ${one.file.path} stays: ${replace}`)
    else {
      changes.set(path, { replace })
      notes.push(`${one.rule.name}: ${one.rule.action}`)
    }
  }
  return { changes, notes }
}

const shownName = ({ facts }: FoundFile) => baseName(facts.name === '' ? 'attachment' : facts.name)

const noteOf = (lines: readonly string[]): NewPart => ({
  type: 'text/plain',
  disposition: 'inline',
  content: `${lines.join('\r\n')}\r\n`,
})

/** The part in the place of one; a text says why it stays. */
async function replacementFor(
  { file, asked, rule }: Ruled,
  message: Pick<ReadableMessage, 'from' | 'id'>,
  links: Links | undefined,
): Promise<NewPart | string> {
  const name = shownName(file)
  if (rule.action === 'rename')
    return partOf({ ...file.facts, name: `${name}.blocked`, type: 'application/octet-stream' }, file)
  const size = formatSize(await asked.size())
  if (rule.action === 'strip')
    return noteOf([`The attachment "${name}" (${size}) was removed by the mail server.`, `Rule: ${rule.name}`])
  const kept = await links?.keep({
    name,
    size: await asked.size(),
    open: () => file.open(),
    sender: message.from,
    message: message.id,
  })
  if (!kept || typeof kept === 'string') return kept ?? 'links are not configured'
  return noteOf([
    `The attachment "${name}" (${size}) can be downloaded until ${new Date(kept.expires).toISOString().slice(0, 10)}:`,
    kept.url,
  ])
}

export type { Placed }
