/**
 * The people who share a mailbox, and their rights.
 */
import { useEffect, useState } from 'react'
import { IconButton } from '../../app/ui/button.tsx'
import { Dialog } from '../../app/ui/dialog.tsx'
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import type { Mailbox } from '../store/objects.ts'
import { findPeople, LEVELS, type Level, type Person, type Share, share, sharesOf } from '../store/shared.ts'
import { useApplication } from './application.ts'
import { mailboxName } from './format.ts'

const SEARCH_AFTER_MS = 200

export function ShareDialog({ mailbox, onClose }: { readonly mailbox: Mailbox; onClose(): void }) {
  const { store } = useApplication()
  const [shares, setShares] = useState<readonly Share[]>()
  const [error, setError] = useState('')
  const load = () => sharesOf(store, mailbox.id).then(setShares, (cause: Error) => setError(cause.message))
  useEffect(() => void load(), [store, mailbox.id])
  const change = async (id: string, level: Level | null) => {
    setError('')
    try {
      await share(store, mailbox.id, { id, level })
    } catch (cause) {
      setError(t('failed', { why: (cause as Error).message }))
    }
    await load()
  }
  return (
    <Dialog title={t('share.title', { name: mailboxName(mailbox) })} onClose={onClose} className="dialog share">
      <FindPeople known={shares ?? []} onAdd={({ id }) => void change(id, 'read')} />
      {error === '' ? null : (
        <p className="note bad" role="alert">
          {error}
        </p>
      )}
      {shares?.length === 0 ? <p className="t2">{t('share.none')}</p> : null}
      <ul className="shares">
        {(shares ?? []).map(({ id, name, email, level }) => (
          <li key={id}>
            <span className="grow cut">
              {name}
              <span className="sm t3"> {email}</span>
            </span>
            <select
              value={level}
              aria-label={t('share.rights', { name })}
              onChange={({ target }) => void change(id, target.value as Level)}
            >
              {LEVELS.map((one) => (
                <option key={one} value={one}>
                  {t(`share.level.${one}`)}
                </option>
              ))}
            </select>
            <IconButton icon="x" label={t('share.end', { name })} onClick={() => void change(id, null)} />
          </li>
        ))}
      </ul>
      <footer>
        <button type="button" className="btn" onClick={onClose}>
          {t('close')}
        </button>
      </footer>
    </Dialog>
  )
}

function FindPeople({ known, onAdd }: { readonly known: readonly Share[]; onAdd(person: Person): void }) {
  const { store } = useApplication()
  const [text, setText] = useState('')
  const [found, setFound] = useState<readonly Person[]>([])
  useEffect(() => {
    if (text.trim() === '') return setFound([])
    const timer = setTimeout(() => findPeople(store, text.trim()).then(setFound, () => setFound([])), SEARCH_AFTER_MS)
    return () => clearTimeout(timer)
  }, [store, text])
  const others = found.filter(({ id }) => !known.some((one) => one.id === id))
  return (
    <>
      <div className="field">
        <label htmlFor="share-find">{t('share.find')}</label>
        <input
          id="share-find"
          type="search"
          autoComplete="off"
          value={text}
          onChange={({ target }) => setText(target.value)}
        />
      </div>
      {others.length > 0 ? (
        <ul className="shares found">
          {others.map((person) => (
            <li key={person.id}>
              <button
                type="button"
                className="btn plain grow"
                onClick={() => {
                  setText('')
                  onAdd(person)
                }}
              >
                <Icon name="plus" small />
                <span className="cut">
                  {person.name}
                  <span className="sm t3"> {person.email}</span>
                </span>
              </button>
            </li>
          ))}
        </ul>
      ) : null}
    </>
  )
}
