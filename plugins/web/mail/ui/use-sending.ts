/** Ends of a composer: the draft is stored or discarded, or the message is sent. */
import { type RefObject, useEffect, useState } from 'react'
import { t } from '../../app/ui/language.ts'
import { Failure } from '../store/client.ts'
import { type Draft, discardDraft, isSent, isUntouched, sendDraft } from '../store/compose.ts'
import type { MailStore, Status } from '../store/mail-store.ts'
import { nameOf } from '../store/objects.ts'
import { useApplication, useStore } from './application.ts'
import { forgetDraft } from './draft-box.ts'
import { weekdayTime } from './format.ts'
import { firstObjection, speaksOfFiles } from './send-checks.ts'
import type { useDraft } from './use-draft.ts'
import type { useUploads } from './use-uploads.ts'

/** Text in the fields of recipients that is no address yet. */
export interface Rests {
  to: string
  cc: string
  bcc: string
}

export interface SendError {
  readonly text: string
  /** The text mentions an attachment, and there is none. */
  readonly isAboutFiles?: boolean
}

/** Between attempts to send a waiting message. */
const RETRY_MS = 15_000

interface SendingProps {
  readonly of: ReturnType<typeof useDraft>
  readonly uploads: ReturnType<typeof useUploads>
  readonly rests: RefObject<Rests>
  onClose(): void
  onReopen(draft: Draft): void
}

export function useSending({ of, uploads, rests, onClose, onReopen }: SendingProps) {
  const app = useApplication()
  const { store, say } = app
  const { draft, editor, now, current, save, stop, change } = of
  useStore(store)
  const [error, setError] = useState<SendError>()
  const [isBusy, setIsBusy] = useState(false)

  const close = async () => {
    stop()
    const plain = editor.current?.text() ?? ''
    try {
      if (isUntouched(current(), plain)) await forgetDraft(now.current.key)
      else await save()
    } catch {
      // It stays on this device and is opened again.
    }
    onClose()
  }
  const discard = async () => {
    stop()
    const thrown = current()
    onClose()
    const again = await forgotten(store, thrown)
    say({ text: t('done.discarded'), undo: async () => onReopen(again) })
  }
  const send = async (sendAt?: Date, withoutFiles = false) => {
    const rest = Object.values(rests.current).find((text) => text.trim() !== '')
    if (rest) return setError({ text: t('compose.not-address', { text: rest.trim() }) })
    const { to, cc, bcc, attachments } = now.current
    if (to.length + cc.length + bcc.length === 0) return setError({ text: t('compose.nobody') })
    if (!withoutFiles && attachments.length === 0 && speaksOfFiles(editor.current?.text() ?? '', now.current.subject))
      return setError({ text: t('compose.forgotten'), isAboutFiles: true })
    setIsBusy(true)
    setError(undefined)
    try {
      await uploads.all()
      const objection = await firstObjection(app, current())
      if (objection !== undefined) throw new Error(objection)
      // An earlier attempt may have arrived although its answer was lost.
      const isThere = now.current.isWaiting === true && (await isSent(store, now.current))
      if (!isThere) await save()
      const takeBack = isThere ? undefined : await sendDraft(store, now.current, sendAt)
      stop()
      const { isWaiting: _, ...sent } = now.current
      await forgetDraft(sent.key)
      // The page connects again as well.
      if (store.status === 'offline') dispatchEvent(new Event('online'))
      const names = [...sent.to, ...sent.cc, ...sent.bcc].map(nameOf).join(', ')
      const undo = async () => {
        await takeBack?.()
        onReopen(sent)
      }
      say({
        text: sendAt ? t('done.scheduled', { when: weekdayTime(sendAt) }) : t('done.sent', { names }),
        ...(takeBack ? { undo } : {}),
      })
      onClose()
    } catch (cause) {
      setIsBusy(false)
      if (cause instanceof Failure && cause.kind === 'offline' && !sendAt) {
        store.setStatus('offline')
        return change({ isWaiting: true })
      }
      change({ isWaiting: false })
      setError({ text: t('compose.not-sent', { why: (cause as Error).message }) })
    }
  }
  useWaiting(draft.isWaiting === true && !isBusy, store.status, () => void send(undefined, true))
  return { error, isBusy, close, discard, send }
}

/** Discards a draft here and on the server. Returns it as it is opened again. */
async function forgotten(store: MailStore, thrown: Draft): Promise<Draft> {
  await forgetDraft(thrown.key)
  await discardDraft(store, thrown).catch(() => undefined)
  const { emailId: _, ...again } = thrown
  return again
}

/** Sends a waiting message when the server is reached, or might be. */
function useWaiting(isWaiting: boolean, status: Status, send: () => void): void {
  useEffect(() => {
    if (!isWaiting) return
    const timer = setTimeout(send, status === 'live' ? 0 : RETRY_MS)
    return () => clearTimeout(timer)
  }, [isWaiting, status])
}
