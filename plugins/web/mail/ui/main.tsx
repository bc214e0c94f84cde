/**
 * The start: appearance and language, then the sign-in page or the mail, each loaded when it is needed.
 */
import { lazy, Suspense, useCallback, useEffect, useState } from 'react'
import { startAppearance } from '../../app/ui/appearance.ts'
import { startLanguage } from '../../app/ui/language.ts'
import { Login } from '../../app/ui/login.tsx'
import { mount } from '../../app/ui/mount.tsx'
import { Failure, JmapClient } from '../store/client.ts'
import { MailStore } from '../store/mail-store.ts'
import './mail.css'

const Mail = lazy(async () => ({ default: (await import('./mail.tsx')).Mail }))

type Where =
  | { readonly at: 'loading' }
  | { readonly at: 'login'; readonly hasEnded: boolean; readonly isOffline: boolean }
  | { readonly at: 'mail'; readonly store: MailStore }

function Start() {
  const [where, setWhere] = useState<Where>({ at: 'loading' })
  const open = useCallback(async () => {
    const store = new MailStore(new JmapClient({ base: '', fetch: fetch.bind(window) }))
    try {
      await store.open()
      await followAccount()
      setWhere({ at: 'mail', store })
    } catch (cause) {
      const isOffline = cause instanceof Failure && cause.kind !== 'login'
      const { keptSnapshot } = await import('./offline.ts')
      const kept = isOffline ? await keptSnapshot().catch(() => undefined) : undefined
      if (kept) {
        store.restore(kept)
        setWhere({ at: 'mail', store })
        return
      }
      setWhere({ at: 'login', hasEnded: false, isOffline })
    }
  }, [])
  useEffect(() => void open(), [open])
  const onEnded = useCallback(() => setWhere({ at: 'login', hasEnded: true, isOffline: false }), [])
  if (where.at === 'loading') return null
  if (where.at === 'login') return <Login hasEnded={where.hasEnded} isOffline={where.isOffline} onDone={open} />
  return (
    <Suspense fallback={null}>
      <Mail store={where.store} onEnded={onEnded} />
    </Suspense>
  )
}

startAppearance()
const followAccount = await startLanguage({
  en: async () => (await import('./locales/en.ts')).texts,
  de: async () => (await import('./locales/de.ts')).texts,
})
mount(<Start />)
