/**
 * The start: appearance and language, then the sign-in or the administration.
 */
import { lazy, Suspense, useCallback, useEffect, useState } from 'react'
import { startAppearance } from '../../app/ui/appearance.ts'
import { startLanguage } from '../../app/ui/language.ts'
import { Login } from '../../app/ui/login.tsx'
import { mount } from '../../app/ui/mount.tsx'
import './admin.css'
import { api, session } from './api.ts'
import type { Me } from './shell.ts'

const Administration = lazy(async () => ({ default: (await import('./administration.tsx')).Administration }))

type Where =
  | { readonly at: 'loading' }
  | { readonly at: 'login'; readonly hasEnded: boolean; readonly isOffline: boolean }
  | { readonly at: 'admin'; readonly me: Me }

function Start() {
  const [where, setWhere] = useState<Where>({ at: 'loading' })
  const open = useCallback(async () => {
    try {
      const me = await api<Me>('GET', '/api/v1/me')
      await followAccount()
      setWhere({ at: 'admin', me })
    } catch (cause) {
      const isOffline = cause instanceof TypeError
      setWhere({ at: 'login', hasEnded: false, isOffline })
    }
  }, [])
  useEffect(() => {
    void open().then(() => {
      session.ended = () => setWhere({ at: 'login', hasEnded: true, isOffline: false })
    })
  }, [open])
  if (where.at === 'loading') return null
  if (where.at === 'login') return <Login hasEnded={where.hasEnded} isOffline={where.isOffline} onDone={open} />
  return (
    <Suspense fallback={null}>
      <Administration me={where.me} />
    </Suspense>
  )
}

startAppearance()
const followAccount = await startLanguage({
  en: async () => (await import('./locales/en.ts')).texts,
  de: async () => (await import('./locales/de.ts')).texts,
})
mount(<Start />)
