// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Sieve
/** Pieces of Sieve by themselves: comparators (RFC 4790), wildcards (RFC 5228), variables (RFC 5229), tokens, errors. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { comparatorOf } from '../../plugins/mailbox/mailsort/sieve/comparators.ts'
import { modified } from '../../plugins/mailbox/mailsort/sieve/language/variables.ts'
import { parseScript } from '../../plugins/mailbox/mailsort/sieve/parser.ts'
import { createRegularExpression, createWildcards } from '../../plugins/mailbox/mailsort/sieve/patterns.ts'
import { printScript } from '../../plugins/mailbox/mailsort/sieve/printer.ts'
import { createTemplate, expand } from '../../plugins/mailbox/mailsort/sieve/templates.ts'

const ORDERS: readonly (readonly [comparator: string, a: string, b: string, order: -1 | 0 | 1])[] = [
  ['i;octet', 'a', 'B', 1],
  ['i;octet', 'a', 'a', 0],
  ['i;octet', '\uffff', '\u{10000}', -1],
  ['i;ascii-casemap', 'a', 'B', -1],
  ['i;ascii-casemap', 'HELLO', 'hello', 0],
  ['i;ascii-casemap', 'É', 'é', -1],
  ['i;unicode-casemap', 'É', 'é', 0],
  ['i;unicode-casemap', '\ufb01', 'FI', 0],
  // RFC 4790 section 9.1.
  ['i;ascii-numeric', '1', '2', -1],
  ['i;ascii-numeric', '10', '9', 1],
  ['i;ascii-numeric', '007', '7', 0],
  ['i;ascii-numeric', '1a', '1b', 0],
  ['i;ascii-numeric', 'x', '999', 1],
  ['i;ascii-numeric', 'x', 'y', 0],
  ['i;ascii-numeric', '-5', '5', 1],
  ['i;ascii-numeric', '99999999999999999999', '99999999999999999998', 1],
]

test('comparators order strings, and equal ones have one folded form', () => {
  for (const [name, a, b, order] of ORDERS) {
    const comparator = comparatorOf(name)
    assert.equal(Math.sign(comparator?.compare(a, b) ?? Number.NaN), order, `${name} ${a} ${b}`)
    assert.equal(Math.sign(comparator?.compare(b, a) ?? Number.NaN), order === 0 ? 0 : -order)
    assert.equal(comparator?.fold(a) === comparator?.fold(b), order === 0, `${name} ${a} ${b}`)
  }
  assert.equal(comparatorOf('i;klingon'), undefined)
})

const WILD: readonly (readonly [pattern: string, text: string, found: readonly string[] | undefined])[] = [
  ['', '', ['']],
  ['', 'a', undefined],
  ['*', '', ['', '']],
  ['a', 'a', ['a']],
  ['a', 'ab', undefined],
  ['?', 'x', ['x', 'x']],
  ['?', '', undefined],
  ['a*', 'abc', ['abc', 'bc']],
  ['*c', 'abc', ['abc', 'ab']],
  ['*b*', 'abc', ['abc', 'a', 'c']],
  // RFC 5229 section 3.2: as little as possible.
  ['*x*', 'axbxc', ['axbxc', 'a', 'bxc']],
  ['**', 'ab', ['ab', '', 'ab']],
  ['?*?', 'abc', ['abc', 'a', 'b', 'c']],
  ['a\\*b', 'a*b', ['a*b']],
  ['a\\*b', 'axb', undefined],
  ['\\?', '?', ['?']],
  ['\\\\', '\\', ['\\']],
  ['[*] *', '[list] hi', ['[list] hi', 'list', 'hi']],
]

test('wildcards match the whole text, and give what each of them matched', () => {
  for (const [pattern, text, found] of WILD)
    assert.deepEqual(createWildcards(pattern).match(text, text), found, `${pattern} ${text}`)
  assert.deepEqual(createWildcards('a*').match('abc', 'ABC'), ['ABC', 'BC'], 'from the original text')
})

test('regular expressions give their groups; one that is none is refused', () => {
  assert.deepEqual(createRegularExpression('(a+)(b)?', false)?.match('xaac'), ['aa', 'aa', ''])
  assert.deepEqual(createRegularExpression('HELLO', true)?.match('say hello'), ['hello'])
  assert.equal(createRegularExpression('a', false)?.match('b'), undefined)
  for (const wrong of ['(', '[', '*', 'a{2,1}', '(?=a)', '\\1', 'x'.repeat(4097)])
    assert.equal(createRegularExpression(wrong, false), undefined, wrong.slice(0, 20))
})

const AT = { line: 1, column: 1 }
const VALUES = {
  variable: (name: string) => ({ company: 'ACME', a: '${b}' })[name] ?? '',
  matched: (at: number) => `<${at}>`,
}
const TEMPLATES: readonly (readonly [text: string, expanded: string])[] = [
  // RFC 5229 section 3.
  ['&%${}!', '&%${}!'],
  ['${doh!}', '${doh!}'],
  ['${ company }', '${ company }'],
  ['${Company}', 'ACME'],
  ['${company', '${company'],
  ['${${company}}', '${ACME}'],
  ['${0}-${12}', '<0>-<12>'],
  ['${unknown}', ''],
  ['${a}', '${b}'],
  ['${ns.name}', ''],
  // RFC 5228 section 2.4.2.4.
  ['$${hex:40}', '$@'],
  ['${hex: 40 }', '@'],
  ['${HEX: 40}', '@'],
  ['${hex:40', '${hex:40'],
  ['${hex:400}', '${hex:400}'],
  ['${hex:4${hex:30}}', '${hex:40}'],
  ['${unicode:40}', '@'],
  ['${ unicode:40}', '${ unicode:40}'],
  ['${UNICODE:40}', '@'],
  ['${UnICoDE:0000040}', '@'],
  ['${Unicode:}', '${Unicode:}'],
  ['${unicode: e4 1f600}', 'ä\u{1f600}'],
  ['${hex: c3 a4}', 'ä'],
]

test('strings have encoded characters and variables as in the examples of the RFCs', () => {
  for (const [text, expanded] of TEMPLATES)
    assert.equal(expand(createTemplate(text, AT, { isEncoded: true, hasVariables: true }), VALUES), expanded, text)
  const plain = '${company} ${hex:40}'
  assert.equal(expand(createTemplate(plain, AT, { isEncoded: false, hasVariables: false }), VALUES), plain)
  for (const wrong of ['${unicode:D800}', '${unicode:110000}', '${unicode:200000}'])
    assert.throws(
      () => createTemplate(wrong, AT, { isEncoded: true, hasVariables: false }),
      /no Unicode character/,
      wrong,
    )
  const long = createTemplate('${company}'.repeat(20_000), AT, { isEncoded: false, hasVariables: true })
  assert.equal(expand(long, VALUES).length, 65_536)
})

const MODIFIERS: readonly (readonly [value: string, tags: readonly string[], result: string])[] = [
  // RFC 5229 section 4.1.
  ['juMBlEd lETteRS', ['length'], '15'],
  ['juMBlEd lETteRS', ['lower'], 'jumbled letters'],
  ['juMBlEd lETteRS', ['upperfirst'], 'JuMBlEd lETteRS'],
  ['juMBlEd lETteRS', ['upperfirst', 'lower'], 'Jumbled letters'],
  ['Rock*', ['quotewildcard'], 'Rock\\*'],
  ['a?\\', ['quotewildcard', 'upper'], 'A\\?\\\\'],
  ['*', ['length', 'quotewildcard'], '2'],
  ['\u{1f600}', ['length'], '1'],
  ['(a.b)', ['quoteregex'], '\\(a\\.b\\)'],
  ['ä b&c', ['encodeurl'], '%C3%A4%20b%26c'],
  ['ABC', ['lowerfirst'], 'aBC'],
  ['x', [], 'x'],
]

test('modifiers are applied by precedence, whatever their order', () => {
  for (const [value, tags, result] of MODIFIERS) {
    assert.equal(modified(value, tags), result, `${value} ${tags.join(' ')}`)
    assert.equal(modified(value, [...tags].reverse()), result)
  }
})

const PRINTED: readonly (readonly [script: string, printed: string])[] = [
  ['keep;', 'keep;'],
  ['KEEP ;', 'keep;'],
  ['if size :over 1M{discard;}', 'if size :over 1M {|    discard;|}'],
  ['if size :over 1024 { }', 'if size :over 1K {|}'],
  ['if size :over 1025 { }', 'if size :over 1025 {|}'],
  ['require ["a","b"];', 'require ["a", "b"];'],
  ['redirect "a\\"b\\\\";', 'redirect "a\\"b\\\\";'],
  ['if anyof(true){keep;}', 'if anyof (true) {|    keep;|}'],
  [
    'if not allof ( true , false ) { keep ; } else { stop; }',
    'if not allof (true, false) {|    keep;|}|else {|    stop;|}',
  ],
  ['reject text:\r\n..dot\r\nline\r\n.\r\n;', 'reject text:|..dot|line|.|;'],
  ['# why\nkeep;', '# why|keep;'],
  ['/* a\n b */ keep;', '# a|# b|keep;'],
]

test('a script is printed one command a line, and means the same', () => {
  for (const [script, printed] of PRINTED) {
    const text = printScript(parseScript(script))
    assert.equal(text.trimEnd().replaceAll('\r\n', '|'), printed, script)
    assert.equal(printScript(parseScript(text)), text)
  }
})

const ERRORS: readonly (readonly [script: string, line: number, message: RegExp])[] = [
  ['keep', 1, /./],
  ['keep; }', 1, /./],
  ['\n\n"text";', 3, /./],
  ['if true { keep;', 1, /./],
  ['redirect "a', 1, /a string has no end/],
  ['/* keep;', 1, /a comment has no end/],
  ['reject text:\nno end', 1, /a text: has no end/],
  ['if size :over 1X {}', 1, /not a number/],
  ['if size :over 99999999999G {}', 1, /the number is too large/],
  ['keep :;', 1, /':' without a name/],
  ['keep ;\n  %', 2, /unexpected character "%"/],
  ['redirect "a\0b";', 1, /NUL/],
  ['redirect ["a" "b"];', 1, /./],
  [`${'if true {'.repeat(200)}`, 1, /./],
  [`if ${'not '.repeat(200)}true {}`, 1, /./],
]

test('a script that cannot be read is refused with the line of its fault', () => {
  for (const [script, line, message] of ERRORS)
    assert.throws(
      () => parseScript(script),
      (error: Error & { readonly at?: { readonly line: number } }) =>
        error.name !== 'RangeError' && error.at?.line === line && message.test(error.message),
      script.slice(0, 40),
    )
})
