/**
 * The Sieve engine: a script, a message and an environment in, actions out. It knows nothing of accounts or stores.
 */
export { compileScript, type Language, type Program } from './compile.ts'
export type * from './environment.ts'
export { evaluate } from './evaluate.ts'
export { createSieve } from './language/index.ts'
export type { Extension } from './language.ts'
export { MessageView } from './message.ts'
export { parseScript } from './parser.ts'
export { printScript, printTest } from './printer.ts'
export * from './syntax.ts'
