/**
 * Reads rules out of a Sieve script, where it says no more than rules can: scripts of `writeRules`, and those that
 * Roundcube writes.
 *
 * Invariant: a script that is not fully understood gives undefined, so that nothing is lost when the rules are written
 * back.
 */
import { type Argument, type CommandSyntax, parseScript, SieveError, type TestSyntax } from '../sieve/index.ts'
import type { Condition, Rule, RuleAction, Rules, TextMatch } from './form.ts'
import { readVacation } from './vacation-texts.ts'

export function readRules(script: string): Rules | undefined {
  try {
    const { commands, comments } = parseScript(script)
    if (comments.some((line) => line !== '')) return undefined
    // Comments above `require` are those of the first rule.
    const above = commands.filter(({ name }) => name === 'require').flatMap((one) => one.comments)
    const [first, ...more] = commands.filter(({ name }) => name !== 'require')
    if (!first) return above.some((line) => line !== '') ? undefined : []
    return all([{ ...first, comments: [...above, ...first.comments] }, ...more], readRule)
  } catch (error) {
    if (error instanceof SieveError) return undefined
    throw error
  }
}

/** Each of them read; undefined if one cannot be. */
function all<T, R>(items: readonly T[], read: (item: T) => R | undefined): readonly R[] | undefined {
  const found: R[] = []
  for (const item of items) {
    const one = read(item)
    if (one === undefined) return undefined
    found.push(one)
  }
  return found
}

const NAMED = /^rule:\[(.*)\]$/

/** Reads the comments that Roundcube, SOGo and generators write above rules; a name follows. */
function readComments(comments: readonly string[]): Pick<Rule, 'name' | 'comments'> {
  const lines = comments.filter((line) => line !== '')
  const at = lines.findLastIndex((line) => NAMED.test(line))
  const name = at < 0 ? '' : (NAMED.exec(lines[at] as string)?.[1] ?? '')
  const others = lines.filter((_, index) => index !== at)
  return { name, ...(others.length > 0 ? { comments: others } : {}) }
}

function readRule(command: CommandSyntax): Rule | undefined {
  const { name, tests, block, comments, note } = command
  const [test] = tests
  // A rule without tests: SOGo's forward and keep, Roundcube's rules for all messages.
  if (name !== 'if') {
    const read = readActions([{ ...command, comments: [] }])
    return read && { ...readComments(comments), match: 'all', conditions: [], ...read }
  }
  if (!test || !block) return undefined
  const isEnabled = !(test.name === 'false' && note !== undefined)
  if (isEnabled && note !== undefined) return undefined
  const judged = isEnabled ? test : readNote(note as string)
  const joined = judged && readTests(judged)
  const read = readActions(block)
  if (!joined || !read) return undefined
  return { ...readComments(comments), ...(isEnabled ? {} : { isEnabled }), ...joined, ...read }
}

function readActions(block: readonly CommandSyntax[]): Pick<Rule, 'actions' | 'stops'> | undefined {
  const stops = block.at(-1)?.name === 'stop'
  const actions: RuleAction[] = []
  let rest = stops ? block.slice(0, -1) : block
  while (rest.length > 0) {
    const vacation = readVacation(rest, (one) => {
      const action = readAction(one)
      return action?.kind === 'vacation' ? action : undefined
    })
    const [first] = rest as [CommandSyntax]
    const action = vacation?.rule ?? readAction(first)
    if (!action) return undefined
    actions.push(action)
    rest = rest.slice(vacation?.length ?? 1)
  }
  return { actions, ...(stops ? { stops } : {}) }
}

function readNote(note: string): TestSyntax | undefined {
  return parseScript(`if ${note} {}`).commands[0]?.tests[0]
}

function readTests(test: TestSyntax): Pick<Rule, 'match' | 'conditions'> | undefined {
  const isList = test.name === 'allof' || test.name === 'anyof'
  const tests = isList ? test.tests : [test]
  const match = test.name === 'anyof' ? 'any' : 'all'
  if (tests.every(({ name }) => name === 'true')) return { match, conditions: [] }
  const conditions = all(tests, readCondition)
  return conditions && { match, conditions }
}

/** Tags with their values, and positional arguments. */
interface Read {
  readonly tags: ReadonlyMap<string, string | number | readonly string[] | true>
  readonly rest: readonly (string | number | readonly string[])[]
}

const plainValue = ({ value }: Argument) =>
  value.kind === 'number'
    ? value.number
    : value.kind === 'string'
      ? value.text
      : value.kind === 'strings'
        ? value.texts
        : ''

/** Undefined for an unknown tag: `name` has no value, `name:` has one. */
function readArguments(args: readonly Argument[], known: readonly string[]): Read | undefined {
  const tags = new Map<string, string | number | readonly string[] | true>()
  const rest: (string | number | readonly string[])[] = []
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] as Argument
    if (argument.value.kind !== 'tag') rest.push(plainValue(argument))
    else if (known.includes(argument.value.name)) tags.set(argument.value.name, true)
    else if (known.includes(`${argument.value.name}:`))
      tags.set(argument.value.name, plainValue(args[++index] as Argument))
    else return undefined
  }
  return { tags, rest }
}

const list = (value: unknown): readonly string[] =>
  Array.isArray(value) ? (value as string[]) : typeof value === 'string' ? [value] : []

const MATCHES = ['is', 'contains', 'matches', 'regex'] as const
const PARTS = ['all', 'localpart', 'domain', 'user', 'detail'] as const
const chosen = <T extends string>({ tags }: Read, names: readonly T[]): T | undefined =>
  names.find((name) => tags.has(name))
const how = (read: Read): Exclude<TextMatch, 'exists'> => chosen(read, MATCHES) ?? 'is'

const DEFAULT_COMPARATOR = 'i;ascii-casemap'
/** SOGo names the comparator that is the default. */
const isPlain = ({ tags }: Read) => !tags.has('comparator') || tags.get('comparator') === DEFAULT_COMPARATOR

const CONDITIONS: Readonly<
  Record<string, { readonly tags: readonly string[]; read(read: Read): Condition | undefined }>
> = {
  header: {
    tags: [...MATCHES, 'comparator:', 'mime', 'anychild'],
    read(read) {
      const [fields, values] = read.rest.map(list)
      if (!fields || !values || !isPlain(read)) return undefined
      if (!read.tags.has('mime')) return { kind: 'header', fields, how: how(read), values }
      const isAttachment =
        fields.join().toLowerCase() === 'content-disposition' && values.join().toLowerCase() === 'attachment'
      return isAttachment && read.tags.has('anychild') && how(read) === 'contains' ? { kind: 'attachment' } : undefined
    },
  },
  exists: { tags: [], read: ({ rest }) => ({ kind: 'header', fields: list(rest[0]), how: 'exists', values: [] }) },
  address: {
    tags: [...MATCHES, ...PARTS, 'comparator:', 'list'],
    read(read) {
      const [fields = [], values = []] = read.rest.map(list)
      if (!isPlain(read)) return undefined
      if (read.tags.has('list')) return contact(read, fields, values)
      const part = chosen(read, PARTS) ?? 'all'
      return { kind: 'address', fields, ...(part === 'all' ? {} : { part }), how: how(read), values }
    },
  },
  envelope: {
    tags: MATCHES,
    read(read) {
      const [which = [], values = []] = read.rest.map(list)
      const [one] = which.map((name) => name.toLowerCase())
      return which.length === 1 && (one === 'from' || one === 'to')
        ? { kind: 'envelope', which: one, how: how(read), values }
        : undefined
    },
  },
  body: {
    tags: [...MATCHES, 'comparator:', 'text', 'raw'],
    read: (read) =>
      isPlain(read)
        ? { kind: 'body', ...(read.tags.has('raw') ? { of: 'raw' } : {}), how: how(read), values: list(read.rest[0]) }
        : undefined,
  },
  duplicate: { tags: [], read: ({ rest }) => (rest.length === 0 ? { kind: 'duplicate' } : undefined) },
  size: {
    tags: ['over:', 'under:'],
    read({ tags }) {
      const is = tags.has('over') ? 'over' : 'under'
      const octets = tags.get(is)
      return typeof octets === 'number' && tags.size === 1 ? { kind: 'size', is, octets } : undefined
    },
  },
  spamtest: {
    tags: ['value:', 'comparator:'],
    read({ tags, rest }) {
      const isAtLeast = tags.get('value') === 'ge' && tags.get('comparator') === 'i;ascii-numeric'
      return isAtLeast && typeof rest[0] === 'string' && /^\d{1,2}$/.test(rest[0])
        ? { kind: 'spam', atLeast: Number(rest[0]) }
        : undefined
    },
  },
  currentdate: {
    tags: ['value:', ...MATCHES, 'zone:'],
    read(read) {
      const { tags, rest } = read
      const [part, values] = [rest[0], list(rest[1])]
      const [is, zone] = [tags.get('value'), tags.get('zone')]
      if (typeof part !== 'string' || values.length === 0) return undefined
      if (is === undefined)
        return { kind: 'time', part, ...(typeof zone === 'string' ? { zone } : {}), how: how(read), values }
      const [date = '', ...more] = values
      if (more.length > 0 || (is !== 'ge' && is !== 'le')) return undefined
      if (part === 'date' && zone === undefined) return { kind: 'date', is, date }
      const isTime = part === 'iso8601' && zone === '+0000' && date.endsWith('+00:00')
      return isTime ? { kind: 'date', is, date: date.replace('+00:00', 'Z') } : undefined
    },
  },
}

function contact(read: Read, fields: readonly string[], [listName, ...more]: readonly string[]): Condition | undefined {
  const part = chosen(read, PARTS) ?? 'all'
  if (listName === undefined || more.length > 0 || part !== 'all') return undefined
  return {
    ...{ kind: 'contact', fields },
    ...(listName === 'urn:ietf:params:sieve:addrbook:default' ? {} : { list: listName }),
  }
}

function readCondition(test: TestSyntax): Condition | undefined {
  if (test.name === 'not') {
    const [inner] = test.tests
    const condition = inner && inner.name !== 'not' ? readCondition(inner) : undefined
    return condition && { ...condition, not: true }
  }
  const known = Object.hasOwn(CONDITIONS, test.name) ? CONDITIONS[test.name] : undefined
  const read = known && test.tests.length === 0 ? readArguments(test.arguments, known.tags) : undefined
  return read && known?.read(read)
}

const one = (value: unknown) => (typeof value === 'string' ? value : undefined)

const ACTIONS: Readonly<
  Record<string, { readonly tags: readonly string[]; read(read: Read): RuleAction | undefined }>
> = {
  keep: { tags: [], read: () => ({ kind: 'keep' }) },
  discard: { tags: [], read: () => ({ kind: 'discard' }) },
  fileinto: {
    tags: ['copy', 'create'],
    read({ tags, rest }) {
      const mailbox = one(rest[0])
      if (mailbox === undefined) return undefined
      return { kind: tags.has('copy') ? 'copy' : 'fileinto', mailbox, ...(tags.has('create') ? { create: true } : {}) }
    },
  },
  redirect: {
    tags: ['copy'],
    read({ tags, rest }) {
      const address = one(rest[0])
      return address === undefined ? undefined : { kind: tags.has('copy') ? 'forward' : 'redirect', address }
    },
  },
  addflag: {
    tags: [],
    read: ({ rest }) => (rest.length === 1 ? { kind: 'flag', flags: list(rest[0]) } : undefined),
  },
  setflag: {
    tags: [],
    read: ({ rest }) => (rest.length === 1 ? { kind: 'setflag', flags: list(rest[0]) } : undefined),
  },
  removeflag: {
    tags: [],
    read: ({ rest }) => (rest.length === 1 ? { kind: 'removeflag', flags: list(rest[0]) } : undefined),
  },
  reject: { tags: [], read: ({ rest }) => ({ kind: 'reject', text: one(rest[0]) ?? '' }) },
  ereject: { tags: [], read: ({ rest }) => ({ kind: 'ereject', text: one(rest[0]) ?? '' }) },
  addheader: {
    tags: [],
    read: ({ rest }) => ({ kind: 'addheader', name: one(rest[0]) ?? '', value: one(rest[1]) ?? '' }),
  },
  deleteheader: {
    tags: [],
    read: ({ rest }) => (rest.length === 1 ? { kind: 'deleteheader', name: one(rest[0]) ?? '' } : undefined),
  },
  vacation: {
    tags: ['days:', 'seconds:', 'subject:', 'from:', 'addresses:', 'handle:', 'mime'],
    read({ tags, rest }) {
      const names = ['days', 'seconds', 'subject', 'from', 'addresses', 'handle']
      const [days, seconds, subject, from, addresses, handle] = names.map((name) => tags.get(name))
      return {
        ...{ kind: 'vacation', text: one(rest[0]) ?? '' },
        ...(typeof days === 'number' ? { days } : {}),
        ...(typeof seconds === 'number' ? { seconds } : {}),
        ...(typeof handle === 'string' ? { handle } : {}),
        ...(tags.has('mime') ? { mime: true as const } : {}),
        ...(typeof subject === 'string' ? { subject } : {}),
        ...(typeof from === 'string' ? { from } : {}),
        ...(addresses === undefined ? {} : { addresses: list(addresses) }),
      }
    },
  },
  notify: {
    tags: ['message:'],
    read({ tags, rest }) {
      const [, address] = /^mailto:([^?,]+)$/i.exec(one(rest[0]) ?? '') ?? []
      const message = one(tags.get('message'))
      if (address === undefined || /%(?![0-9a-f]{2})/i.test(address)) return undefined
      return { kind: 'notify', address: decodeURIComponent(address), ...(message === undefined ? {} : { message }) }
    },
  },
}

function readAction(command: CommandSyntax): RuleAction | undefined {
  const known = Object.hasOwn(ACTIONS, command.name) ? ACTIONS[command.name] : undefined
  if (!known || command.block || command.tests.length > 0 || command.comments.some((line) => line !== ''))
    return undefined
  const read = readArguments(command.arguments, known.tags)
  return read && known.read(read)
}
