/** Notifications of new mail on this device: off, on, or on with the sender and the subject. */
import { useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import { useApplication } from '../application.ts'
import { canNotify, keptNotifications, showContent, startNotifications, stopNotifications } from '../notifications.ts'
import { Page } from './page.tsx'

export function NotificationsPage() {
  const { home, say } = useApplication()
  const [kept, setKept] = useState(keptNotifications)
  const [isBusy, setIsBusy] = useState(false)
  const change = async (run: () => Promise<void>) => {
    setIsBusy(true)
    try {
      await run()
    } catch (cause) {
      await stopNotifications(home).catch(() => undefined)
      say({ text: t('notify.failed', { why: (cause as Error).message }), isError: true })
    }
    setKept(keptNotifications())
    setIsBusy(false)
  }
  return (
    <Page title={t('settings.notifications')}>
      {canNotify() ? (
        <div className="settings-form">
          <label className="row">
            <input
              type="checkbox"
              className="sw"
              checked={kept !== undefined}
              disabled={isBusy}
              onChange={({ target }) =>
                void change(() => (target.checked ? startNotifications(home, false) : stopNotifications(home)))
              }
            />
            <span>
              {t('notify.on')}
              <br />
              <span className="sm t3">{t('notify.hint')}</span>
            </span>
          </label>
          <label className="row">
            <input
              type="checkbox"
              className="sw"
              checked={kept?.isShown ?? false}
              disabled={isBusy || kept === undefined}
              onChange={({ target }) => void change(() => showContent(home, target.checked))}
            />
            <span>
              {t('notify.content')}
              <br />
              <span className="sm t3">{t('notify.content.hint')}</span>
            </span>
          </label>
        </div>
      ) : (
        <p className="t2">{t('notify.none')}</p>
      )}
    </Page>
  )
}
