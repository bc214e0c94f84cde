/**
 * What does not keep to the house's sizes yet; see test/architecture.test.ts. The lists only shrink: dividing one
 * of these removes its line, and no line is added.
 */
export const EXCEPTIONS = {
  /** Files of more than 350 lines. */
  files: ['plugins/smtp/in/server.ts', 'plugins/smtp/in/session.ts'],
  /** Functions of more than 80 lines. */
  functions: [],
  /** Functions with more than six named functions inside. */
  factories: [],
  /** State of modules. */
  mutable: [],
} as const satisfies Readonly<Record<string, readonly string[]>>
