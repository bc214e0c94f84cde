/**
 * One entry of the directory beside its list, and the dialog that adds one.
 */

import { type FormEvent, useState } from 'react'
import { IconButton } from '../../../app/ui/button.tsx'
import { Dialog } from '../../../app/ui/dialog.tsx'
import { t } from '../../../app/ui/language.ts'
import { api } from '../api.ts'
import { initials, moment } from '../format.ts'
import { Facts, Failed, Ghost } from '../parts.tsx'
import { useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'
import type { Entry, EntryAnswer, Kind } from './directory.ts'
import { factsOf, Members } from './entry-facts.tsx'
import { Fields, fieldsOf } from './entry-form.tsx'

export function AddEntry({
  kind,
  domains,
  onClose,
  onDone,
}: {
  readonly kind: Kind
  readonly domains: readonly string[]
  onClose(): void
  onDone(id: string): void
}) {
  const { may, say } = useShell()
  const [error, setError] = useState('')
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const given = Object.entries(fieldsOf(kind, new FormData(event.currentTarget), may('admin')))
    try {
      const body = Object.fromEntries(given.filter(([, value]) => value !== null))
      const { id } = await api<Entry>('POST', `/api/v1/directory/${kind}`, body)
      say(t('Added'))
      onDone(id)
    } catch (cause) {
      setError((cause as Error).message)
    }
  }
  return (
    <Dialog title={ADD[kind]} onClose={onClose}>
      <form className="sform" onSubmit={(event) => void submit(event)}>
        <Fields kind={kind} domains={domains} />
        {error ? (
          <p className="note bad" role="alert">
            {error}
          </p>
        ) : null}
        <footer>
          <button type="button" className="btn" onClick={onClose}>
            {t('Cancel')}
          </button>
          <button type="submit" className="btn main">
            {t('Add')}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

const ADD: Readonly<Record<Kind, string>> = {
  account: t('Add an account'),
  group: t('Add a group'),
  alias: t('Add an alias'),
  route: t('Add a route'),
  unit: t('Add a unit'),
}

const titleOf = ({ displayName, name, match, path }: Entry): string => displayName ?? name ?? match ?? path ?? ''

export interface EntryPanelProps {
  readonly kind: Kind
  readonly id: string
  onChange(): void
  onClose(): void
}

export function EntryPanel({ kind, id, onChange, onClose }: EntryPanelProps) {
  const { may, say, sure } = useShell()
  const path = `/api/v1/directory/${kind}/${encodeURIComponent(id)}`
  const answer = useApi<EntryAnswer>(path)
  const [isEdited, setIsEdited] = useState(false)
  const [error, setError] = useState('')
  const attempt = async (act: () => Promise<unknown>, done: string) => {
    try {
      setError('')
      await act()
      say(done)
      answer.reload()
      onChange()
      return true
    } catch (cause) {
      setError((cause as Error).message)
      return false
    }
  }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const fields = fieldsOf(kind, new FormData(event.currentTarget), may('admin'))
    if (await attempt(() => api('PATCH', path, fields), t('Saved'))) setIsEdited(false)
  }
  const remove = async (name: string) => {
    const text =
      kind === 'account'
        ? t('It takes effect no longer, at once. Under Deleted it can be restored for a time; its mailboxes stay.')
        : t('It takes effect no longer, at once. Under Deleted it can be restored for a time.')
    if (!(await sure({ title: t('Delete {{name}}?', { name }), text, action: t('Delete') }))) return
    if (await attempt(() => api('DELETE', path), t('{{name}} is deleted', { name }))) onClose()
  }
  if (answer.error && !answer.data)
    return (
      <aside className="panel">
        <Failed error={answer.error} />
      </aside>
    )
  if (!answer.data)
    return (
      <aside className="panel" aria-label={t('Entry')}>
        <Ghost rows={5} />
      </aside>
    )
  const { entry } = answer.data
  const name = titleOf(entry)
  const isSuspended = entry.status === 'suspended'
  return (
    <aside className="panel" aria-label={name}>
      <header className="row">
        <span className="me big" aria-hidden="true">
          {initials(name)}
        </span>
        <div className="grow">
          <h2>{name}</h2>
          <p className="t2 cut">{entry.addresses?.[0] ?? ''}</p>
        </div>
        <IconButton icon="x" label={t('Close')} onClick={onClose} />
      </header>
      {isSuspended ? <p className="note warn">{t('Suspended: gets mail, but cannot log in.')}</p> : null}
      {error ? (
        <p className="note bad" role="alert">
          {error}
        </p>
      ) : null}
      {isEdited ? (
        <form className="sform" onSubmit={(event) => void submit(event)}>
          <Fields kind={kind} entry={entry} />
          <footer className="row">
            <button type="button" className="btn" onClick={() => setIsEdited(false)}>
              {t('Cancel')}
            </button>
            <button type="submit" className="btn main">
              {t('Save')}
            </button>
          </footer>
        </form>
      ) : (
        <>
          <Facts facts={factsOf(answer.data)} />
          {kind === 'group' ? (
            <Members
              answer={answer.data}
              onChange={(change) => attempt(() => api('PATCH', path, change), t('Saved'))}
            />
          ) : null}
          <h3>{t('Latest changes')}</h3>
          <ul className="rc">
            {answer.data.history.slice(0, 5).map(({ at, by, what, fields }) => (
              <li key={`${at} ${what}`}>
                <span className="cut grow">
                  {what} {Object.keys(fields).join(', ')}
                </span>
                <span className="t3 sm">
                  {by}, {moment(at)}
                </span>
              </li>
            ))}
          </ul>
          {may('people:change') ? (
            <footer className="row">
              <button type="button" className="btn" onClick={() => setIsEdited(true)}>
                {t('Edit')}
              </button>
              {kind === 'account' ? (
                <button
                  type="button"
                  className="btn"
                  onClick={() =>
                    void attempt(
                      () => api('PATCH', path, { status: isSuspended ? 'active' : 'suspended' }),
                      isSuspended ? t('Active again') : t('Suspended'),
                    )
                  }
                >
                  {isSuspended ? t('Activate') : t('Suspend')}
                </button>
              ) : null}
              <span className="grow" />
              <button type="button" className="btn plain bad" onClick={() => void remove(name)}>
                {t('Delete…')}
              </button>
            </footer>
          ) : null}
        </>
      )}
    </aside>
  )
}
