/**
 * Completed actions with their undo: ten seconds, one at a time; errors stay. The key z undoes.
 */
import { useEffect, useState } from 'react'
import { IconButton } from '../../app/ui/button.tsx'
import { t } from '../../app/ui/language.ts'
import type { Toast } from './application.ts'
import { useKeys } from './keys.ts'

const SHOWN_MS = 10_000

export interface ToastsProps {
  readonly toast: Toast | undefined
  onDone(): void
  say(toast: Toast): void
}

export function Toasts({ toast, onDone, say }: ToastsProps) {
  const [isHeld, setIsHeld] = useState(false)
  useEffect(() => {
    if (!toast || toast.isError || toast.stop || isHeld) return
    const timer = setTimeout(onDone, SHOWN_MS)
    return () => clearTimeout(timer)
  }, [toast, onDone, isHeld])
  const undo = async () => {
    if (!toast?.undo) return
    onDone()
    try {
      await toast.undo()
      say({ text: t('done.undone') })
    } catch (cause) {
      say({ text: t('failed', { why: (cause as Error).message }), isError: true })
    }
  }
  useKeys({ z: () => void undo() })
  return (
    <div
      className="toasts"
      role="status"
      onPointerEnter={() => setIsHeld(true)}
      onPointerLeave={() => setIsHeld(false)}
    >
      {toast ? (
        <div className={toast.isError ? 'toast error' : 'toast'} key={toast.stop ? 'going' : toast.text}>
          <span className="cut grow">{toast.text}</span>
          {toast.stop ? (
            <button type="button" onClick={toast.stop}>
              {t('many.stop')}
            </button>
          ) : null}
          {toast.undo ? (
            <button type="button" onClick={() => void undo()}>
              {t('undo')} <kbd>z</kbd>
            </button>
          ) : null}
          <IconButton icon="x" small label={t('close')} onClick={onDone} />
          {toast.undo && !isHeld ? <span className="left" aria-hidden="true" /> : null}
        </div>
      ) : null}
    </div>
  )
}
