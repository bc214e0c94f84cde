/**
 * Asks for the password, the code of the second factor or a passkey once more.
 */
import { type FormEvent, useState } from 'react'
import { ask, Refused } from '../../app/ui/ask.ts'
import { Dialog } from '../../app/ui/dialog.tsx'
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { hasPasskeys, showPasskey } from '../../app/ui/passkey.ts'

export function Confirm({ onDone }: { onDone(isConfirmed: boolean): void }) {
  const [needsCode, setNeedsCode] = useState(false)
  const [error, setError] = useState('')
  const [isBusy, setIsBusy] = useState(false)
  const attempt = async (body: () => Promise<object>) => {
    setIsBusy(true)
    setError('')
    try {
      await ask('POST', '/api/login/confirm', await body())
      onDone(true)
    } catch (cause) {
      if (cause instanceof Refused && cause.needs === 'code' && !needsCode) setNeedsCode(true)
      else if ((cause as Error).name !== 'NotAllowedError') setError((cause as Error).message)
    } finally {
      setIsBusy(false)
    }
  }
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const code = needsCode ? { code: String(form.get('code')).trim() } : {}
    void attempt(async () => ({ password: String(form.get('password')), ...code }))
  }
  return (
    <Dialog title={t('confirm')} className="dialog confirm" onClose={() => onDone(false)}>
      <form onSubmit={submit}>
        <p className="t2">{t('confirm.why')}</p>
        <div className={error ? 'field err' : 'field'}>
          <label htmlFor="confirm-password">{t('sign-in.password')}</label>
          <input
            id="confirm-password"
            name="password"
            type="password"
            autoComplete="current-password"
            required
            autoFocus
            aria-describedby="confirm-error"
          />
        </div>
        {needsCode ? (
          <div className="field">
            <label htmlFor="confirm-code">{t('sign-in.code')}</label>
            <input id="confirm-code" name="code" inputMode="numeric" autoComplete="one-time-code" required />
          </div>
        ) : null}
        <p className="field-error" id="confirm-error" role="alert">
          {error ? (
            <>
              <Icon name="warn" small />
              {error}
            </>
          ) : null}
        </p>
        <div className="row end">
          {hasPasskeys() ? (
            <button
              type="button"
              className="btn"
              disabled={isBusy}
              onClick={() => void attempt(async () => ({ passkey: await showPasskey() }))}
            >
              <Icon name="key" />
              {t('confirm.passkey')}
            </button>
          ) : null}
          <button type="button" className="btn" onClick={() => onDone(false)}>
            {t('cancel')}
          </button>
          <button type="submit" className="btn main" disabled={isBusy}>
            {t('confirm.go')}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
