/**
 * Derives a command's fields from its schema, or from its arguments and options, and validates the input of forms and
 * command lines.
 *
 * Invariants: a form and a command line lead to the same validated values; unknown fields are never passed on.
 */
import type { CommandInfo, CommandRun } from '../api/administration.ts'
import type { AnyCommandSchema, Caller, Command, CommandCall, CommandSchema, JsonSchema } from '../api/command.ts'
import { IemsError } from '../api/errors.ts'

interface Field {
  readonly name: string
  /** Long name of the option; absent for an argument. */
  readonly option?: string
  readonly isMany: boolean
  readonly type: string
}

/** Throws when the schema cannot be converted to JSON Schema. */
function jsonSchemaOf(schema: AnyCommandSchema, side: 'input' | 'output' = 'input'): JsonSchema {
  return schema['~standard'].jsonSchema[side]({
    target: 'draft-2020-12',
    libraryOptions: { unrepresentable: 'any' },
  })
}

/** JSON Schema of a plugin's options or of the configuration; undefined when its library cannot convert it. */
export function schemaOf(schema: unknown): JsonSchema | undefined {
  try {
    return jsonSchemaOf(schema as CommandSchema)
  } catch {
    return undefined
  }
}

const ARGUMENT = /^([<[])(.+?)(\.\.\.)?[>\]]$/
const OPTION = /--([a-z0-9-]+)/

function argumentOf(words: string): { readonly name: string; readonly needed: boolean; readonly isMany: boolean } {
  const [, bracket, name = words, dots] = ARGUMENT.exec(words) ?? []
  return { name, needed: bracket === '<', isMany: dots !== undefined }
}

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** For commands without a schema: strings and switches. */
function schemaOfWords({ arguments: words = [], options = {} }: Command): JsonSchema {
  const properties: Record<string, JsonSchema> = {}
  for (const { name, isMany } of words.map(argumentOf))
    properties[name] = isMany ? { type: 'array', items: { type: 'string' } } : { type: 'string' }
  for (const [flags, description] of Object.entries(options)) {
    const [, name = ''] = OPTION.exec(flags) ?? []
    properties[name] = { type: flags.includes('<') ? 'string' : 'boolean', description }
  }
  const required = words.map(argumentOf).flatMap(({ name, needed }) => (needed ? [name] : []))
  return { type: 'object', properties, required, additionalProperties: false }
}

const inputOf = (command: Command) => (command.fields ? jsonSchemaOf(command.fields) : schemaOfWords(command))

function fieldsOf(command: Command): readonly Field[] {
  const given = (command.arguments ?? []).map(argumentOf)
  const { properties = {} } = inputOf(command) as { properties?: Readonly<Record<string, { type?: string }>> }
  const options = Object.entries(properties).filter(([name]) => !given.some((one) => one.name === name))
  return [
    ...given.map(({ name, isMany }) => ({ name, isMany, type: properties[name]?.type ?? 'string' })),
    ...options.map(([name, { type = 'string' }]) => ({ name, option: kebab(name), isMany: type === 'array', type })),
  ]
}

/** Command-line flags with the description, choices and default of the schema. */
function optionsOf(command: Command): Readonly<Record<string, string>> {
  if (!command.fields) return command.options ?? {}
  const { properties = {} } = inputOf(command) as { properties?: Readonly<Record<string, JsonSchema>> }
  return Object.fromEntries(
    fieldsOf(command).flatMap(({ name, option, type }) => {
      if (option === undefined) return []
      const { description = '', enum: choices, default: otherwise } = properties[name] ?? {}
      const known = Array.isArray(choices) ? `one of ${choices.join(', ')}` : ''
      const preset = otherwise === undefined || type === 'boolean' ? '' : `default: ${String(otherwise)}`
      const sentence = [String(description), known, preset].filter((part) => part !== '').join('; ')
      return [[type === 'boolean' ? `--${option}` : `--${option} <${option}>`, sentence]]
    }),
  )
}

export function infoOf(words: string, command: Command): CommandInfo {
  const { summary, reads, writes, irreversible, row } = command
  return {
    words,
    summary,
    arguments: command.arguments ?? [],
    options: optionsOf(command),
    ...(reads ? { reads } : {}),
    ...(writes ? { writes } : {}),
    ...(irreversible ? { irreversible } : {}),
    input: inputOf(command),
    ...(row ? { row: jsonSchemaOf(row, 'output') } : {}),
  }
}

const refused = (why: string) => new IemsError('IEMS_CONTROL_REFUSED', { why })

/**
 * Converts a word of the command line to the type in the schema. Invalid numbers stay text, which the schema then
 * rejects.
 */
function typed({ type }: Field, word: string | true): unknown {
  if (word === true || type === 'boolean') return true
  if ((type === 'number' || type === 'integer') && /^-?\d+(\.\d+)?$/.test(word)) return Number(word)
  return type === 'array' ? word.split(',').map((part) => part.trim()) : word
}

function valuesOfWords(fields: readonly Field[], { arguments: given = [], options = {} }: CommandRun) {
  const values: Record<string, unknown> = {}
  const positions = fields.filter(({ option }) => option === undefined)
  for (const [at, field] of positions.entries()) {
    const word = given[at]
    if (field.isMany) values[field.name] = given.slice(at)
    else if (word !== undefined) values[field.name] = typed(field, word)
  }
  if (given.length > positions.length && !positions.at(-1)?.isMany) throw refused('Too many arguments')
  for (const [option, word] of Object.entries(options)) {
    const field = fields.find((one) => one.option === option)
    if (!field) throw refused(`There is no option --${option}`)
    values[field.name] = typed(field, word)
  }
  return values
}

/** Without a schema: required fields must be present, and values are strings, lists of strings, or switches. */
function checkWords(command: Command, fields: readonly Field[], values: Readonly<Record<string, unknown>>): void {
  for (const words of command.arguments ?? []) {
    const { name, needed, isMany } = argumentOf(words)
    const value = values[name]
    if (needed && (value === undefined || (isMany && (value as unknown[]).length === 0)))
      throw refused(`${name} is missing`)
  }
  for (const [name, value] of Object.entries(values)) {
    const field = fields.find((one) => one.name === name)
    if (!field) throw refused(`There is no field ${name}`)
    const isRight = field.isMany
      ? Array.isArray(value) && value.every((one) => typeof one === 'string')
      : typeof value === (field.type === 'boolean' ? 'boolean' : 'string')
    if (!isRight) throw refused(`${name} must be ${field.isMany ? 'a list of strings' : `a ${field.type}`}`)
  }
}

function wordsOf(fields: readonly Field[], values: Readonly<Record<string, unknown>>) {
  const positions = fields.filter(({ option }) => option === undefined)
  const given = positions.map(({ name }) => values[name])
  // Omitted arguments in the middle keep their position.
  while (given.length > 0 && [given.at(-1) ?? []].flat().length === 0) given.pop()
  const options = fields.flatMap(({ name, option }): [string, string | true][] => {
    const value = values[name]
    if (option === undefined || value === undefined || value === false) return []
    return [[option, value === true ? true : String(value)]]
  })
  return { arguments: given.flat().map((word) => String(word ?? '')), options: Object.fromEntries(options) }
}

/** Validates the call of a command. Throws IEMS_CONTROL_REFUSED with every fault. */
export async function callOf(command: Command, run: CommandRun, by: Caller): Promise<CommandCall> {
  const fields = fieldsOf(command)
  const values = run.values ?? valuesOfWords(fields, run)
  const nothing = (async function* () {})()
  const rest = { by, input: (command.reads && run.input) || nothing, signal: run.signal }
  if (!command.fields) {
    checkWords(command, fields, values)
    return { ...rest, values, ...wordsOf(fields, values) }
  }
  const result = await command.fields['~standard'].validate(values)
  if (!result.issues) return { ...rest, values: result.value, ...wordsOf(fields, values) }
  const faults = result.issues.map(({ path = [], message }) => {
    const [first] = path
    const name = typeof first === 'object' ? first.key : first
    return name === undefined ? message : `${String(name)}: ${message}`
  })
  throw refused(faults.join('; '))
}
