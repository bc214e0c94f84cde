/**
 * A table page of a plugin: its filter, its rows page by page, their texts, and its actions for the selected ones.
 */
import { useCallback, useEffect, useState } from 'react'
import { Dialog } from '../../../app/ui/dialog.tsx'
import { fromServer } from '../../../app/ui/from-server.ts'
import { t } from '../../../app/ui/language.ts'
import { api, query } from '../api.ts'
import { count, plural } from '../format.ts'
import { Empty, Failed, Ghost, Scroller } from '../parts.tsx'
import type { Page } from '../places.ts'
import { SchemaForm, type Values } from '../schema-form.tsx'
import { useShell } from '../shell.ts'
import { titleOf } from '../titles.ts'
import { useApi } from '../use-api.ts'

type Row = Readonly<Record<string, unknown>> & { readonly id: string }
interface Rows {
  readonly rows: readonly Row[]
  readonly next?: string
  readonly total?: number
}
type Action = NonNullable<Page['actions']>[number]

/** Rows of one action at most, as the server takes them. */
const MAX_SELECTED = 10_000
const shown = (value: unknown): string =>
  value === null || value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value)

/** Rows that fit the filter: the first page, and further ones when they are asked for. */
function useRows(path: string, filter: Values) {
  const [rows, setRows] = useState<Rows>()
  const [error, setError] = useState<Error>()
  const load = useCallback(
    async (known?: Rows): Promise<Rows | undefined> => {
      try {
        const cursor = known?.next
        const got = await api<Rows>('POST', `${path}/rows`, { filter, ...(cursor ? { cursor } : {}) })
        const all = known ? { ...got, rows: [...known.rows, ...got.rows] } : got
        setError(undefined)
        setRows(all)
        return all
      } catch (cause) {
        setError(cause as Error)
        return undefined
      }
    },
    [path, filter],
  )
  useEffect(() => void load(), [load])
  return { rows, error, load }
}

export function TablePage({ page }: { readonly page: Page }) {
  const { run, sure } = useShell()
  const [filter, setFilter] = useState<Values>({})
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const [opened, setOpened] = useState<string>()
  const path = `/api/v1/pages/${page.id}`
  const { rows, error, load } = useRows(path, filter)
  const act = async (action: Action, ids: readonly string[]) => {
    const text = `${action.title}: ${count(ids.length)}`
    const question = { title: `${text}?`, text: t('This cannot be undone.'), action: action.title }
    if (action.irreversible && !(await sure(question))) return
    setSelected(new Set())
    setOpened(undefined)
    run({ title: text, path: `${path}/actions/${action.id}`, body: { ids }, onEnd: () => void load() })
  }
  /** All that fit the filter, also those that were not read yet. */
  const selectAll = async () => {
    let all = rows
    while (all?.next && all.rows.length < MAX_SELECTED) all = await load(all)
    setSelected(new Set(all?.rows.slice(0, MAX_SELECTED).map(({ id }) => id)))
  }
  if (error && !rows) return <Failed error={error} onRetry={() => void load()} />
  return (
    <div className="sec full">
      {page.filter ? <SchemaForm schema={page.filter} action={t('Filter')} onSubmit={setFilter} /> : null}
      {error ? <p className="note bad">{error.message}</p> : null}
      {!rows ? (
        <Ghost />
      ) : rows.rows.length === 0 ? (
        <Empty title={t('Nothing here')} text={t('No row fits.')} />
      ) : (
        <Scroller label={page.title}>
          <RowTable
            page={page}
            rows={rows.rows}
            selected={selected}
            onSelect={setSelected}
            onSelectAll={() => void selectAll()}
            onOpen={setOpened}
          />
        </Scroller>
      )}
      <div className="row">
        {rows?.next ? (
          <button type="button" className="btn" onClick={() => void load(rows)}>
            {t('More')}
          </button>
        ) : null}
        {rows?.total === undefined ? null : (
          <span className="t3">{t('{{number}} in all', { number: count(rows.total) })}</span>
        )}
        {selected.size > 0 ? (
          <>
            <span className="t3">{plural(selected.size, '{{number}} selected', '{{number}} selected')}</span>
            <Actions page={page} onAct={(action) => void act(action, [...selected])} />
          </>
        ) : null}
      </div>
      {opened === undefined ? null : (
        <Preview page={page} id={opened} onClose={() => setOpened(undefined)}>
          <Actions page={page} onAct={(action) => void act(action, [opened])} />
        </Preview>
      )}
    </div>
  )
}

const Actions = ({ page, onAct }: { readonly page: Page; onAct(action: Action): void }) =>
  page.actions?.map((action) => (
    <button
      key={action.id}
      type="button"
      className={action.irreversible ? 'btn plain bad' : 'btn'}
      onClick={() => onAct(action)}
    >
      {action.title}
    </button>
  ))

interface RowTableProps {
  readonly page: Page
  readonly rows: readonly Row[]
  readonly selected: ReadonlySet<string>
  onSelect(ids: ReadonlySet<string>): void
  onSelectAll(): void
  onOpen(id: string): void
}

function RowTable({ page, rows, selected, onSelect, onSelectAll, onOpen }: RowTableProps) {
  const columns = Object.entries(page.row?.properties ?? {}).filter(([name]) => name !== 'id')
  const hasActions = (page.actions?.length ?? 0) > 0
  const toggle = (id: string) => {
    const next = new Set(selected)
    if (!next.delete(id)) next.add(id)
    onSelect(next)
  }
  return (
    <table className="tbl">
      <thead>
        <tr>
          {hasActions ? (
            <th scope="col">
              <input
                type="checkbox"
                className={selected.size > 0 && selected.size < rows.length ? 'cb mixed' : 'cb'}
                aria-label={selected.size > 0 ? t('Clear the selection') : t('Select all')}
                checked={selected.size >= rows.length}
                onChange={() => (selected.size > 0 ? onSelect(new Set()) : onSelectAll())}
              />
            </th>
          ) : null}
          {columns.map(([name, schema]) => (
            <th key={name} scope="col" className={/number|integer/.test(String(schema.type)) ? 'num' : ''}>
              {schema.description ?? fromServer(titleOf(name))}
            </th>
          ))}
          {page.hasPreview ? (
            <th scope="col">
              <span className="sr">{t('Text')}</span>
            </th>
          ) : null}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id} aria-selected={selected.has(row.id)}>
            {hasActions ? (
              <td>
                <input
                  type="checkbox"
                  className="cb"
                  aria-label={t('Select {{id}}', { id: row.id })}
                  checked={selected.has(row.id)}
                  onChange={() => toggle(row.id)}
                />
              </td>
            ) : null}
            {columns.map(([name]) => (
              <td key={name} className={typeof row[name] === 'number' ? 'num' : ''}>
                {shown(row[name])}
              </td>
            ))}
            {page.hasPreview ? (
              <td className="num">
                <button type="button" className="btn small" onClick={() => onOpen(row.id)}>
                  {t('Look')}
                  <span className="sr"> {row.id}</span>
                </button>
              </td>
            ) : null}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

interface PreviewProps {
  readonly page: Page
  readonly id: string
  readonly children: React.ReactNode
  onClose(): void
}

/** The text verbatim: nothing of it is interpreted. */
function Preview({ page, id, children, onClose }: PreviewProps) {
  const preview = useApi<{ text: string }>(`/api/v1/pages/${page.id}/preview${query({ row: id })}`)
  return (
    <Dialog title={page.title} className="dialog large" onClose={onClose}>
      {preview.error ? <p className="note bad">{preview.error.message}</p> : null}
      {preview.data ? (
        <pre className="said source" tabIndex={0} role="region" aria-label={t('Text')}>
          {preview.data.text}
        </pre>
      ) : preview.error ? null : (
        <Ghost rows={6} />
      )}
      <p className="t3 sm">{t('The source, of which nothing is run or loaded. That you looked is in the history.')}</p>
      <footer>
        <button type="button" className="btn plain" onClick={onClose}>
          {t('Close')}
        </button>
        {children}
      </footer>
    </Dialog>
  )
}
