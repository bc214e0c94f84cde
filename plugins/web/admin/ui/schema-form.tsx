/**
 * A form made from a JSON Schema: text, numbers, switches, choices, lists, and JSON for what is deeper.
 */

import { type FormEvent, type ReactNode, useId, useState } from 'react'
import { fromServer } from '../../app/ui/from-server.ts'
import { t } from '../../app/ui/language.ts'
import { titleOf } from './titles.ts'

export interface Schema {
  readonly type?: string | readonly string[]
  readonly title?: string
  readonly description?: string
  readonly enum?: readonly unknown[]
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly format?: string
}
export type Values = Readonly<Record<string, unknown>>

const typeOf = ({ type, anyOf }: Schema): string => {
  const one = Array.isArray(type) ? type.find((each) => each !== 'null') : type
  return (one as string | undefined) ?? (anyOf?.[0] ? typeOf(anyOf[0]) : 'string')
}

/** The text of a field as a value; undefined leaves it out. Throws a sentence for what cannot be read. */
function readField(schema: Schema, text: string): unknown {
  const type = typeOf(schema)
  if (text === '') return undefined
  if (type === 'number' || type === 'integer') {
    const number = Number(text)
    if (Number.isNaN(number)) throw new Error(t('must be a number'))
    return number
  }
  if (type === 'array')
    return text
      .split(/\n/)
      .map((one) => one.trim())
      .filter(Boolean)
  if (type === 'object' || !['string', 'boolean'].includes(type)) {
    try {
      return JSON.parse(text)
    } catch {
      throw new Error(t('must be JSON'))
    }
  }
  return text
}

const textOf = (value: unknown): string => {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return value.map(String).join('\n')
  return typeof value === 'object' ? JSON.stringify(value, null, 2) : String(value)
}

export interface SchemaFormProps {
  readonly schema: Schema
  readonly values?: Values
  readonly action: string
  /** Fields in this order come first. */
  readonly order?: readonly string[]
  readonly isBusy?: boolean
  readonly isDanger?: boolean
  readonly error?: string | undefined
  readonly children?: ReactNode
  onSubmit(values: Values): void
}

export function SchemaForm({
  schema,
  values = {},
  action,
  order = [],
  isBusy,
  isDanger,
  error,
  children,
  onSubmit,
}: SchemaFormProps) {
  const id = useId()
  const properties = schema.properties ?? {}
  const names = [...new Set([...order.filter((name) => name in properties), ...Object.keys(properties)])]
  const [faults, setFaults] = useState<Readonly<Record<string, string>>>({})
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const read: Record<string, unknown> = {}
    const wrong: Record<string, string> = {}
    for (const name of names) {
      const property = properties[name] as Schema
      if (typeOf(property) === 'boolean') {
        const isOn = form.get(name) === 'on'
        if (isOn || property.default === true || values[name] === true) read[name] = isOn
        continue
      }
      try {
        const value = readField(property, String(form.get(name) ?? '').trim())
        if (value !== undefined) read[name] = value
        else if (schema.required?.includes(name) && property.default === undefined) wrong[name] = t('is needed')
      } catch (cause) {
        wrong[name] = (cause as Error).message
      }
    }
    setFaults(wrong)
    if (Object.keys(wrong).length === 0) onSubmit(read)
  }
  return (
    <form className="sform" onSubmit={submit} noValidate>
      {names.map((name) => (
        <Field
          key={name}
          id={`${id}-${name}`}
          name={name}
          schema={properties[name] as Schema}
          value={values[name] ?? properties[name]?.default}
          isNeeded={schema.required?.includes(name) === true && properties[name]?.default === undefined}
          fault={faults[name]}
        />
      ))}
      {children}
      {error ? (
        <p className="note bad" role="alert">
          {error}
        </p>
      ) : null}
      <div className="row">
        <button type="submit" className={isDanger ? 'btn danger' : 'btn main'} disabled={isBusy}>
          {action}
        </button>
      </div>
    </form>
  )
}

interface FieldProps {
  readonly id: string
  readonly name: string
  readonly schema: Schema
  readonly value: unknown
  readonly isNeeded: boolean
  readonly fault: string | undefined
}

function Field({ id, name, schema, value, isNeeded, fault }: FieldProps) {
  const type = typeOf(schema)
  const title = fromServer(schema.title ?? titleOf(name))
  const hint = schema.description && fromServer(schema.description)
  const described = [hint ? `${id}-hint` : '', fault ? `${id}-fault` : ''].filter(Boolean).join(' ') || undefined
  const common = { id, name, 'aria-describedby': described, 'aria-invalid': fault ? true : undefined } as const
  if (type === 'boolean')
    return (
      <div className="field check">
        <label htmlFor={id} className="row">
          <input {...common} type="checkbox" className="cb" defaultChecked={value === true} />
          {title}
        </label>
        {hint ? (
          <span className="hint" id={`${id}-hint`}>
            {hint}
          </span>
        ) : null}
      </div>
    )
  const isLong = type === 'array' || type === 'object'
  return (
    <div className={fault ? 'field err' : 'field'}>
      <label htmlFor={id}>
        {title}
        {isNeeded ? '' : <span className="t3"> {t('(optional)')}</span>}
      </label>
      {schema.enum ? (
        <select {...common} defaultValue={textOf(value)}>
          {isNeeded ? null : <option value="">–</option>}
          {schema.enum.map((one) => (
            <option key={String(one)} value={String(one)}>
              {fromServer(String(one))}
            </option>
          ))}
        </select>
      ) : isLong ? (
        <textarea {...common} rows={3} defaultValue={textOf(value)} spellCheck={false} />
      ) : (
        <input
          {...common}
          type={/password|secret/i.test(name) ? 'password' : 'text'}
          inputMode={type === 'number' || type === 'integer' ? 'decimal' : undefined}
          autoComplete="off"
          spellCheck={false}
          defaultValue={textOf(value)}
        />
      )}
      {hint ? (
        <span className="hint" id={`${id}-hint`}>
          {hint}
          {type === 'array' ? ` ${t('One on each line.')}` : ''}
        </span>
      ) : null}
      {fault ? (
        <span className="msg" id={`${id}-fault`} role="alert">
          {title} {fault}.
        </span>
      ) : null}
    </div>
  )
}
