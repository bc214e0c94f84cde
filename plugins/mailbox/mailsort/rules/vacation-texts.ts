/**
 * Vacation replies as commands of Sieve: variables, HTML beside the text, and texts for some senders.
 *
 * Invariant: `readVacation` reads from the commands of `writeVacation` the same rule.
 */
import { createHash } from 'node:crypto'
import { type CommandSyntax, printScript } from '../sieve/index.ts'
import type { ReplyText, ReplyVariant, VacationRule } from './form.ts'
import { command, type Made, number, tag, test, text, texts } from './syntax.ts'

const ADDRESS_BOOKS = 'urn:ietf:params:sieve:addrbook:default'

const setting = (name: string, found: ReturnType<typeof test>) =>
  command('if', [], { tests: [found], block: [command('set', [text(name), text(MATCHED)])] })
// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Sieve
const MATCHED = '${1}'

/** Gives `${subject}`, `${sender}` and `${today}` their values. */
const VARIABLES: readonly CommandSyntax[] = [
  setting('subject', test('header', [tag('matches'), text('subject'), text('*')])),
  setting('sender', test('address', [tag('all'), tag('matches'), text('from'), text('*')])),
  setting('today', test('currentdate', [tag('matches'), text('date'), text('*')])),
]

/** Text and HTML as one MIME entity. The boundary is made of both, so that no variable can hold it. */
function entityOf(plain: string, html: string): string {
  const boundary = createHash('sha256').update(`${plain}\0${html}`).digest('hex').slice(0, 32)
  const part = (subtype: string, content: string) =>
    `--${boundary}\r\nContent-Type: text/${subtype}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${content}\r\n`
  return `Content-Type: multipart/alternative; boundary="${boundary}"\r\n\r\n${part('plain', plain)}${part('html', html)}--${boundary}--\r\n`
}

const ENTITY =
  /^Content-Type: multipart\/alternative; boundary="([0-9a-f]{32})"\r\n\r\n--\1\r\nContent-Type: text\/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n/

/** Undefined for an entity that `entityOf` has not made. */
function readEntity(entity: string): Pick<ReplyText, 'text' | 'html'> | undefined {
  const [head, boundary] = ENTITY.exec(entity) ?? []
  if (head === undefined || boundary === undefined) return undefined
  const between = `\r\n--${boundary}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n`
  const end = `\r\n--${boundary}--\r\n`
  const at = entity.indexOf(between, head.length)
  if (at < 0 || !entity.endsWith(end)) return undefined
  const found = { text: entity.slice(head.length, at), html: entity.slice(at + between.length, -end.length) }
  return entityOf(found.text, found.html) === entity ? found : undefined
}

function reply(rule: VacationRule, { text: plain, html, subject }: ReplyText): CommandSyntax {
  const { days, seconds, from, addresses, handle, mime } = rule
  const args = [
    ...(days === undefined ? [] : [tag('days'), number(days)]),
    ...(seconds === undefined ? [] : [tag('seconds'), number(seconds)]),
    ...(subject === undefined ? [] : [tag('subject'), text(subject)]),
    ...(from === undefined ? [] : [tag('from'), text(from)]),
    ...(addresses === undefined ? [] : [tag('addresses'), texts(addresses)]),
    ...(handle === undefined ? [] : [tag('handle'), text(handle)]),
    ...(mime || html !== undefined ? [tag('mime')] : []),
  ]
  return command('vacation', [...args, text(html === undefined ? plain : entityOf(plain, html))])
}

function testOf({ for: who }: ReplyVariant): Made<ReturnType<typeof test>> {
  if (who.kind === 'domain') return [test('address', [tag('domain'), tag('is'), text('from'), texts(who.domains)])]
  if (who.kind === 'contacts')
    return [test('address', [tag('all'), tag('list'), text('from'), text(ADDRESS_BOOKS)]), 'extlists']
  const fields = texts(['content-language', 'accept-language'])
  return [test('header', [tag('matches'), fields, texts([who.language, `${who.language}-*`, `${who.language},*`])])]
}

export function writeVacation(rule: VacationRule): Made<readonly CommandSyntax[]> {
  const { variants = [], variables, seconds } = rule
  const needs = [seconds === undefined ? 'vacation' : 'vacation-seconds', ...(variables ? ['variables', 'date'] : [])]
  const start = variables ? VARIABLES : []
  if (variants.length === 0) return [[...start, reply(rule, rule)], ...needs]
  const branches = variants.map((variant, index) => {
    const [one, ...more] = testOf(variant)
    needs.push(...more)
    return command(index === 0 ? 'if' : 'elsif', [], { tests: [one], block: [reply(rule, variant)] })
  })
  return [[...start, ...branches, command('else', [], { block: [reply(rule, rule)] })], ...needs]
}

const same = (a: readonly CommandSyntax[], b: readonly CommandSyntax[]) =>
  printScript({ commands: a, comments: [] }) === printScript({ commands: b, comments: [] })

/** Recognizes a reply in the first commands of a block, and their number; undefined when there is none. */
export function readVacation(
  block: readonly CommandSyntax[],
  read: (command: CommandSyntax) => VacationRule | undefined,
): { readonly rule: VacationRule; readonly length: number } | undefined {
  const count = VARIABLES.length
  const hasVariables = block.length > count && same(block.slice(0, count), VARIABLES)
  const rest = hasVariables ? block.slice(count) : block
  const length = lengthOf(rest)
  const found = length === 0 ? undefined : readReplies(rest.slice(0, length), read)
  if (!found) return undefined
  const rule: VacationRule = hasVariables ? { ...found, variables: true } : found
  // Only a reply that is printed again identically is fully understood.
  const whole = block.slice(0, length + (hasVariables ? count : 0))
  return same(writeVacation(rule)[0], whole) || length === 1 ? { rule, length: whole.length } : undefined
}

/** Commands of one reply: a vacation, or an if with its branches. */
function lengthOf([first, ...more]: readonly CommandSyntax[]): number {
  if (first?.name === 'vacation') return 1
  if (first?.name !== 'if') return 0
  const end = more.findIndex(({ name }) => name !== 'elsif' && name !== 'else')
  return 1 + (end < 0 ? more.length : end)
}

function readReplies(
  commands: readonly CommandSyntax[],
  read: (command: CommandSyntax) => VacationRule | undefined,
): VacationRule | undefined {
  const replies = commands.map(({ name, block }) => (name === 'vacation' ? undefined : block?.[0]))
  const [only] = commands
  if (only?.name === 'vacation') return asWritten(read(only))
  const last = replies.at(-1)
  const whole = last && commands.at(-1)?.name === 'else' ? asWritten(read(last)) : undefined
  if (!whole) return undefined
  const variants = commands.slice(0, -1).map((one, index) => {
    const who = readWho(one)
    const inner = replies[index]
    const found = inner && asWritten(read(inner))
    if (!who || !found) return undefined
    const { text: plain, html, subject } = found
    return {
      ...{ for: who, text: plain },
      ...(html === undefined ? {} : { html }),
      ...(subject === undefined ? {} : { subject }),
    }
  })
  return variants.every((one) => one !== undefined) ? { ...whole, variants } : undefined
}

/** An entity that was made of text and HTML is those. */
function asWritten(rule: VacationRule | undefined): VacationRule | undefined {
  const entity = rule?.mime && readEntity(rule.text)
  if (!rule || !entity) return rule
  const { mime: _, ...more } = rule
  return { ...more, ...entity }
}

function readWho({ tests: [one] }: CommandSyntax): ReplyVariant['for'] | undefined {
  const last = one?.arguments.at(-1)?.value
  const values = last?.kind === 'strings' ? last.texts : last?.kind === 'string' ? [last.text] : []
  const [first = ''] = values
  const tags = one?.arguments.flatMap(({ value }) => (value.kind === 'tag' ? [value.name] : [])) ?? []
  if (one?.name === 'address' && tags.includes('domain')) return { kind: 'domain', domains: values }
  if (one?.name === 'address' && tags.includes('list')) return { kind: 'contacts' }
  return one?.name === 'header' ? { kind: 'language', language: first } : undefined
}
