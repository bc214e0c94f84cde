/**
 * Rules as a Sieve script, in the conventions of Roundcube: `# rule:[name]` before each `if`, and `if false # …` for one
 * that is turned off.
 *
 * Invariant: `readRules` reads the same rules again.
 */
import { type CommandSyntax, printScript, printTest, type TestSyntax } from '../sieve/index.ts'
import type { Condition, Rule, RuleAction, Rules } from './form.ts'
import { command, type Made, number, tag, test, text, texts } from './syntax.ts'
import { writeVacation } from './vacation-texts.ts'

/** All address books of the account. */
const ADDRESS_BOOKS = 'urn:ietf:params:sieve:addrbook:default'

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
        test('body', [tag(condition.of ?? 'text'), tag(condition.how), texts(condition.values)]),
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
    case 'date': {
      const { is, date } = condition
      const args = date.includes('T')
        ? [tag('zone'), text('+0000'), tag('value'), text(is), text('iso8601'), text(date.replace('Z', '+00:00'))]
        : [tag('value'), text(is), text('date'), text(date)]
      return [test('currentdate', args), 'date', 'relational']
    }
    case 'time': {
      const { part, zone, how, values } = condition
      const tags = zone === undefined ? [tag(how)] : [tag('zone'), text(zone), tag(how)]
      return [test('currentdate', [...tags, text(part), texts(values)]), 'date', ...matchNeeds(how)]
    }
    case 'contact':
      return [
        test('address', [tag('all'), tag('list'), texts(condition.fields), text(condition.list ?? ADDRESS_BOOKS)]),
        'extlists',
      ]
    case 'duplicate':
      return [test('duplicate', []), 'duplicate']
  }
}

function carriedOut(action: Exclude<RuleAction, { readonly kind: 'vacation' }>): Made<CommandSyntax> {
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
    case 'setflag':
    case 'removeflag':
      return [command(action.kind, [texts(action.flags)]), 'imap4flags']
    case 'reject':
    case 'ereject':
      return [command(action.kind, [text(action.text)]), action.kind]
    case 'addheader':
      return [command('addheader', [text(action.name), text(action.value)]), 'editheader']
    case 'deleteheader':
      return [command('deleteheader', [text(action.name)]), 'editheader']
    case 'notify': {
      const message = action.message === undefined ? [] : [tag('message'), text(action.message)]
      return [
        command('notify', [...message, text(`mailto:${encodeURIComponent(action.address).replace('%40', '@')}`)]),
        'enotify',
      ]
    }
  }
}

const commandsOf = (action: RuleAction): Made<readonly CommandSyntax[]> => {
  if (action.kind === 'vacation') return writeVacation(action)
  const [one, ...needs] = carriedOut(action)
  return [[one], ...needs]
}

function writeRule({
  name,
  comments: remarks = [],
  isEnabled = true,
  match,
  conditions,
  actions,
  stops = false,
}: Rule): Made<CommandSyntax> {
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
  const block = [...actions.flatMap((action) => take(commandsOf(action))), ...(stops ? [command('stop')] : [])]
  const comments = [...remarks, `rule:[${name.replace(/[\r\n]+/g, ' ')}]`]
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
