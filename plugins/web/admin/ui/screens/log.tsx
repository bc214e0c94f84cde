/**
 * The log as it is written: by level and words, with a pause.
 */

import { useEffect, useRef, useState } from 'react'
import { Icon } from '../../../app/ui/icon.tsx'
import { t } from '../../../app/ui/language.ts'
import { query } from '../api.ts'
import { clockMs, full } from '../format.ts'
import { Empty, Head, Scroller, SearchField, Segments } from '../parts.tsx'

interface LogLine {
  readonly at: number
  readonly level: Level
  readonly event: string
  readonly text?: string
  readonly fields: Readonly<Record<string, unknown>>
}
type Level = 'debug' | 'info' | 'warn' | 'error'
interface Kept extends LogLine {
  readonly number: number
}

const MAX_LINES = 500
const DRAW_MS = 200
const WAIT_MS = 300

const fieldsOf = (fields: LogLine['fields']): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('  ')

export function LiveLog() {
  const [level, setLevel] = useState<Level>('info')
  const [search, setSearch] = useState('')
  const [words, setWords] = useState('')
  const [isPaused, setIsPaused] = useState(false)
  const [lines, setLines] = useState<readonly Kept[]>([])
  const [isLost, setIsLost] = useState(false)
  const paused = useRef(false)
  paused.current = isPaused
  useEffect(() => {
    const timer = setTimeout(() => setWords(search.trim()), WAIT_MS)
    return () => clearTimeout(timer)
  }, [search])
  useEffect(() => {
    let number = 0
    let waiting: Kept[] = []
    setLines([])
    const source = new EventSource(`/api/v1/log${query({ level, text: words })}`)
    source.addEventListener('lines', (event) => {
      for (const line of JSON.parse(event.data) as readonly LogLine[]) waiting.push({ ...line, number: number++ })
      waiting = waiting.slice(-MAX_LINES)
    })
    source.addEventListener('open', () => setIsLost(false))
    source.addEventListener('error', () => setIsLost(true))
    // A busy server writes faster than a page is drawn.
    const timer = setInterval(() => {
      if (waiting.length === 0 || paused.current) return
      const taken = waiting
      waiting = []
      setLines((last) => [...last, ...taken].slice(-MAX_LINES))
    }, DRAW_MS)
    return () => {
      source.close()
      clearInterval(timer)
    }
  }, [level, words])
  const shown = lines.toReversed()
  return (
    <div className="fill">
      <Head title={t('Live log')} note={isLost ? t('no answer') : isPaused ? t('paused') : undefined}>
        <SearchField label={t('Words')} value={search} onChange={setSearch} />
        <Segments<Level>
          label={t('Level')}
          value={level}
          options={[
            ['debug', t('Debug')],
            ['info', t('Info')],
            ['warn', t('Warnings')],
            ['error', t('Errors')],
          ]}
          onChange={setLevel}
        />
        <button type="button" className="btn" aria-pressed={isPaused} onClick={() => setIsPaused(!isPaused)}>
          <Icon name={isPaused ? 'play' : 'pause'} small />
          {isPaused ? t('Go on') : t('Pause')}
        </button>
      </Head>
      {shown.length === 0 ? (
        <Empty title={t('No line yet')} text={t('Lines appear here as they are written.')} />
      ) : (
        <Scroller label={t('Log')} grows>
          <ol className="loglines">
            {shown.map((line) => (
              <li key={line.number} className={line.level}>
                <time title={full(line.at)}>{clockMs(line.at)}</time>
                <span className={line.level === 'error' ? 'bad' : line.level === 'warn' ? 'warn' : 't3'}>
                  {line.level}
                </span>
                <span className="b">{line.event}</span>
                <span className="t2">
                  {line.text ? `${line.text}  ` : ''}
                  {fieldsOf(line.fields)}
                </span>
              </li>
            ))}
          </ol>
        </Scroller>
      )}
    </div>
  )
}
