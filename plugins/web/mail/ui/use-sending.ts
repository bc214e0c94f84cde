/** Ends of a composer: the draft is stored or discarded, or the message is sent. */
import { type RefObject, useState } from 'react'
import { t } from '../../app/ui/language.ts'
import { type Draft, discardDraft, isUntouched, sendDraft } from '../store/compose.ts'
import { nameOf } from '../store/objects.ts'
import { useApplication } from './application.ts'
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
  const { editor, now, current, save, stop } = of
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
    await forgetDraft(thrown.key)
    await discardDraft(store, thrown).catch(() => undefined)
    const { emailId: _, ...again } = thrown
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
      await save()
      stop()
      const sent = now.current
      const takeBack = await sendDraft(store, sent, sendAt)
      await forgetDraft(sent.key)
      const names = [...sent.to, ...sent.cc, ...sent.bcc].map(nameOf).join(', ')
      say({
        text: sendAt ? t('done.scheduled', { when: weekdayTime(sendAt) }) : t('done.sent', { names }),
        undo: async () => {
          await takeBack()
          onReopen(sent)
        },
      })
      onClose()
    } catch (cause) {
      setError({ text: t('compose.not-sent', { why: (cause as Error).message }) })
      setIsBusy(false)
    }
  }
  return { error, isBusy, close, discard, send }
}
