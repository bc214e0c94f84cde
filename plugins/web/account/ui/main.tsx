/**
 * The start: appearance and language, then the sign-in page or the account.
 */
import { useCallback, useEffect, useState } from 'react'
import { startAppearance } from '../../app/ui/appearance.ts'
import { ask, Refused } from '../../app/ui/ask.ts'
import { startLanguage } from '../../app/ui/language.ts'
import { Login } from '../../app/ui/login.tsx'
import { mount } from '../../app/ui/mount.tsx'
import './account.css'
import { AccountApp } from './account-app.tsx'
import type { Shown } from './context.ts'

type Where =
  | { readonly at: 'loading' }
  | { readonly at: 'login'; readonly hasEnded: boolean; readonly isOffline: boolean }
  | { readonly at: 'account'; readonly account: Shown }

function Start() {
  const [where, setWhere] = useState<Where>({ at: 'loading' })
  const open = useCallback(async () => {
    try {
      const account = await ask<Shown>('GET', '/api/account')
      await followAccount()
      setWhere({ at: 'account', account })
    } catch (cause) {
      const isOffline = !(cause instanceof Refused) || cause.status >= 500
      setWhere((before) => ({ at: 'login', hasEnded: before.at === 'account', isOffline }))
    }
  }, [])
  useEffect(() => void open(), [open])
  if (where.at === 'loading') return null
  if (where.at === 'login') return <Login hasEnded={where.hasEnded} isOffline={where.isOffline} onDone={open} />
  return <AccountApp account={where.account} reload={open} />
}

startAppearance()
const followAccount = await startLanguage({
  en: async () => (await import('./locales/en.ts')).texts,
  de: async () => (await import('./locales/de.ts')).texts,
})
mount(<Start />)
