/**
 * The moderation queue of a list: posts and requests, decided one by one or in bulk, with a preview as text.
 */

import { useEffect, useState } from 'react'
import { Dialog } from '../../../app/ui/dialog.tsx'
import { t } from '../../../app/ui/language.ts'
import { text } from '../api.ts'
import { type Column, DataTable } from '../data-table.tsx'
import { plural, size, span } from '../format.ts'
import { Ghost } from '../parts.tsx'
import { useShell } from '../shell.ts'

interface Held {
  readonly id: string
  readonly at: number
  readonly why: string
  readonly kind: 'post' | 'subscribe' | 'unsubscribe'
  readonly address: string
  readonly subject: string
  readonly size?: number
}
type Decision = 'approve' | 'reject' | 'discard' | 'allow'

const subjectOf = ({ kind, subject }: Held) =>
  kind === 'post' ? subject || t('(no subject)') : t('Asks to {{kind}}', { kind: t(kind) })
const rowsOf = (answer: { items: readonly Held[] }) => answer.items
const COLUMNS: readonly Column<Held>[] = [
  { id: 'address', title: t('From'), show: ({ address }) => address },
  { id: 'subject', title: t('Subject'), width: 'minmax(0, 1.4fr)', show: subjectOf },
  { id: 'why', title: t('Reason'), width: 'minmax(0, 1.2fr)', isWide: true, show: ({ why }) => why },
  {
    id: 'size',
    title: t('Size'),
    width: '76px',
    isNumber: true,
    isWide: true,
    show: ({ size: octets }) => (octets === undefined ? '' : size(octets)),
  },
  { id: 'age', title: t('Age'), width: '92px', isNumber: true, show: ({ at }) => span(Date.now() - at) },
]
const TITLES = {
  approve: t('Approve'),
  reject: t('Reject'),
  discard: t('Discard'),
  allow: t('Allow the authors of'),
} as const

interface Rejecting {
  readonly number: number
  readonly ids: readonly string[] | undefined
}

export function HeldPosts({
  address,
  search,
  onTotal,
  onChange,
}: {
  readonly address: string
  readonly search: string
  onTotal(total: number): void
  onChange(): void
}) {
  const { run, sure } = useShell()
  const [opened, setOpened] = useState<Held>()
  const [rejecting, setRejecting] = useState<Rejecting>()
  const [version, setVersion] = useState(0)
  const path = `/api/v1/lists/${encodeURIComponent(address)}`
  const decide = async (decision: Decision, number: number, ids: readonly string[] | undefined, reason = '') => {
    const what = plural(number, '{{number}} entry', '{{number}} entries')
    const question = {
      title: t('Discard {{what}}?', { what }),
      text: t('The authors are not informed.'),
      action: t('Discard'),
    }
    if (decision === 'discard' && !(await sure(question))) return
    run({
      title: `${TITLES[decision]}: ${what}`,
      path: `${path}/decisions`,
      body: { decision, ...(ids ? { ids } : {}), text: reason },
      onEnd() {
        setVersion((last) => last + 1)
        onChange()
      },
    })
  }
  return (
    <>
      <DataTable<Held>
        label={t('Held')}
        path={`${path}/held`}
        filter={{ search }}
        rowsOf={rowsOf}
        columns={COLUMNS}
        version={version}
        onTotal={onTotal}
        onOpen={setOpened}
        empty={{
          title: t('Nothing awaits a decision'),
          text: t('Posts that a rule holds, and requests to join or leave, wait here for a moderator.'),
        }}
        actions={({ count: number, ids, clear }) => (
          <>
            {(['approve', 'allow', 'discard'] as const).map((decision) => (
              <button
                key={decision}
                type="button"
                className={decision === 'discard' ? 'btn plain bad' : 'btn plain'}
                onClick={() => void decide(decision, number, ids).then(clear)}
              >
                {{ approve: t('Approve'), allow: t('Allow authors'), discard: t('Discard…') }[decision]}
              </button>
            ))}
            <button type="button" className="btn plain bad" onClick={() => setRejecting({ number, ids })}>
              {t('Reject…')}
            </button>
          </>
        )}
      />
      {opened ? (
        <Preview
          path={path}
          held={opened}
          onClose={() => setOpened(undefined)}
          onDecide={(decision) => {
            setOpened(undefined)
            if (decision === 'reject') setRejecting({ number: 1, ids: [opened.id] })
            else void decide(decision, 1, [opened.id])
          }}
        />
      ) : null}
      {rejecting ? (
        <Reject
          number={rejecting.number}
          onClose={() => setRejecting(undefined)}
          onReject={(reason) => {
            setRejecting(undefined)
            void decide('reject', rejecting.number, rejecting.ids, reason)
          }}
        />
      ) : null}
    </>
  )
}

function Reject({
  number,
  onClose,
  onReject,
}: {
  readonly number: number
  onClose(): void
  onReject(reason: string): void
}) {
  return (
    <Dialog title={plural(number, 'Reject {{number}} entry', 'Reject {{number}} entries')} onClose={onClose}>
      <form
        className="sform"
        onSubmit={(event) => {
          event.preventDefault()
          onReject(String(new FormData(event.currentTarget).get('reason')).trim())
        }}
      >
        <div className="field">
          <label htmlFor="reject-reason">{t('Reason for the authors')}</label>
          <textarea id="reject-reason" name="reason" rows={4} maxLength={10_000} autoFocus />
          <span className="hint">{t('Each author gets it by mail. It may be empty.')}</span>
        </div>
        <footer>
          <button type="button" className="btn" onClick={onClose}>
            {t('Cancel')}
          </button>
          <button type="submit" className="btn danger">
            {t('Reject')}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

interface PreviewProps {
  readonly path: string
  readonly held: Held
  onClose(): void
  onDecide(decision: Decision): void
}

/** The post as text: nothing of it is interpreted. */
function Preview({ path, held, onClose, onDecide }: PreviewProps) {
  const { id, kind, address, why } = held
  const [source, setSource] = useState<string>()
  const [error, setError] = useState('')
  const isPost = kind === 'post'
  useEffect(() => {
    if (!isPost) return
    text(`${path}/held/${encodeURIComponent(id)}`).then(setSource, (cause: Error) => setError(cause.message))
  }, [path, id, isPost])
  return (
    <Dialog title={subjectOf(held)} className="dialog large" onClose={onClose}>
      <p className="t2">
        {address}: {why}
      </p>
      {error ? <p className="note bad">{error}</p> : null}
      {isPost && source === undefined && !error ? <Ghost rows={6} /> : null}
      {source === undefined ? null : (
        <>
          <pre className="said source" tabIndex={0} role="region" aria-label={t('Source of the post')}>
            {source}
          </pre>
          <p className="t3 sm">
            {t('The source, of which nothing is run or loaded. That you looked is in the history.')}
          </p>
        </>
      )}
      <footer>
        <button type="button" className="btn plain" onClick={onClose}>
          {t('Close')}
        </button>
        <button type="button" className="btn plain bad" onClick={() => onDecide('discard')}>
          {t('Discard…')}
        </button>
        <button type="button" className="btn plain bad" onClick={() => onDecide('reject')}>
          {t('Reject…')}
        </button>
        {isPost ? (
          <button type="button" className="btn" onClick={() => onDecide('allow')}>
            {t('Allow the author')}
          </button>
        ) : null}
        <button type="button" className="btn main" onClick={() => onDecide('approve')}>
          {t('Approve')}
        </button>
      </footer>
    </Dialog>
  )
}
