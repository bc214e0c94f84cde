/**
 * Writes a syntax tree as text, one command a line, blocks indented.
 *
 * Invariant: `parseScript` reads the same tree again, positions apart.
 */
import type { Argument, CommandSyntax, ScriptSyntax, TestSyntax } from './syntax.ts'

export function printScript({ commands, comments }: ScriptSyntax): string {
  return [...commands.flatMap((command) => printCommand(command, '')), ...comments.map(printComment)]
    .map((line) => `${line}\r\n`)
    .join('')
}

const printComment = (text: string) => (text === '' ? '#' : `# ${text}`)

function printCommand(command: CommandSyntax, indent: string): string[] {
  const { name, tests, block, comments, note } = command
  const isList = tests.length > 1 || LISTS.has(name)
  const head = [name, ...command.arguments.map(printArgument), ...printTests(tests, isList)].join(' ')
  const before = comments.map((text) => indent + printComment(text))
  if (!block) return [...before, `${indent}${head};`]
  const inner = block.flatMap((one) => printCommand(one, `${indent}    `))
  const opening = note === undefined ? [`${indent}${head} {`] : [`${indent}${head} # ${note}`, `${indent}{`]
  return [...before, ...opening, ...inner, `${indent}}`]
}

const LISTS = new Set(['anyof', 'allof'])

export function printTest({ name, tests, arguments: args }: TestSyntax): string {
  return [name, ...args.map(printArgument), ...printTests(tests, tests.length > 1 || LISTS.has(name))].join(' ')
}

function printTests(tests: readonly TestSyntax[], isList: boolean): string[] {
  if (tests.length === 0) return []
  const printed = tests.map(printTest)
  return [isList ? `(${printed.join(', ')})` : (printed[0] as string)]
}

function printArgument({ value }: Argument): string {
  switch (value.kind) {
    case 'number':
      return printNumber(value.number)
    case 'tag':
      return `:${value.name}`
    case 'string':
      return printString(value.text)
    case 'strings':
      return `[${value.texts.map(printString).join(', ')}]`
  }
}

const UNITS = [
  ['G', 2 ** 30],
  ['M', 2 ** 20],
  ['K', 2 ** 10],
] as const

function printNumber(number: number): string {
  const unit = number > 0 ? UNITS.find(([, octets]) => number % octets === 0) : undefined
  return unit ? `${number / unit[1]}${unit[0]}` : String(number)
}

/** Multi-line text as `text:`, if that preserves it. */
function printString(text: string): string {
  const isWholeLines = text.endsWith('\r\n') && !/\r(?!\n)|(?<!\r)\n/.test(text)
  if (!isWholeLines) return `"${text.replace(/[\\"]/g, '\\$&')}"`
  const lines = text.slice(0, -2).split('\r\n')
  return `text:\r\n${lines.map((line) => (line.startsWith('.') ? `.${line}` : line)).join('\r\n')}\r\n.\r\n`
}
