/** The account and its storage. */
import { accountLanguage, LANGUAGES, setAccountLanguage, t } from '../../../app/ui/language.ts'
import { useAccount, useLoaded } from '../context.ts'
import { Jmap } from '../jmap.ts'
import { Page, Problem, Section, sizeOf } from '../parts.tsx'

interface Quota {
  readonly resourceType: 'octets' | 'count'
  readonly used: number
  readonly hardLimit: number
}

async function quotas(): Promise<readonly Quota[]> {
  const jmap = await Jmap.open()
  return jmap.has('quota')
    ? (await jmap.call<{ list: readonly Quota[] }>('quota', 'Quota/get', { ids: null })).list
    : []
}

const FULL = 95
const NEARLY = 80

export function Overview() {
  const { account } = useAccount()
  const { value, error } = useLoaded(quotas)
  return (
    <Page title={t('page.overview')}>
      <Section title={account.displayName}>
        <dl className="facts">
          <dt>{t('overview.name')}</dt>
          <dd>{account.name}</dd>
          <dt>{t('overview.addresses')}</dt>
          <dd>
            <ul>
              {account.addresses.map((address) => (
                <li key={address}>{address}</li>
              ))}
            </ul>
          </dd>
          {account.secrets ? (
            <>
              <dt>{t('security.totp')}</dt>
              <dd>
                {account.secrets.hasTotp ? (
                  <span className="tag good">{t('on')}</span>
                ) : (
                  <a href="#/security">{t('overview.no-totp')}</a>
                )}
              </dd>
            </>
          ) : null}
        </dl>
      </Section>
      <Section title={t('overview.storage')}>
        <Problem text={error} />
        {value?.length === 0 ? <p className="t2">{t('overview.no-limit')}</p> : null}
        {value?.map(({ resourceType, used, hardLimit }) => {
          const share = hardLimit === 0 ? 100 : Math.min(100, Math.round((used / hardLimit) * 100))
          const tone = share >= FULL ? ' bad' : share >= NEARLY ? ' warn' : ''
          const text =
            resourceType === 'octets'
              ? t('overview.octets', { used: sizeOf(used), limit: sizeOf(hardLimit) })
              : t('overview.messages', { used, limit: hardLimit })
          return (
            <div key={resourceType} className="quota">
              <meter className="sr" min={0} max={100} value={share} aria-label={text} />
              <svg className={`gauge${tone}`} viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
                <rect width={share} height="4" />
              </svg>
              <p>{text}</p>
            </div>
          )
        })}
      </Section>
      <LanguageSetting />
    </Page>
  )
}

function LanguageSetting() {
  const { change } = useAccount()
  const { value, error } = useLoaded(accountLanguage)
  return (
    <Section title={t('language')} hint={value?.isKept === false ? t('language.here') : t('language.hint')}>
      <Problem text={error} />
      {value ? (
        <div className="field">
          <label htmlFor="language">{t('language.of')}</label>
          <select
            id="language"
            value={LANGUAGES.find(([code]) => code === value.language)?.[0] ?? ''}
            onChange={({ target }) => {
              const chosen = LANGUAGES.find(([code]) => code === target.value)?.[0]
              void change(() => setAccountLanguage(chosen))
            }}
          >
            <option value="">{t('language.automatic')}</option>
            {LANGUAGES.map(([code, name]) => (
              <option key={code} value={code} lang={code}>
                {name}
              </option>
            ))}
          </select>
        </div>
      ) : null}
    </Section>
  )
}
