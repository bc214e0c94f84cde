/**
 * Variables of texts, such as `{{sender.name}}`.
 *
 * Invariants: a value is one line of bounded length, and text, never markup.
 */
export const VARIABLES = ['sender.name', 'sender.address', 'sender.domain', 'sender.local', 'subject', 'date'] as const
export type Variable = (typeof VARIABLES)[number]
export type Values = Readonly<Record<Variable, string>>

const PATTERN = /\{\{([^{}]{0,100})\}\}/g
/** Characters of one value. */
const MAX_VALUE = 200

const isVariable = (name: string): name is Variable => (VARIABLES as readonly string[]).includes(name)

export function unknownVariables(text: string): readonly string[] {
  return [...text.matchAll(PATTERN)].map(([, name = '']) => name.trim()).filter((name) => !isVariable(name))
}

const cleaned = (value: string) =>
  Array.from(value.replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ').trim())
    .slice(0, MAX_VALUE)
    .join('')

export function fill(text: string, values: Values, written: (value: string) => string = (value) => value): string {
  return text.replace(PATTERN, (all, name: string) => {
    const known = name.trim()
    return isVariable(known) ? written(cleaned(values[known])) : all
  })
}
