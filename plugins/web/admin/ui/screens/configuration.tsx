/**
 * The configuration as it runs: each value with its default and its sentence; and the check of a pasted one.
 */

import { useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import { api } from '../api.ts'
import { Copy, Failed, Ghost, Head, SearchField, Segments, Station } from '../parts.tsx'
import type { Schema } from '../schema-form.tsx'
import { useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'

interface View {
  readonly path: string
  readonly values: Readonly<Record<string, unknown>>
  readonly schema: Schema
  readonly plugins: readonly {
    readonly name: string
    readonly plugin: string
    readonly place: 'channel' | 'plugin'
    readonly options: unknown
    readonly schema?: Schema
  }[]
}
interface Option {
  readonly path: string
  readonly value: unknown
  readonly usual: unknown
  readonly sentence: string
}

const MAX_DEPTH = 4
const isGroup = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const shown = (value: unknown): string =>
  value === undefined ? '–' : typeof value === 'string' ? value : JSON.stringify(value)

/** The options with their values, in the order of the schema. */
function optionsOf(value: unknown, schema: Schema | undefined, path = '', depth = 0): Option[] {
  const properties = schema?.properties ?? {}
  const given = isGroup(value) ? value : {}
  return [...new Set([...Object.keys(properties), ...Object.keys(given)])].flatMap((name) => {
    const own = properties[name]
    const at = path ? `${path}.${name}` : name
    const inner = given[name]
    if (own?.properties && depth < MAX_DEPTH && (inner === undefined || isGroup(inner)))
      return optionsOf(inner, own, at, depth + 1)
    return [{ path: at, value: inner, usual: own?.default, sentence: own?.description ?? '' }]
  })
}

/** The value as a line of the configuration. */
function codeOf({ path, value }: Option): string {
  const parts = path.split('.')
  return `${parts.map((part) => `${/^\w+$/.test(part) ? part : JSON.stringify(part)}: `).join('{ ')}${JSON.stringify(value)}${' }'.repeat(parts.length - 1)}`
}

export function Configuration() {
  const { me } = useShell()
  const [part, setPart] = useState<'shown' | 'check'>('shown')
  const [search, setSearch] = useState('')
  const [onlyChanged, setOnlyChanged] = useState(false)
  const view = useApi<View>('/api/v1/configuration')
  if (view.error) return <Failed error={view.error} onRetry={view.reload} />
  if (!view.data) return <Ghost />
  const groups = [
    {
      name: t('Server'),
      options: optionsOf(view.data.values, view.data.schema).filter(
        ({ path }) => !['channels', 'plugins', 'path'].includes(path),
      ),
    },
    ...view.data.plugins.map(({ name, plugin, options, schema }) => ({
      name: name === plugin ? name : `${name} (${plugin})`,
      options: optionsOf(options, schema),
    })),
  ]
  const words = search.toLowerCase()
  return (
    <>
      <Head title={t('Configuration')} note={view.data.path}>
        {part === 'shown' ? <SearchField label={t('Option')} value={search} onChange={setSearch} /> : null}
      </Head>
      <div className="subhead row">
        <Segments
          label={t('Part')}
          value={part}
          options={[
            ['shown', t('What runs')],
            ...(me.features.includes('configuration-check') ? ([['check', t('Check a change')]] as const) : []),
          ]}
          onChange={setPart}
        />
        {part === 'shown' ? (
          <label className="row">
            <input
              type="checkbox"
              className="cb"
              checked={onlyChanged}
              onChange={({ target }) => setOnlyChanged(target.checked)}
            />
            {t('Only what is not the default')}
          </label>
        ) : null}
      </div>
      {part === 'check' ? (
        <Check />
      ) : (
        <div className="sec full">
          {groups.map(({ name, options }) => {
            const fitting = options.filter(
              (one) =>
                `${name} ${one.path} ${one.sentence}`.toLowerCase().includes(words) &&
                (!onlyChanged || (one.value !== undefined && JSON.stringify(one.value) !== JSON.stringify(one.usual))),
            )
            if (fitting.length === 0) return null
            return (
              <section key={name} aria-label={name} className="conf">
                <h2>{name}</h2>
                <dl>
                  {fitting.map((one) => (
                    <div key={one.path}>
                      <dt>
                        <code>{one.path}</code>
                      </dt>
                      <dd>
                        <code className="val">{shown(one.value)}</code>
                        <span className="t3 sm">
                          {one.usual === undefined
                            ? ''
                            : JSON.stringify(one.usual) === JSON.stringify(one.value)
                              ? t('the default')
                              : t('default {{value}}', { value: shown(one.usual) })}
                        </span>
                        {one.sentence ? <p className="t2">{one.sentence}</p> : null}
                        {one.value === undefined || JSON.stringify(one.value).includes('[secret]') ? null : (
                          <Copy text={codeOf(one)} label={t('Copy as code')} />
                        )}
                      </dd>
                    </div>
                  ))}
                </dl>
              </section>
            )
          })}
        </div>
      )}
    </>
  )
}

interface Checked {
  readonly isValid: boolean
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
  readonly changes: readonly {
    readonly name: string
    readonly what: 'added' | 'removed' | 'changed' | 'restart'
    readonly note: string
  }[]
}

function Check() {
  const { say } = useShell()
  const [text, setText] = useState('')
  const [isBusy, setIsBusy] = useState(false)
  const [checked, setChecked] = useState<Checked>()
  const check = async () => {
    setIsBusy(true)
    setChecked(undefined)
    try {
      setChecked(await api<Checked>('POST', '/api/v1/configuration/check', { text }))
    } catch (cause) {
      say((cause as Error).message, true)
    }
    setIsBusy(false)
  }
  return (
    <div className="sec full">
      <p className="t2">
        {t('Paste the whole of the changed file. It is checked as by `iems check`; nothing is put into effect.')}
      </p>
      <div className="field">
        <label htmlFor="config-text">{t('Configuration')}</label>
        <textarea
          id="config-text"
          className="mono"
          rows={14}
          spellCheck={false}
          value={text}
          onChange={({ target }) => setText(target.value)}
        />
      </div>
      <p className="row">
        <button type="button" className="btn main" disabled={isBusy || text.trim() === ''} onClick={() => void check()}>
          {t('Check')}
        </button>
        {isBusy ? <span role="status">{t('The check runs…')}</span> : null}
      </p>
      {checked ? (
        <section aria-label={t('Result')} role="status">
          <h2>
            <Station mark={checked.isValid ? 'good' : 'no'}>
              {checked.isValid ? t('It is valid.') : t('It cannot be used.')}
            </Station>
          </h2>
          {checked.problems.map((problem) => (
            <p key={problem} className="note bad">
              {problem}
            </p>
          ))}
          {checked.warnings.map((warning) => (
            <p key={warning} className="note warn">
              {warning}
            </p>
          ))}
          {checked.isValid ? (
            <>
              <h3>{t('What a reload would do')}</h3>
              <ul className="rc">
                {checked.changes.length === 0 ? (
                  <li className="t2">{t('Nothing: it is what runs. Secrets are not compared.')}</li>
                ) : null}
                {checked.changes.map(({ name, what, note }) => (
                  <li key={`${name} ${what}`}>
                    <span className="tag">{what === 'restart' ? t('needs a restart') : what}</span>
                    <span className="b">{name}</span>
                    <span className="t2">{note}</span>
                  </li>
                ))}
              </ul>
            </>
          ) : null}
        </section>
      ) : null}
    </div>
  )
}
