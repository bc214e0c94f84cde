/**
 * Ways to sign in beside the password: a passkey, and pages of other providers.
 */
import { useEffect, useState } from 'react'
import { ask } from './ask.ts'
import { Icon } from './icon.tsx'
import { t } from './language.ts'
import { hasPasskeys, showPasskey } from './passkey.ts'

interface Ways {
  readonly hasPasskeys: boolean
  readonly ways: readonly { readonly title: string; readonly path: string }[]
}

export interface LoginWaysProps {
  readonly isBusy: boolean
  /** Runs the login; its errors are shown beside the password. */
  attempt(login: () => Promise<void>): Promise<void>
}

export function LoginWays({ isBusy, attempt }: LoginWaysProps) {
  const [ways, setWays] = useState<Ways>()
  useEffect(() => {
    ask<Ways>('GET', '/api/login/ways').then(setWays, () => {})
  }, [])
  const offersPasskeys = ways?.hasPasskeys === true && hasPasskeys()
  if (!ways || (!offersPasskeys && ways.ways.length === 0)) return null
  const to = encodeURIComponent(location.pathname)
  return (
    <div className="ways">
      {offersPasskeys ? (
        <button
          type="button"
          className="btn"
          disabled={isBusy}
          onClick={() =>
            void attempt(async () => {
              await ask('POST', '/api/login/passkey', await showPasskey())
            })
          }
        >
          <Icon name="key" />
          {t('sign-in.passkey', { defaultValue: 'Sign in with a passkey' })}
        </button>
      ) : null}
      {ways.ways.map(({ title, path }) => (
        <a key={path} className="btn" href={`${path}?to=${to}`}>
          {title}
        </a>
      ))}
    </div>
  )
}
