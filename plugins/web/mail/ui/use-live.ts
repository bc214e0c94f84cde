/** Effects of the page: open drafts come back, the server's changes arrive, and mail is stored for offline use. */
import { useCallback, useEffect, useRef, useState } from 'react'
import { t } from '../../app/ui/language.ts'
import { type Draft, emptyDraft } from '../store/compose.ts'
import type { MailStore } from '../store/mail-store.ts'
import { keepLive } from '../store/push.ts'
import { uuid } from '../store/uuid.ts'
import type { Toast } from './application.ts'

const MAX_COMPOSERS = 3
const TYPES = 'Email,Mailbox,EmailSubmission,EmailLabel,ConversationSnooze,ShareNotification'

/** Open composers, and the draft that this device kept from an earlier session. */
export function useComposers(store: MailStore, say: (toast: Toast) => void) {
  const [open, setOpen] = useState<readonly Draft[]>([])
  const compose = useCallback(
    (draft?: Draft) =>
      setOpen((drafts) => {
        const next = draft ?? emptyDraft(uuid(), store.identities[0])
        return [...drafts.filter(({ key }) => key !== next.key), next].slice(-MAX_COMPOSERS)
      }),
    [store],
  )
  const close = useCallback((key: string) => setOpen((drafts) => drafts.filter((one) => one.key !== key)), [])
  useEffect(() => {
    const restore = async () => {
      const { keptDrafts } = await import('./draft-box.ts')
      const kept = await keptDrafts(store.client.account)
      for (const { draft } of kept.slice(-MAX_COMPOSERS)) compose(draft)
      if (kept.length > 0) say({ text: t('compose.restored') })
    }
    restore().catch(() => undefined)
  }, [store, compose, say])
  return { open, compose, close }
}

/** The page and its last mail start without the server. */
export function useOffline(store: MailStore): void {
  useEffect(() => {
    let stop = () => {}
    let isGone = false
    const start = async () => {
      const { keepSnapshots, startWorker } = await import('./offline.ts')
      if (!isGone) stop = keepSnapshots(store)
      await startWorker(store)
    }
    // Without them the mail needs its server, as before.
    start().catch(() => undefined)
    return () => {
      isGone = true
      stop()
    }
  }, [store])
}

export function useLive(store: MailStore, shared: readonly MailStore[], refresh: () => void): () => void {
  const live = useRef<{ retry(): void } | undefined>(undefined)
  const others = useRef(shared)
  others.current = shared
  useEffect(() => {
    const kept = keepLive(store, {
      others: () => others.current,
      open() {
        const events = new EventSource(`/jmap/eventsource?types=${TYPES}&closeafter=no&ping=60`)
        // Another person began or ended to share.
        events.addEventListener('state', ({ data }) => void (String(data).includes('ShareNotification') && refresh()))
        return events
      },
      after(ms, run) {
        const timer = setTimeout(run, ms)
        return () => clearTimeout(timer)
      },
    })
    live.current = kept
    const back = () => kept.retry()
    addEventListener('online', back)
    return () => {
      removeEventListener('online', back)
      kept.stop()
    }
  }, [store, refresh])
  return useCallback(() => live.current?.retry(), [])
}
