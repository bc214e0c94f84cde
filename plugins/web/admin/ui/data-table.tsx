/**
 * A table of any length: the server has the rows, and those in sight are asked for page by page.
 *
 * Built on the kit's windowed list, so that the keyboard works in the same way everywhere: arrows move, Enter opens,
 * Space selects.
 */

import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { WindowedList } from '../../app/ui/windowed-list.tsx'
import { api, query } from './api.ts'
import { count, moment } from './format.ts'
import { Empty, Failed, Ghost } from './parts.tsx'

export interface Column<Row> {
  readonly id: string
  readonly title: string
  /** CSS grid track. Default: `minmax(0, 1fr)`. */
  readonly width?: string
  readonly isNumber?: boolean
  /** Left out on narrow screens. */
  readonly isWide?: boolean
  readonly sorts?: boolean
  show(row: Row): ReactNode
  /** The words of the sentence that a screen reader reads. Default: what is shown, when it is text. */
  say?(row: Row): string
}

/** The column with the time of an entry's last change. */
export const MODIFIED: Column<{ readonly modified: number }> = {
  id: 'modified',
  title: t('Changed'),
  width: '108px',
  isNumber: true,
  isWide: true,
  sorts: true,
  show: ({ modified }) => moment(modified),
}

export interface DataTableProps<Row extends { readonly id: string }> {
  readonly label: string
  readonly path: string
  readonly filter: Readonly<Record<string, string | undefined>>
  /** The rows in an answer. */
  // biome-ignore lint/suspicious/noExplicitAny: each path has its own shape of answer
  readonly rowsOf: (answer: any) => readonly Row[]
  readonly columns: readonly Column<Row>[]
  readonly sort?: string
  readonly opened?: string | undefined
  readonly empty: { readonly title: string; readonly text: string; readonly action?: ReactNode }
  /** Reads everything again when it changes. */
  readonly version?: number
  onOpen?(row: Row): void
  /** The buttons for the selected rows. `ids` is undefined when all that fit are selected. */
  actions?(selection: { readonly count: number; readonly ids?: readonly string[]; clear(): void }): ReactNode
  onTotal?(total: number): void
}

const PAGE = 100

interface Page<Row> {
  readonly rows: readonly (Row | undefined)[]
  readonly total: number
  readonly isLoaded: boolean
  readonly error?: Error
}

/** Rows by page, asked for when they come into sight. */
function useRows<Row>(
  { path, rowsOf }: { readonly path: string; readonly rowsOf: (answer: never) => readonly Row[] },
  asked: string,
  version: number,
) {
  const [state, setState] = useState<Page<Row>>({ rows: [], total: 0, isLoaded: false })
  const pages = useRef(new Map<number, 'asked'>())
  /** Pages in sight, which are read again with the first. */
  const sight = useRef<readonly number[]>([0])
  const generation = useRef(0)
  const load = useCallback(
    async (page: number) => {
      if (pages.current.has(page)) return
      pages.current.set(page, 'asked')
      const mine = generation.current
      try {
        const joint = asked === '' ? '?' : `${asked}&`
        const answer = await api<{ total?: number; next?: number }>(
          'GET',
          `${path}${joint}offset=${page * PAGE}&limit=${PAGE}`,
        )
        if (mine !== generation.current) return
        const got = rowsOf(answer as never)
        setState((last) => {
          const known = page * PAGE + got.length
          const total = answer.total ?? Math.max(last.isLoaded ? last.total : 0, known + (answer.next ? 1 : 0))
          const rows = last.rows.slice(0, total)
          rows.length = total
          for (const [index, row] of got.entries()) rows[page * PAGE + index] = row
          return { rows, total, isLoaded: true }
        })
      } catch (error) {
        pages.current.delete(page)
        if (mine === generation.current) setState((last) => ({ ...last, error: error as Error }))
      }
    },
    [asked, path, rowsOf],
  )
  useEffect(() => {
    void version
    generation.current++
    pages.current.clear()
    for (const page of new Set([0, ...sight.current])) void load(page)
  }, [load, version])
  const see = useCallback(
    (first: number, last: number) => {
      const [from, to] = [Math.floor(first / PAGE), Math.floor(last / PAGE)]
      sight.current = Array.from({ length: to - from + 1 }, (_, index) => from + index)
      for (const page of sight.current) void load(page)
    },
    [load],
  )
  return { ...state, load, see }
}

export function DataTable<Row extends { readonly id: string }>(props: DataTableProps<Row>) {
  const { label, path, filter, rowsOf, columns, opened, empty, version = 0, onOpen, actions, onTotal } = props
  const [sort, setSort] = useState({ by: props.sort ?? '', descending: false })
  const asked = query({ ...filter, ...(sort.by ? { sort: sort.by, descending: sort.descending } : {}) })
  const { rows, total, isLoaded, error, load, see } = useRows<Row>({ path, rowsOf }, asked, version)
  const [active, setActive] = useState(-1)
  const [selected, setSelected] = useState<ReadonlySet<string> | 'all'>(new Set())
  useEffect(() => {
    void asked
    setSelected(new Set())
    setActive(-1)
  }, [asked])
  useEffect(() => {
    if (isLoaded) onTotal?.(total)
  }, [isLoaded, total, onTotal])
  const tracks = useMemo(
    () => `${actions ? '24px ' : ''}${columns.map(({ width }) => width ?? 'minmax(0, 1fr)').join(' ')}`,
    [columns, actions],
  )
  const narrow = `${actions ? '24px ' : ''}${columns
    .filter(({ isWide }) => !isWide)
    .map(({ width }) => width ?? 'minmax(0, 1fr)')
    .join(' ')}`
  const isPicked = (id: string) => selected === 'all' || selected.has(id)
  const toggle = (index: number) => {
    const row = rows[index]
    if (!row || !actions) return
    const next = new Set(selected === 'all' ? rows.flatMap((one) => (one ? [one.id] : [])) : selected)
    if (!next.delete(row.id)) next.add(row.id)
    setSelected(next)
  }
  const number = selected === 'all' ? total : selected.size
  const clear = () => setSelected(new Set())
  if (error && !isLoaded) return <Failed error={error} onRetry={() => void load(0)} />
  if (!isLoaded) return <Ghost rows={10} />
  if (total === 0)
    return (
      <Empty title={empty.title} text={empty.text}>
        {empty.action}
      </Empty>
    )
  return (
    <div className="dt" style={{ '--tracks': tracks, '--narrow': narrow } as React.CSSProperties}>
      <div className="dt-head">
        {actions ? (
          <input
            type="checkbox"
            className={number > 0 && number < total ? 'cb mixed' : 'cb'}
            aria-label={number > 0 ? t('Clear the selection') : t('Select all')}
            checked={number === total}
            onChange={() => setSelected(number > 0 ? new Set() : 'all')}
          />
        ) : null}
        {columns.map(({ id, title, isNumber, isWide, sorts }) => {
          const className = `${isNumber ? 'num' : ''}${isWide ? ' wide' : ''}`
          if (!sorts)
            return (
              <span key={id} className={className}>
                {title}
              </span>
            )
          const isBy = sort.by === id
          return (
            <button
              key={id}
              type="button"
              className={`${className} sort`}
              aria-pressed={isBy}
              title={
                isBy && !sort.descending ? t('{{title}}, descending', { title }) : t('Order by {{title}}', { title })
              }
              onClick={() => setSort({ by: id, descending: isBy && !sort.descending })}
            >
              {title}
              {isBy ? <Icon name={sort.descending ? 'down' : 'up'} small /> : null}
            </button>
          )
        })}
      </div>
      <WindowedList
        label={label}
        count={total}
        active={active}
        onSee={see}
        onActivate={setActive}
        onToggle={toggle}
        onOpen={(index) => {
          const row = rows[index]
          setActive(index)
          if (row) onOpen?.(row)
        }}
        row={(index) => {
          const row = rows[index]
          if (!row)
            return { label: t('Loading'), content: <span className="ghost" />, className: 'dr', isSelected: false }
          const picked = isPicked(row.id)
          return {
            label: columns
              .map(({ title, show, say }) => {
                const shown = say ? say(row) : show(row)
                return typeof shown === 'string' && shown !== '' ? `${title} ${shown}` : ''
              })
              .filter(Boolean)
              .join(', '),
            className: `dr${row.id === opened ? ' opened' : ''}${picked ? ' picked' : ''}`,
            isSelected: picked,
            content: (
              <>
                {actions ? (
                  <span
                    className="sel"
                    onClick={(event) => {
                      event.stopPropagation()
                      toggle(index)
                    }}
                  >
                    <span className={picked ? 'cb on' : 'cb'} />
                  </span>
                ) : null}
                {columns.map(({ id, isNumber, isWide, show }) => (
                  <span key={id} className={`cut${isNumber ? ' num' : ''}${isWide ? ' wide' : ''}`}>
                    {show(row)}
                  </span>
                ))}
              </>
            ),
          }
        }}
      />
      {number > 0 && actions ? (
        <div className="bulk" role="toolbar" aria-label={t('{{number}} selected', { number: count(number) })}>
          <span className="b">{t('{{number}} selected', { number: count(number) })}</span>
          {selected !== 'all' && total > number ? (
            <button type="button" className="btn link" onClick={() => setSelected('all')}>
              {t('All {{number}}', { number: count(total) })}
            </button>
          ) : null}
          <span className="sep" />
          {actions({ count: number, clear, ...(selected === 'all' ? {} : { ids: [...selected] }) })}
          <button type="button" className="ib" aria-label={t('Clear the selection')} onClick={clear}>
            <Icon name="x" />
          </button>
        </div>
      ) : null}
    </div>
  )
}
