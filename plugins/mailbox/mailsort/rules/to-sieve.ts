/**
 * Rules as a Sieve script, in the conventions of Roundcube: `# rule:[name]` before each `if`, and `if false # …` for one
 * that is turned off.
 *
 * Invariant: `readRules` reads the same rules again.
 */
import { type Argument, type CommandSyntax, printScript, printTest, type TestSyntax } from '../sieve/index.ts'
import type { Condition, Rule, RuleAction, Rules } from './form.ts'

const at = { line: 1, column: 1 }
const tag = (name: string): Argument => ({ at, value: { kind: 'tag', name } })
const text = (one: string): Argument => ({ at, value: { kind: 'string', text: one } })
const number = (one: number): Argument => ({ at, value: { kind: 'number', number: one } })
const texts = (all: readonly string[]): Argument =>
  all.length === 1 ? text(all[0] as string) : { at, value: { kind: 'strings', texts: all } }
const test = (name: string, args: readonly Argument[], tests: readonly TestSyntax[] = []): TestSyntax => ({
  ...{ at, name, tests, arguments: args },
})
const command = (name: string, args: readonly Argument[] = [], more: Partial<CommandSyntax> = {}): CommandSyntax => ({
  ...{ at, name, arguments: args, tests: [], comments: [] },
  ...more,
})

/** What a piece of script needs, beside the piece. */
type Made<T> = readonly [made: T, ...needs: string[]]

const matchNeeds = (how: string) => (how === 'regex' ? ['regex'] : [])

function made(condition: Condition): Made<TestSyntax> {
  switch (condition.kind) {
    case 'header': {
      const { fields, how, values } = condition
      if (how === 'exists') return [test('exists', [texts(fields)])]
      return [test('header', [tag(how), texts(fields), texts(values)]), ...matchNeeds(how)]
    }
    case 'address': {
      const { fields, part = 'all', how, values } = condition
      const needs = part === 'user' || part === 'detail' ? ['subaddress'] : []
      return [test('address', [tag(part), tag(how), texts(fields), texts(values)]), ...matchNeeds(how), ...needs]
    }
    case 'envelope': {
      const { which, how, values } = condition
      return [test('envelope', [tag(how), text(which), texts(values)]), 'envelope', ...matchNeeds(how)]
    }
    case 'body':
      return [
        test('body', [tag('text'), tag(condition.how), texts(condition.values)]),
        'body',
        ...matchNeeds(condition.how),
      ]
    case 'size':
      return [test('size', [tag(condition.is), number(condition.octets)])]
    case 'attachment':
      return [
        test('header', [
          tag('mime'),
          tag('anychild'),
          tag('contains'),
          text('content-disposition'),
          text('attachment'),
        ]),
        'mime',
      ]
    case 'spam': {
      const args = [
        tag('value'),
        text('ge'),
        tag('comparator'),
        text('i;ascii-numeric'),
        text(String(condition.atLeast)),
      ]
      return [test('spamtest', args), 'spamtest', 'relational', 'comparator-i;ascii-numeric']
    }
    case 'date':
      return [
        test('currentdate', [tag('value'), text(condition.is), text('date'), text(condition.date)]),
        'date',
        'relational',
      ]
  }
}

function carriedOut(action: RuleAction): Made<CommandSyntax> {
  switch (action.kind) {
    case 'fileinto':
    case 'copy': {
      const tags = [...(action.kind === 'copy' ? [tag('copy')] : []), ...(action.create ? [tag('create')] : [])]
      const needs = [...(action.kind === 'copy' ? ['copy'] : []), ...(action.create ? ['mailbox'] : [])]
      return [command('fileinto', [...tags, text(action.mailbox)]), 'fileinto', ...needs]
    }
    case 'redirect':
      return [command('redirect', [text(action.address)])]
    case 'forward':
      return [command('redirect', [tag('copy'), text(action.address)]), 'copy']
    case 'keep':
    case 'discard':
      return [command(action.kind)]
    case 'flag':
      return [command('addflag', [texts(action.flags)]), 'imap4flags']
    case 'reject':
      return [command('reject', [text(action.text)]), 'reject']
    case 'vacation': {
      const { days, subject, from, addresses } = action
      const args = [
        ...(days === undefined ? [] : [tag('days'), number(days)]),
        ...(subject === undefined ? [] : [tag('subject'), text(subject)]),
        ...(from === undefined ? [] : [tag('from'), text(from)]),
        ...(addresses === undefined ? [] : [tag('addresses'), texts(addresses)]),
      ]
      return [command('vacation', [...args, text(action.text)]), 'vacation']
    }
    case 'notify': {
      const message = action.message === undefined ? [] : [tag('message'), text(action.message)]
      return [
        command('notify', [...message, text(`mailto:${encodeURIComponent(action.address).replace('%40', '@')}`)]),
        'enotify',
      ]
    }
  }
}

function writeRule({ name, isEnabled = true, match, conditions, actions, stops = false }: Rule): Made<CommandSyntax> {
  const needs: string[] = []
  const take = <T>([one, ...more]: Made<T>): T => {
    needs.push(...more)
    return one
  }
  const tests = conditions.map((condition) => {
    const one = take(made(condition))
    return condition.not ? test('not', [], [one]) : one
  })
  const joined = tests.length === 0 ? test('true', []) : test(match === 'all' ? 'allof' : 'anyof', [], tests)
  const block = [...actions.map((action) => take(carriedOut(action))), ...(stops ? [command('stop')] : [])]
  const comments = [`rule:[${name.replace(/[\r\n]+/g, ' ')}]`]
  if (isEnabled) return [command('if', [], { tests: [joined], block, comments }), ...needs]
  const note = printTest(joined).replace(/\r\n/g, '\n')
  return [command('if', [], { tests: [test('false', [])], block, comments, note }), ...needs]
}

export function writeRules(rules: Rules): string {
  const written = rules.map(writeRule)
  const needs = [...new Set(written.flatMap(([, ...more]) => more))].sort()
  const commands = written.map(([one]) => one)
  return printScript({
    commands: needs.length > 0 ? [command('require', [texts(needs)]), ...commands] : commands,
    comments: [],
  })
}
