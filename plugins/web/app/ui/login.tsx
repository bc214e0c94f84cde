/**
 * Signing in with address and password, and the code of a second factor when the server asks for it.
 */
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { isDark, setTheme } from './appearance.ts'
import { IconButton } from './button.tsx'
import { fromServer } from './from-server.ts'
import { Brand, Icon } from './icon.tsx'
import { chooseLanguage, LANGUAGES, language, t } from './language.ts'
import { LoginWays } from './login-ways.tsx'

export interface LoginProps {
  readonly hasEnded: boolean
  readonly isOffline: boolean
  onDone(): Promise<void>
}

interface Refusal {
  readonly detail?: string
  readonly needs?: string
}

export function Login({ hasEnded, isOffline, onDone }: LoginProps) {
  const [error, setError] = useState(isOffline ? t('sign-in.offline') : '')
  const [needsCode, setNeedsCode] = useState(false)
  const [isShown, setIsShown] = useState(false)
  const [isBusy, setIsBusy] = useState(false)
  const first = useRef<HTMLInputElement>(null)
  const code = useRef<HTMLInputElement>(null)
  useEffect(() => first.current?.focus(), [])
  useEffect(() => code.current?.focus(), [needsCode])
  useEffect(() => {
    document.title = t('sign-in')
  }, [])

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    setIsBusy(true)
    setError('')
    try {
      const entered = ['username', 'password', ...(needsCode ? ['code'] : [])]
      const response = await fetch('/api/login', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(Object.fromEntries(entered.map((name) => [name, String(form.get(name)).trim()]))),
      })
      if (response.ok) return await onDone()
      const refusal = (await response.json().catch(() => ({}))) as Refusal
      if (refusal.needs === 'code' && !needsCode) setNeedsCode(true)
      else
        setError(
          response.status === 401 && !needsCode
            ? t('sign-in.wrong')
            : refusal.detail
              ? fromServer(refusal.detail)
              : t('sign-in.offline'),
        )
    } catch {
      setError(t('sign-in.offline'))
    } finally {
      setIsBusy(false)
    }
  }

  const attempt = async (login: () => Promise<void>) => {
    setIsBusy(true)
    setError('')
    try {
      await login()
      await onDone()
    } catch (cause) {
      // The person closed the browser's question.
      if ((cause as Error).name !== 'NotAllowedError') setError((cause as Error).message)
    } finally {
      setIsBusy(false)
    }
  }

  return (
    <div className="lg">
      <main>
        <Brand name={location.hostname} />
        <div>
          <h1>{t('sign-in')}</h1>
          <p className="t2">{t('sign-in.for', { host: location.host })}</p>
        </div>
        {hasEnded ? (
          <p className="note" role="status">
            <Icon name="info" />
            <span>{t('sign-in.ended')}</span>
          </p>
        ) : null}
        <form onSubmit={(event) => void submit(event)}>
          <div className="field">
            <label htmlFor="username">{t('sign-in.address')}</label>
            <input
              ref={first}
              id="username"
              name="username"
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              required
            />
          </div>
          <div className={error ? 'field err' : 'field'}>
            <label htmlFor="password">{t('sign-in.password')}</label>
            <span className="pw">
              <input
                id="password"
                name="password"
                type={isShown ? 'text' : 'password'}
                autoComplete="current-password"
                required
                aria-invalid={error !== ''}
                aria-describedby="login-error"
              />
              <IconButton
                icon="eye"
                label={isShown ? t('sign-in.hide') : t('sign-in.show')}
                onClick={() => setIsShown(!isShown)}
              />
            </span>
          </div>
          {needsCode ? (
            <div className="field">
              <label htmlFor="code">{t('sign-in.code')}</label>
              <input
                ref={code}
                id="code"
                name="code"
                inputMode="numeric"
                autoComplete="one-time-code"
                required
                aria-describedby="code-hint"
              />
              <span className="hint" id="code-hint">
                {t('sign-in.code.hint')}
              </span>
            </div>
          ) : null}
          <p className="field-error" id="login-error" role="alert">
            {error ? (
              <>
                <Icon name="warn" small />
                {error}
              </>
            ) : null}
          </p>
          <button type="submit" className="btn main" disabled={isBusy}>
            {t('sign-in')}
          </button>
        </form>
        <LoginWays isBusy={isBusy} attempt={attempt} />
      </main>
      <footer>
        {LANGUAGES.map(([code, name]) => (
          <button
            key={code}
            type="button"
            className="btn link"
            lang={code}
            aria-pressed={language() === code}
            onClick={() => chooseLanguage(code)}
          >
            {name}
          </button>
        ))}
        <IconButton icon="theme" label={t('theme.toggle')} onClick={() => setTheme(isDark() ? 'light' : 'dark')} />
      </footer>
    </div>
  )
}
