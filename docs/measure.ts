/** `npm run measure`: the size and shape of the code, by the method that docs/decisions/ quotes. Prints, changes nothing. */
import { globSync, readFileSync } from 'node:fs'
import { circlesOf, type FileShape, shapesOf } from '../test/support/structure.ts'

const core = shapesOf(['core/**/*.ts'])
const plugins = shapesOf(['plugins/**/*.ts'])
const tests = shapesOf(['test/**/*.ts']).filter(({ file }) => !file.startsWith('test/bench/'))

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
const lines = (files: readonly FileShape[]) => sum(files.map((file) => file.lines))
const functions = (files: readonly FileShape[]) =>
  files.flatMap(({ file, functions }) => functions.map((one) => ({ ...one, file })))
const quantile = (values: readonly number[], q: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? 0

function describe(name: string, files: readonly FileShape[]) {
  const all = functions(files)
  const lengths = all.map((one) => one.lines)
  const longest = [...all].sort((a, b) => b.lines - a.lines).slice(0, 8)
  const rooms = all.filter(({ inner }) => inner > 6)
  const large = files.filter((file) => file.lines > 350)
  console.log(`
${name}: ${files.length} files, ${lines(files)} lines, ${((100 * sum(files.map(({ comments }) => comments))) / lines(files)).toFixed(1)} % comments
  functions: ${all.length}; median ${quantile(lengths, 0.5)}, p90 ${quantile(lengths, 0.9)}, p99 ${quantile(lengths, 0.99)} lines; own p90 ${quantile(
    all.map(({ own }) => own),
    0.9,
  )}, own longest ${Math.max(...all.map(({ own }) => own))}
  over 40 lines: ${all.filter((one) => one.lines > 40).length}; with more than six functions inside: ${rooms.length}
  longest: ${longest.map((one) => `${one.file}:${one.line} ${one.name} ${one.lines}`).join(', ')}
  files over 350 lines: ${large.map((file) => `${file.file} ${file.lines}`).join(', ') || 'none'}
  circles, types included: ${
    circlesOf(files)
      .map((circle) => `${circle.length} (${circle.join(', ')})`)
      .join('; ') || 'none'
  }
  mutable module variables: ${files.flatMap(({ file, mutable }) => mutable.map((one) => `${file} ${one}`)).join(', ') || 'none'}`)
}

/** Exported values of core and plugins whose name stands in no other file. */
function needlessExports(): string[] {
  const files = globSync(['{core,plugins,config,docs,test}/**/*.{ts,tsx}', 'iems.config.ts'])
  const texts = files.map((file) => ({ file, text: readFileSync(file, 'utf8') }))
  const users = new Map<string, number>()
  for (const { text } of texts)
    for (const name of new Set(text.match(/[A-Za-z_$][\w$]*/g))) users.set(name, (users.get(name) ?? 0) + 1)
  return texts
    .filter(({ file }) => /^(?:core|plugins)\//.test(file))
    .flatMap(({ file, text }) =>
      [...text.matchAll(/^export (?:async )?(?:const|function\*?|class) (\w+)/gm)]
        .filter(([, name = '']) => users.get(name) === 1)
        .map(([, name]) => `${file} ${name}`),
    )
}

describe('core', core)
describe('plugins', plugins)
console.log(
  `\ntests: ${tests.length} files, ${lines(tests)} lines; to code ${(lines(tests) / (lines(core) + lines(plugins))).toFixed(2)} : 1`,
)
console.log(`exported values that no other file uses: ${needlessExports().join(', ') || 'none'}`)
