/** The current draft of a composer: stored on this device at each pause, and on the server soon after. */
import { useCallback, useEffect, useRef, useState } from 'react'
import { type Draft, isUntouched, saveDraft } from '../store/compose.ts'
import { useApplication } from './application.ts'
import { forgetDraft, holdDraft, keepDraft } from './draft-box.ts'
import type { Editor } from './editor.ts'

const KEEP_AFTER_MS = 400
const SAVE_AFTER_MS = 2000

/** Where the draft is stored: nowhere, on this device, on its way to the server, or there since a time. */
export type Saving = 'no' | 'kept' | 'saving' | Date

/** The current draft, and its storage. */
export function useDraft(first: Draft) {
  const { store } = useApplication()
  const [draft, setDraft] = useState(first)
  const [saving, setSaving] = useState<Saving>('no')
  const now = useRef(first)
  const editor = useRef<Editor | undefined>(undefined)
  const timers = useRef<{ keep?: ReturnType<typeof setTimeout>; save?: ReturnType<typeof setTimeout> }>({})
  const running = useRef<Promise<unknown>>(Promise.resolve())
  const isClosed = useRef(false)

  const current = useCallback((): Draft => {
    const html = editor.current?.html() ?? now.current.html
    now.current = { ...now.current, html }
    return now.current
  }, [])
  const keptOf = useCallback(
    (stored: Draft) => ({
      key: stored.key,
      account: store.client.account,
      draft: stored,
      plain: editor.current?.text() ?? '',
    }),
    [store],
  )
  useEffect(() => holdDraft(first.key), [first.key])
  /** Stores it on the server; one at a time. */
  const save = useCallback((): Promise<void> => {
    clearTimeout(timers.current.save)
    const next = running.current
      .catch(() => undefined)
      .then(async () => {
        const stored = current()
        setSaving('saving')
        try {
          const emailId = await saveDraft(store, stored, editor.current?.text() ?? '')
          now.current = { ...now.current, emailId }
          setSaving(new Date())
          // Until the composer is closed, the draft comes back with the window.
          if (isClosed.current) await forgetDraft(stored.key)
          else await keepDraft({ ...keptOf(stored), draft: { ...stored, emailId } })
        } catch (cause) {
          setSaving('kept')
          throw cause
        }
      })
    running.current = next
    return next
  }, [current, keptOf, store])
  const touched = useCallback(() => {
    if (isClosed.current) return
    now.current = { ...now.current, isFresh: false }
    clearTimeout(timers.current.keep)
    clearTimeout(timers.current.save)
    timers.current.keep = setTimeout(() => {
      const stored = current()
      const kept = keptOf(stored)
      if (!isUntouched(stored, kept.plain)) void keepDraft(kept).catch(() => undefined)
    }, KEEP_AFTER_MS)
    timers.current.save = setTimeout(() => {
      if (!isUntouched(current(), editor.current?.text() ?? '')) void save().catch(() => undefined)
    }, SAVE_AFTER_MS)
  }, [current, save, keptOf])
  const change = useCallback(
    (patch: Partial<Draft>) => {
      now.current = { ...now.current, ...patch }
      setDraft(now.current)
      touched()
    },
    [touched],
  )
  const stop = useCallback(() => {
    isClosed.current = true
    clearTimeout(timers.current.keep)
    clearTimeout(timers.current.save)
  }, [])
  return { draft, saving, editor, now, current, save, touched, change, stop }
}
