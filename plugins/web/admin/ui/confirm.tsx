/**
 * Questions before what cannot be undone: whether the person is sure, and the password when the server wants it again.
 */

import { type FormEvent, useCallback, useEffect, useState } from 'react'
import { Dialog } from '../../app/ui/dialog.tsx'
import { t } from '../../app/ui/language.ts'
import { session } from './api.ts'
import type { Shell } from './shell.ts'

type Question = Parameters<Shell['sure']>[0]
type Asked =
  | { readonly kind: 'sure'; readonly question: Question; readonly answer: (isSure: boolean) => void }
  | { readonly kind: 'password'; readonly answer: (isShown: boolean) => void }

export interface Confirmation {
  readonly asked: Asked | undefined
  answer(is: boolean): void
  readonly sure: Shell['sure']
}

export function useConfirmation(): Confirmation {
  const [asked, setAsked] = useState<Asked>()
  const ask = useCallback(
    (make: (answer: (is: boolean) => void) => Asked) => new Promise<boolean>((resolve) => setAsked(make(resolve))),
    [],
  )
  useEffect(() => {
    session.confirm = () => ask((answer) => ({ kind: 'password', answer }))
  }, [ask])
  const sure = useCallback<Shell['sure']>((question) => ask((answer) => ({ kind: 'sure', question, answer })), [ask])
  const answer = (is: boolean) => {
    asked?.answer(is)
    setAsked(undefined)
  }
  return { asked, answer, sure }
}

export function ConfirmDialog({ confirmation: { asked, answer } }: { readonly confirmation: Confirmation }) {
  if (!asked) return null
  if (asked.kind === 'password') return <PasswordDialog answer={answer} />
  const { title, text, action } = asked.question
  return (
    <Dialog title={title} onClose={() => answer(false)}>
      <p className="t2">{text}</p>
      <footer>
        <button type="button" className="btn" onClick={() => answer(false)}>
          {t('Cancel')}
        </button>
        <button type="button" className="btn danger" onClick={() => answer(true)}>
          {action}
        </button>
      </footer>
    </Dialog>
  )
}

function PasswordDialog({ answer }: { answer(is: boolean): void }) {
  const [error, setError] = useState('')
  const [needsCode, setNeedsCode] = useState(false)
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const body = { password: form.get('password'), ...(needsCode ? { code: form.get('code') } : {}) }
    const response = await fetch('/api/login/confirm', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).catch(() => undefined)
    if (response?.ok) return answer(true)
    const refused = (await response?.json().catch(() => ({}))) as { needs?: string; detail?: string } | undefined
    if (refused?.needs === 'code' && !needsCode) setNeedsCode(true)
    else setError(refused?.detail ?? t('The server cannot be reached.'))
  }
  return (
    <Dialog title={t('Confirm your password')} onClose={() => answer(false)}>
      <p className="t2">{t('What follows cannot be undone, so the server asks for your password again.')}</p>
      <form className="sform" onSubmit={(event) => void submit(event)}>
        <div className={error ? 'field err' : 'field'}>
          <label htmlFor="confirm-password">{t('Password')}</label>
          <input
            id="confirm-password"
            name="password"
            type="password"
            autoComplete="current-password"
            autoFocus
            required
          />
          {error ? (
            <span className="msg" role="alert">
              {error}
            </span>
          ) : null}
        </div>
        {needsCode ? (
          <div className="field">
            <label htmlFor="confirm-code">{t('Code of the second factor')}</label>
            <input id="confirm-code" name="code" inputMode="numeric" autoComplete="one-time-code" required />
          </div>
        ) : null}
        <footer>
          <button type="button" className="btn" onClick={() => answer(false)}>
            {t('Cancel')}
          </button>
          <button type="submit" className="btn main">
            {t('Confirm')}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
