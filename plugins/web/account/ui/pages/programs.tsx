/** Passwords for programs: each for its protocols, shown once. */
import { type FormEvent, useState } from 'react'
import { ask } from '../../../app/ui/ask.ts'
import { t } from '../../../app/ui/language.ts'
import { useAccount, useLoaded } from '../context.ts'
import { dateOf, Page, Problem, Rows, Section } from '../parts.tsx'

const SCOPES = ['imap', 'smtp', 'pop3', 'sieve', 'web', 'ldap'] as const
const USUAL: readonly string[] = ['imap', 'smtp']

interface AppPassword {
  readonly id: string
  readonly name: string
  readonly scopes: readonly string[]
  readonly created: number
  readonly expires?: number
}

export function Programs() {
  const { change } = useAccount()
  const { value, error, again } = useLoaded(() => ask<readonly AppPassword[]>('GET', '/api/account/app-passwords'))
  const [made, setMade] = useState<{ readonly name: string; readonly password: string }>()
  const add = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const given = new FormData(form)
    const [name, scopes] = [String(given.get('app-name')).trim(), given.getAll('scope')]
    const isMade = await change(async () => {
      const answer = await ask<{ password: string }>('POST', '/api/account/app-passwords', { name, scopes })
      setMade({ name, password: answer.password })
    })
    if (isMade) form.reset()
    await again()
  }
  const remove = async (id: string) => {
    await change(() => ask('DELETE', `/api/account/app-passwords/${id}`), t('removed'))
    setMade(undefined)
    await again()
  }
  const factsOf = ({ scopes, created, expires }: AppPassword) =>
    [
      scopes.map((scope) => t(`scope.${scope}`)).join(', '),
      t('programs.created', { created: dateOf(created) }),
      ...(expires === undefined ? [] : [t('programs.expires', { expires: dateOf(expires) })]),
    ].join(' · ')
  return (
    <Page title={t('page.programs')}>
      <Section title={t('programs.yours')} hint={t('programs.hint')}>
        <Problem text={error} />
        {made ? (
          <div className="made" role="status">
            <p>{t('programs.made', { name: made.name })}</p>
            <p className="mono secret">{made.password}</p>
            {/* Absent from a page that came without TLS. */}
            {navigator.clipboard ? (
              <button
                type="button"
                className="btn small"
                onClick={() => void change(() => navigator.clipboard.writeText(made.password), t('copied'))}
              >
                {t('copy')}
              </button>
            ) : null}
          </div>
        ) : null}
        <Rows
          rows={value?.map((one) => ({
            ...{ id: one.id, name: one.name, facts: factsOf(one) },
            ...{ action: t('remove'), act: () => void remove(one.id) },
          }))}
          empty={t('programs.none')}
        />
      </Section>
      <Section title={t('programs.new')}>
        <form onSubmit={(event) => void add(event)}>
          <div className="field">
            <label htmlFor="app-name">{t('name')}</label>
            <input id="app-name" name="app-name" maxLength={100} placeholder={t('programs.example')} required />
          </div>
          <fieldset className="checks">
            <legend>{t('programs.for')}</legend>
            {SCOPES.map((scope) => (
              <label key={scope} className="row">
                <input
                  type="checkbox"
                  className="cb"
                  name="scope"
                  value={scope}
                  defaultChecked={USUAL.includes(scope)}
                />
                {t(`scope.${scope}`)}
              </label>
            ))}
          </fieldset>
          <button type="submit" className="btn main">
            {t('programs.make')}
          </button>
        </form>
      </Section>
    </Page>
  )
}
