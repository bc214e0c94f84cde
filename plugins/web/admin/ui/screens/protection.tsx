/**
 * Protection: what is held, with a safe preview, release and learning; reports of DMARC as a chart; the filters' state.
 */

import { useEffect, useState } from 'react'
import { Dialog } from '../../../app/ui/dialog.tsx'
import { t } from '../../../app/ui/language.ts'
import { text } from '../api.ts'
import { type Column, DataTable } from '../data-table.tsx'
import { plural, size, span } from '../format.ts'
import { Empty, Ghost, Head, Segments } from '../parts.tsx'
import type { Page } from '../places.ts'
import { useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'
import { useOutput } from '../use-output.ts'
import type { CommandInfo } from './commands.tsx'
import { CommandForm } from './commands.tsx'
import { PageContent } from './plugin-page.tsx'
import type { Delivery } from './queue.tsx'
import { Reports } from './reports.tsx'

const rowsOf = (answer: { entries: readonly Delivery[] }) => answer.entries
const COLUMNS: readonly Column<Delivery>[] = [
  { id: 'from', title: t('From'), show: ({ from }) => from || t('(empty)') },
  { id: 'to', title: t('To'), show: ({ recipients }) => recipients.map(({ address }) => address).join(', ') },
  { id: 'why', title: t('Reason'), width: 'minmax(0, 1.4fr)', isWide: true, show: ({ held = '' }) => held },
  { id: 'size', title: t('Size'), width: '76px', isNumber: true, isWide: true, show: (one) => size(one.size) },
  { id: 'age', title: t('Age'), width: '92px', isNumber: true, show: ({ since }) => span(Date.now() - since) },
]
/** Commands about the state of filters, shown as they answer. */
const STATES = ['antispam stats', 'antispam status', 'antivirus status', 'milter status', 'dkim list']

/** Also the pages that plugins add to the group, by their ids. */
type Part = 'held' | 'dmarc' | 'tls' | 'filters' | 'learn' | `page:${string}`

export function Protection() {
  const [part, setPart] = useState<Part>('held')
  const commands = useApi<{ commands: readonly CommandInfo[] }>('/api/v1/commands')
  const added = useApi<{ pages: readonly Page[] }>('/api/v1/pages')
  const pages = added.data?.pages.filter(({ group }) => group === 'protection') ?? []
  const of = (words: string) => commands.data?.commands.find((one) => one.words === words)
  const learn = of('antispam learn')
  const parts: readonly (readonly [Part, string])[] = [
    ['held', t('Held')],
    ...pages.map(({ id, title }) => [`page:${id}`, title] as const),
    ...(of('dmarc reports') ? ([['dmarc', t('DMARC reports')]] as const) : []),
    ...(of('tls reports') ? ([['tls', t('TLS reports')]] as const) : []),
    ...(learn ? ([['learn', t('Learning')]] as const) : []),
    ['filters', t('Filters')],
  ]
  return (
    <div className="fill">
      <Head title={t('Protection')} />
      <div className="subhead">
        <Segments label={t('Part')} value={part} options={parts} onChange={setPart} />
      </div>
      {part === 'held' ? <Quarantine learn={learn} /> : null}
      {pages.map((page) => (part === `page:${page.id}` ? <PageContent key={page.id} page={page} /> : null))}
      {part === 'dmarc' ? <Reports words="dmarc reports" record="DMARC" /> : null}
      {part === 'tls' ? <Reports words="tls reports" record="TLS-RPT" /> : null}
      {part === 'learn' && learn ? (
        <div className="sec full">
          <p className="t2">{t('Messages that were judged wrongly teach the classifier what they are.')}</p>
          <CommandForm command={learn} action={t('Learn')} />
        </div>
      ) : null}
      {part === 'filters' ? <Filters commands={STATES.flatMap((words) => of(words) ?? [])} /> : null}
    </div>
  )
}

function Quarantine({ learn }: { readonly learn: CommandInfo | undefined }) {
  const { run, sure } = useShell()
  const [opened, setOpened] = useState<Delivery>()
  const [version, setVersion] = useState(0)
  const changed = () => setVersion((last) => last + 1)
  const act = async (action: 'release' | 'remove' | 'bounce', number: number, ids: readonly string[] | undefined) => {
    const what = plural(number, '{{number}} message', '{{number}} messages')
    const isFinal = action !== 'release'
    if (
      isFinal &&
      !(await sure({
        title: t('Remove {{what}}?', { what }),
        text: t('No report goes to the senders. This cannot be undone.'),
        action: t('Remove'),
      }))
    )
      return
    run({
      title: action === 'release' ? t('Release {{what}}', { what }) : t('Remove {{what}}', { what }),
      path: '/api/v1/queue/changes',
      body: { action, ...(ids ? { ids } : { filter: { held: true } }) },
      onEnd: changed,
    })
  }
  return (
    <>
      <DataTable<Delivery>
        label={t('Held messages')}
        path="/api/v1/queue"
        filter={{ held: 'true' }}
        rowsOf={rowsOf}
        columns={COLUMNS}
        version={version}
        onOpen={setOpened}
        empty={{
          title: t('Nothing is held'),
          text: t('Messages that a filter stops, or that you hold, wait here for a decision.'),
        }}
        actions={({ count: number, ids, clear }) => (
          <>
            <button type="button" className="btn plain" onClick={() => void act('release', number, ids).then(clear)}>
              {t('Release')}
            </button>
            <button type="button" className="btn plain bad" onClick={() => void act('remove', number, ids).then(clear)}>
              {t('Remove…')}
            </button>
          </>
        )}
      />
      {opened ? (
        <Preview
          delivery={opened}
          learn={learn}
          onClose={() => setOpened(undefined)}
          onAct={(action) => {
            void act(action, 1, [opened.id])
            setOpened(undefined)
          }}
        />
      ) : null}
    </>
  )
}

interface PreviewProps {
  readonly delivery: Delivery
  readonly learn: CommandInfo | undefined
  onClose(): void
  onAct(action: 'release' | 'remove'): void
}

/** The message as text: nothing of it is interpreted. */
function Preview({ delivery, learn, onClose, onAct }: PreviewProps) {
  const { run } = useShell()
  const [source, setSource] = useState<string>()
  const [error, setError] = useState('')
  useEffect(() => {
    text(`/api/v1/queue/content/${encodeURIComponent(delivery.message)}`).then(setSource, (cause: Error) =>
      setError(cause.message),
    )
  }, [delivery.message])
  const teach = (kind: 'junk' | 'ham') =>
    run({
      title: kind === 'junk' ? t('Learn as junk') : t('Learn as good mail'),
      path: '/api/v1/commands/run',
      body: { words: 'antispam learn', values: { [kind]: true }, input: source },
    })
  return (
    <Dialog
      title={t('From {{from}}', { from: delivery.from || t('the empty sender') })}
      className="dialog large"
      onClose={onClose}
    >
      <p className="t2">{delivery.held}</p>
      {error ? <p className="note bad">{error}</p> : null}
      {source === undefined && !error ? <Ghost rows={6} /> : null}
      {source === undefined ? null : (
        <pre className="said source" tabIndex={0} role="region" aria-label={t('Source of the message')}>
          {source}
        </pre>
      )}
      <p className="t3 sm">{t('The source, of which nothing is run or loaded. That you looked is in the history.')}</p>
      <footer>
        <button type="button" className="btn plain" onClick={onClose}>
          {t('Close')}
        </button>
        {learn && source !== undefined ? (
          <>
            <button type="button" className="btn plain" onClick={() => teach('junk')}>
              {t('It is junk')}
            </button>
            <button type="button" className="btn plain" onClick={() => teach('ham')}>
              {t('It is good mail')}
            </button>
          </>
        ) : null}
        <button type="button" className="btn plain bad" onClick={() => onAct('remove')}>
          {t('Remove…')}
        </button>
        <button type="button" className="btn main" onClick={() => onAct('release')}>
          {t('Release')}
        </button>
      </footer>
    </Dialog>
  )
}

const Filters = ({ commands }: { readonly commands: readonly CommandInfo[] }) =>
  commands.length === 0 ? (
    <Empty
      title={t('No filter runs')}
      text={t('Filters are added in the configuration: antispam(), antivirus(), dkim(), senderAuth().')}
    />
  ) : (
    <div className="sec full">
      {commands.map((command) => (
        <FilterState key={command.words} command={command} />
      ))}
    </div>
  )

function FilterState({ command: { words, summary } }: { readonly command: CommandInfo }) {
  const lines = useOutput(words)
  return (
    <section aria-label={words}>
      <h2>{words}</h2>
      <p className="t3">{summary}</p>
      {lines ? (
        <ul className="recs">
          {lines.flatMap((line, index) =>
            // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other names
            'text' in line ? [<li key={index}>{line.text}</li>] : [],
          )}
          {lines.length === 0 ? <li className="t2">{t('Nothing.')}</li> : null}
        </ul>
      ) : (
        <Ghost rows={2} />
      )}
    </section>
  )
}
