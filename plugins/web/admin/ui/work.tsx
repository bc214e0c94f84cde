/**
 * Long work under way: progress with time left, a line for each fault, its output as lines or a table, a file to save,
 * and a way to cancel it.
 */

import { useCallback, useEffect, useRef, useState } from 'react'
import { IconButton } from '../../app/ui/button.tsx'
import { t } from '../../app/ui/language.ts'
import { api, beginTask, followTask, type Line, stream, taskPath } from './api.ts'
import { count, plural, span } from './format.ts'
import { Scroller } from './parts.tsx'
import type { Job, TaskSource } from './shell.ts'

const MAX_SHOWN = 1000

export interface Work {
  readonly lines: readonly Exclude<Line, { progress: string } | { bytes: string } | { end: string }>[]
  readonly progress?: Extract<Line, { progress: string }>
  readonly file: readonly Uint8Array[]
  readonly state: 'idle' | 'running' | 'done' | 'failed' | 'cancelled'
  /** The server has said so. */
  readonly isEnded?: boolean
  readonly why?: string
  readonly faults: number
  readonly since: number
}

const NOTHING: Work = { lines: [], file: [], state: 'idle', faults: 0, since: 0 }

/** Gathers what work says; lines beyond the newest thousand are counted and dropped. */
function useLines() {
  const [work, setWork] = useState<Work>(NOTHING)
  const abort = useRef<AbortController>(undefined)
  const gather = useCallback(
    async (open: (signal: AbortSignal) => AsyncIterable<Line>, onEnd?: (lines: readonly Line[]) => void) => {
      abort.current?.abort()
      const own = new AbortController()
      abort.current = own
      let now: Work = { ...NOTHING, state: 'running', since: Date.now() }
      setWork(now)
      let shown = Date.now()
      try {
        for await (const line of open(own.signal)) {
          now = taken(now, line)
          // A picture a frame is enough; thousands of lines are not drawn one by one.
          if (Date.now() - shown < 50) continue
          shown = Date.now()
          setWork(now)
        }
        if (now.state === 'running') now = { ...now, state: 'done' }
      } catch (cause) {
        now = own.signal.aborted
          ? { ...now, state: 'cancelled' }
          : { ...now, state: 'failed', why: (cause as Error).message }
      }
      if (abort.current === own) setWork(now)
      onEnd?.(now.lines)
      return now
    },
    [],
  )
  return { work, gather, abort }
}

/** Work that ends with its page. */
export function useWork() {
  const { work, gather, abort } = useLines()
  const start = useCallback(
    (path: string, body: unknown, onEnd?: (lines: readonly Line[]) => void) =>
      gather((signal) => stream(path, body, signal), onEnd),
    [gather],
  )
  const cancel = useCallback(() => abort.current?.abort(), [abort])
  return { work, start, cancel }
}

/** Work of the server, which goes on without the page and is found again. `onLeave`: the part that shows it closes. */
export function useTask(onLeave?: (task: string) => void) {
  const { work, gather, abort } = useLines()
  const task = useRef<string>(undefined)
  const start = useCallback(
    async (from: TaskSource, onEnd?: (lines: readonly Line[]) => void) => {
      const ended = await gather(async function* (signal) {
        task.current = 'task' in from ? from.task : await beginTask(from.path, from.body, from.title)
        yield* followTask(task.current, signal)
      }, onEnd)
      return ended.isEnded
    },
    [gather],
  )
  /** Cancels it; once it has ended, forgets it. */
  const end = useCallback(() => {
    if (task.current !== undefined) void api('DELETE', taskPath(task.current)).catch(() => undefined)
  }, [])
  const leave = useRef(onLeave)
  leave.current = onLeave
  const isRunning = useRef(false)
  isRunning.current = work.state === 'running'
  useEffect(
    () => () => {
      if (!isRunning.current || task.current === undefined || !leave.current) return
      leave.current(task.current)
      abort.current?.abort()
    },
    [abort],
  )
  return { work, start, end }
}

function taken(work: Work, line: Line): Work {
  if ('progress' in line) return { ...work, progress: line }
  if ('bytes' in line)
    return { ...work, file: [...work.file, Uint8Array.from(atob(line.bytes), (one) => one.charCodeAt(0))] }
  if ('end' in line)
    return { ...work, isEnded: true, state: line.end, ...(line.why === undefined ? {} : { why: line.why }) }
  const lines = work.lines.length >= MAX_SHOWN ? work.lines.slice(-MAX_SHOWN + 1) : work.lines
  return { ...work, lines: [...lines, line], faults: work.faults + ('fault' in line ? 1 : 0) }
}

/** Numbers are written as the language has them; other progress in the words of the server. */
const progressOf = ({
  progress,
  done,
  total,
}: {
  readonly progress: string
  readonly done?: number
  readonly total?: number
}) =>
  done !== undefined && total !== undefined && progress === `${done} of ${total}`
    ? t('{{done}} of {{total}}', { done: count(done), total: count(total) })
    : progress

const WORDS = {
  idle: '',
  running: t('Under way'),
  done: t('Done'),
  failed: t('Failed'),
  cancelled: t('Cancelled'),
} as const

export function WorkView({ work, name, onCancel }: { readonly work: Work; readonly name: string; onCancel(): void }) {
  const { lines, progress, state, why, since } = work
  if (state === 'idle') return null
  const values = lines.flatMap((line) => ('value' in line && isRow(line.value) ? [line.value] : []))
  const share = progress?.total ? (progress.done ?? 0) / progress.total : undefined
  const left = share && share > 0.02 ? ((Date.now() - since) / share) * (1 - share) : undefined
  return (
    <section className="work" aria-label={name}>
      <div className="row" role="status">
        <span className={state === 'failed' ? 'b bad' : 'b'}>{WORDS[state]}</span>
        {state === 'running' && progress ? <span className="t2">{progressOf(progress)}</span> : null}
        {state === 'running' && left !== undefined ? (
          <span className="t3">{t('{{time}} left', { time: span(left) })}</span>
        ) : null}
        {work.faults > 0 ? (
          <span className="bad">{plural(work.faults, '{{number}} fault', '{{number}} faults')}</span>
        ) : null}
        <span className="grow" />
        {state === 'running' ? (
          <button type="button" className="btn small" onClick={onCancel}>
            {t('Cancel')}
          </button>
        ) : null}
        {work.file.length > 0 && state === 'done' ? <Save file={work.file} name={name} /> : null}
      </div>
      {state === 'running' ? (
        <span className={share === undefined ? 'meter run wait' : 'meter run'} aria-hidden="true">
          <i style={{ '--v': `${Math.round((share ?? 0.3) * 100)}%` } as React.CSSProperties} />
        </span>
      ) : null}
      {why ? (
        <p className="note bad" role="alert">
          {why}
        </p>
      ) : null}
      {values.length > 1 ? (
        <>
          <ValueTable rows={values} name={name} />
          <p className="t2">{lastText(lines)}</p>
        </>
      ) : (
        <Lines lines={lines} name={name} />
      )}
    </section>
  )
}

/** The last line, which is the sum of the work. */
function lastText(lines: Work['lines']): string {
  const last = lines.at(-1)
  return last && 'text' in last ? last.text : ''
}

const isRow = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const Lines = ({ lines, name }: { readonly lines: Work['lines']; readonly name: string }) =>
  lines.length === 0 ? null : (
    <pre className="said" tabIndex={0} role="region" aria-label={t('Output of {{name}}', { name })}>
      {lines.map((line) => ('fault' in line ? `${line.at ?? ''}: ${line.fault}` : line.text)).join('\n')}
    </pre>
  )

/** Names of values that every list of faults has; others are shown as the command names them. */
const COLUMNS: Readonly<Record<string, string>> = { line: t('Line'), fault: t('Fault'), why: t('Reason') }

const shownValue = (value: unknown): string => {
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function ValueTable({
  rows,
  name,
}: {
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  readonly name: string
}) {
  const columns = Object.keys(rows[0] ?? {}).slice(0, 8)
  // The sum at the end has other fields, and is shown as its text.
  const alike = rows.filter((row) => columns.some((column) => column in row))
  return (
    <Scroller label={t('Output of {{name}}', { name })}>
      <table className="tbl">
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column}>{COLUMNS[column] ?? column}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {alike.map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: output has no other names
            <tr key={index}>
              {columns.map((column) => (
                <td key={column} className={typeof row[column] === 'number' ? 'num' : ''}>
                  <span className="cut cell-value">{shownValue(row[column])}</span>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroller>
  )
}

function Save({ file, name }: { readonly file: readonly Uint8Array[]; readonly name: string }) {
  const save = () => {
    const link = document.createElement('a')
    link.href = URL.createObjectURL(new Blob(file as Uint8Array<ArrayBuffer>[]))
    link.download = name.replace(/\W+/g, '-')
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
  }
  return (
    <button type="button" className="btn small" onClick={save}>
      {t('Save the file')}
    </button>
  )
}

/** The work of the shell: it goes on while the person is on another screen, or has closed the page. */
export function JobBox({ job, onClose }: { readonly job: Job; onClose(): void }) {
  const { work, start, end } = useTask()
  const started = useRef(false)
  useEffect(() => {
    if (started.current) return
    started.current = true
    void start(job, job.onEnd)
  }, [job, start])
  const close = () => {
    end()
    onClose()
  }
  return (
    <aside className="job" aria-label={job.title}>
      <div className="row">
        <h2 className="grow">{job.title}</h2>
        {work.state === 'running' ? null : <IconButton icon="x" small label={t('Close')} onClick={close} />}
      </div>
      <WorkView work={work} name={job.title} onCancel={end} />
    </aside>
  )
}
