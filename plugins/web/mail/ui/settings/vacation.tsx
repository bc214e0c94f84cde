/** The answer while one is away: on or off, from when to when, and what it says. */
import { type FormEvent, useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import { vacationOf, withVacation } from '../../store/rules.ts'
import { useApplication } from '../application.ts'
import { Page, type RulesProps } from './page.tsx'

export function VacationPage({ rules, save }: RulesProps) {
  const { store } = useApplication()
  const [vacation, setVacation] = useState(() => vacationOf(rules))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    void save(
      withVacation(
        rules,
        vacation,
        store.identities.map(({ email }) => email),
      ),
    )
  }
  const change = (patch: Partial<typeof vacation>) => setVacation({ ...vacation, ...patch })
  return (
    <form onSubmit={submit}>
      <Page
        title={t('settings.vacation')}
        end={
          <button type="submit" className="btn main" disabled={vacation.isOn && vacation.text.trim() === ''}>
            {t('settings.save')}
          </button>
        }
      >
        <div className="settings-form">
          <label className="row">
            <input
              type="checkbox"
              className="sw"
              checked={vacation.isOn}
              onChange={({ target }) => change({ isOn: target.checked })}
            />
            <span>{t('vacation.on')}</span>
          </label>
          <div className="two">
            <div className="field">
              <label htmlFor="vacation-from">{t('vacation.from')}</label>
              <input
                id="vacation-from"
                type="date"
                value={vacation.from}
                onChange={({ target }) => change({ from: target.value })}
              />
            </div>
            <div className="field">
              <label htmlFor="vacation-until">{t('vacation.until')}</label>
              <input
                id="vacation-until"
                type="date"
                value={vacation.until}
                onChange={({ target }) => change({ until: target.value })}
              />
            </div>
          </div>
          <div className="field">
            <label htmlFor="vacation-subject">{t('compose.subject')}</label>
            <input
              id="vacation-subject"
              value={vacation.subject}
              maxLength={500}
              onChange={({ target }) => change({ subject: target.value })}
            />
          </div>
          <div className="field">
            <label htmlFor="vacation-text">{t('compose.text')}</label>
            <textarea
              id="vacation-text"
              value={vacation.text}
              maxLength={100_000}
              onChange={({ target }) => change({ text: target.value })}
            />
            <span className="hint">{t('vacation.hint')}</span>
          </div>
        </div>
      </Page>
    </form>
  )
}
