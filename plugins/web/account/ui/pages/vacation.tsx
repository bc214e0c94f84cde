/** The answer while one is away (VacationResponse of JMAP). */
import { type FormEvent, useEffect, useState } from 'react'
import { fromServer } from '../../../app/ui/from-server.ts'
import { t } from '../../../app/ui/language.ts'
import { useAccount, useLoaded } from '../context.ts'
import { Jmap, type JmapError } from '../jmap.ts'
import { Page, Problem, Section } from '../parts.tsx'

interface Response {
  readonly isEnabled: boolean
  readonly fromDate: string | null
  readonly toDate: string | null
  readonly subject: string | null
  readonly textBody: string | null
}

const CAPABILITY = 'vacationresponse'

/** Null: this server sends no such answers. */
async function load(): Promise<Response | null> {
  const jmap = await Jmap.open()
  if (!jmap.has(CAPABILITY)) return null
  const { list } = await jmap.call<{ list: readonly Response[] }>(CAPABILITY, 'VacationResponse/get', { ids: null })
  return list[0] ?? null
}

async function save(response: Response): Promise<void> {
  const jmap = await Jmap.open()
  const { notUpdated } = await jmap.call<{ notUpdated: { singleton?: JmapError } | null }>(
    CAPABILITY,
    'VacationResponse/set',
    { update: { singleton: response } },
  )
  const error = notUpdated?.singleton
  if (error) throw new Error(fromServer(error.description ?? error.type))
}

/** Between UTC and the field's local time. */
const toField = (date: string | null): string => {
  if (date === null) return ''
  const at = new Date(date)
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}
const fromField = (text: string): string | null =>
  text === '' ? null : `${new Date(text).toISOString().slice(0, 19)}Z`

export function Vacation() {
  const { change } = useAccount()
  const { value, error } = useLoaded(load)
  const [response, setResponse] = useState<Response>()
  useEffect(() => {
    if (value) setResponse(value)
  }, [value])
  const edit = (patch: Partial<Response>) => setResponse((before) => (before ? { ...before, ...patch } : before))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!response) return
    const { isEnabled, fromDate, toDate, subject, textBody } = response
    void change(
      () => save({ isEnabled, fromDate, toDate, subject: subject || null, textBody: textBody || null }),
      t('saved'),
    )
  }
  return (
    <Page title={t('page.vacation')}>
      <Section title={t('vacation.title')} hint={t('vacation.hint')}>
        <Problem text={error} />
        {value === null ? <p className="t2">{t('vacation.impossible')}</p> : null}
        {response ? (
          <form onSubmit={submit}>
            <label className="row">
              <input
                type="checkbox"
                className="sw"
                checked={response.isEnabled}
                onChange={({ target }) => edit({ isEnabled: target.checked })}
              />
              <span>{t('vacation.on')}</span>
            </label>
            <div className="two">
              {(['fromDate', 'toDate'] as const).map((name) => (
                <div className="field" key={name}>
                  <label htmlFor={name}>{t(`vacation.${name}`)}</label>
                  <input
                    id={name}
                    type="datetime-local"
                    value={toField(response[name])}
                    onChange={({ target }) => edit({ [name]: fromField(target.value) })}
                  />
                </div>
              ))}
            </div>
            <div className="field">
              <label htmlFor="subject">{t('vacation.subject')}</label>
              <input
                id="subject"
                maxLength={500}
                value={response.subject ?? ''}
                onChange={({ target }) => edit({ subject: target.value })}
              />
            </div>
            <div className="field">
              <label htmlFor="text">{t('vacation.text')}</label>
              <textarea
                id="text"
                rows={7}
                maxLength={100_000}
                value={response.textBody ?? ''}
                onChange={({ target }) => edit({ textBody: target.value })}
              />
            </div>
            <button type="submit" className="btn main" disabled={response.isEnabled && !response.textBody?.trim()}>
              {t('save')}
            </button>
          </form>
        ) : null}
      </Section>
    </Page>
  )
}
