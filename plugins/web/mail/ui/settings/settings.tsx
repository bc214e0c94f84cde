/**
 * The settings: rules, the answer while one is away, identities, images, and what plugins add.
 */
import { type ReactNode, useEffect, useState } from 'react'
import { Icon, type IconName } from '../../../app/ui/icon.tsx'
import { t } from '../../../app/ui/language.ts'
import { loadRules, type Rule, type RulesAnswer, saveRules } from '../../store/rules.ts'
import { useApplication } from '../application.ts'
import { forgetImageSenders, imageSenders } from '../image-senders.ts'
import { ModuleHost, useModules } from '../modules.tsx'
import { Identities } from './identities.tsx'
import { LabelsPage } from './labels.tsx'
import { NotificationsPage } from './notifications.tsx'
import { Page, type RulesProps } from './page.tsx'
import { RulesPage } from './rules-page.tsx'
import './settings.css'
import { VacationPage } from './vacation.tsx'

const PAGES: readonly (readonly [id: string, icon: IconName])[] = [
  ['rules', 'filter'],
  ['vacation', 'clock'],
  ['labels', 'tag'],
  ['identities', 'user'],
  ['images', 'image-off'],
  ['notifications', 'info'],
]

export function Settings({ page, back }: { readonly page: string; readonly back: string }) {
  const added = useModules('settings')
  const module = added.find(({ name }) => `plugin-${name}` === page)
  return (
    <>
      <div className="side settings-nav">
        <nav className="nav" aria-label={t('settings')}>
          <ul>
            <li>
              <a href={back}>
                <Icon name="left" />
                {t('settings.back')}
              </a>
            </li>
            {PAGES.map(([id, icon]) => (
              <li key={id}>
                <a href={`#/settings/${id}`} aria-current={id === page ? 'page' : undefined}>
                  <Icon name={icon} />
                  {t(`settings.${id}`)}
                </a>
              </li>
            ))}
            {added.map(({ name, label }) => (
              <li key={name}>
                <a href={`#/settings/plugin-${name}`} aria-current={`plugin-${name}` === page ? 'page' : undefined}>
                  <Icon name="sliders" />
                  {label}
                </a>
              </li>
            ))}
          </ul>
        </nav>
      </div>
      <main className="settings-page">
        {module ? (
          <Page title={module.label}>
            <ModuleHost module={module} />
          </Page>
        ) : page === 'vacation' ? (
          <WithRules>{(given) => <VacationPage {...given} />}</WithRules>
        ) : page === 'identities' ? (
          <Identities />
        ) : page === 'labels' ? (
          <LabelsPage />
        ) : page === 'notifications' ? (
          <NotificationsPage />
        ) : page === 'images' ? (
          <Images />
        ) : (
          <WithRules>{(given) => <RulesPage {...given} />}</WithRules>
        )}
      </main>
    </>
  )
}

/** Loads the account's rules and stores them; a script of one's own is replaced only when the person says so. */
function WithRules({ children }: { children(given: RulesProps): ReactNode }) {
  const { say } = useApplication()
  const [answer, setAnswer] = useState<RulesAnswer>()
  const [error, setError] = useState('')
  const [isReplacing, setIsReplacing] = useState(false)
  useEffect(() => {
    loadRules().then(setAnswer, (cause: Error) => setError(cause.message))
  }, [])
  const save = async (rules: readonly Rule[]) => {
    try {
      const script = await saveRules(rules, isReplacing)
      setAnswer({ isThere: true, rules, script })
      say({ text: t('settings.saved') })
      return true
    } catch (cause) {
      say({ text: t('failed', { why: (cause as Error).message }), isError: true })
      return false
    }
  }
  if (error) return <Notice title={t('list.error')} text={error} />
  if (!answer) return null
  if (!answer.isThere) return <Notice title={t('rules.none-here')} text={t('rules.none-here.text')} />
  if (answer.rules === null && !isReplacing)
    return (
      <Notice title={t('rules.own-script')} text={t('rules.own-script.text')}>
        <pre className="sieve">{answer.script}</pre>
        <button type="button" className="btn" onClick={() => setIsReplacing(true)}>
          {t('rules.replace')}
        </button>
      </Notice>
    )
  return children({ rules: answer.rules ?? [], script: answer.script ?? '', save })
}

const Notice = ({
  title,
  text,
  children,
}: {
  readonly title: string
  readonly text: string
  readonly children?: ReactNode
}) => (
  <div className="settings-form">
    <h1>{title}</h1>
    <p className="t2">{text}</p>
    {children}
  </div>
)

function Images() {
  const [senders, setSenders] = useState(imageSenders)
  return (
    <Page title={t('settings.images')}>
      <div className="settings-form">
        <p className="t2">{senders.length === 0 ? t('images.none') : t('images.some', { count: senders.length })}</p>
        {senders.length > 0 ? (
          <>
            <ul>
              {senders.map((sender) => (
                <li key={sender}>{sender}</li>
              ))}
            </ul>
            <p>
              <button
                type="button"
                className="btn"
                onClick={() => {
                  forgetImageSenders()
                  setSenders([])
                }}
              >
                {t('images.forget')}
              </button>
            </p>
          </>
        ) : null}
      </div>
    </Page>
  )
}
