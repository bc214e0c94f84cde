/** Password, second factor and passkeys. */
import { type FormEvent, useState } from 'react'
import { ask } from '../../../app/ui/ask.ts'
import { t } from '../../../app/ui/language.ts'
import { hasPasskeys, makePasskey } from '../../../app/ui/passkey.ts'
import { useAccount, useLoaded } from '../context.ts'
import { dateOf, Page, Problem, Rows, Section } from '../parts.tsx'
import { Qr } from '../qr.tsx'

export const Security = () => (
  <Page title={t('page.security')}>
    <Password />
    <SecondFactor />
    <Passkeys />
  </Page>
)

function Password() {
  const { change } = useAccount()
  const [error, setError] = useState('')
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const given = new FormData(form)
    const password = String(given.get('new-password'))
    setError(password === given.get('again') ? '' : t('password.differs'))
    if (password !== given.get('again')) return
    if (await change(() => ask('PUT', '/api/account/password', { password }), t('password.done'))) form.reset()
  }
  return (
    <Section title={t('sign-in.password')} hint={t('password.hint')}>
      <form onSubmit={(event) => void submit(event)}>
        <div className="field">
          <label htmlFor="new-password">{t('password.new')}</label>
          <input id="new-password" name="new-password" type="password" autoComplete="new-password" required />
        </div>
        <div className={error ? 'field err' : 'field'}>
          <label htmlFor="again">{t('password.again')}</label>
          <input
            id="again"
            name="again"
            type="password"
            autoComplete="new-password"
            required
            aria-invalid={error !== ''}
            aria-describedby="again-error"
          />
          <span className="msg" id="again-error" role="alert">
            {error}
          </span>
        </div>
        <button type="submit" className="btn main">
          {t('password.set')}
        </button>
      </form>
    </Section>
  )
}

interface Started {
  readonly secret: string
  readonly uri: string
}

function SecondFactor() {
  const { account, change, reload } = useAccount()
  const [started, setStarted] = useState<Started>()
  const begin = () => change(async () => setStarted(await ask<Started>('POST', '/api/account/second-factor')))
  const end = async () => {
    if (await change(() => ask('DELETE', '/api/account/second-factor'), t('totp.removed'))) await reload()
  }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const code = String(new FormData(event.currentTarget).get('code')).trim()
    if (!(await change(() => ask('PUT', '/api/account/second-factor', { code }), t('totp.done')))) return
    setStarted(undefined)
    await reload()
  }
  return (
    <Section title={t('security.totp')} hint={t('totp.hint')}>
      {account.secrets?.hasTotp ? (
        <p className="row">
          <span className="tag good">{t('on')}</span>
          <button type="button" className="btn" onClick={() => void end()}>
            {t('totp.remove')}
          </button>
        </p>
      ) : started ? (
        <form className="totp" onSubmit={(event) => void submit(event)}>
          <Qr text={started.uri} label={t('totp.qr')} />
          <div>
            <p>{t('totp.scan')}</p>
            <p className="mono secret">{started.secret.match(/.{1,4}/g)?.join(' ')}</p>
            <div className="field">
              <label htmlFor="code">{t('totp.code')}</label>
              <input id="code" name="code" inputMode="numeric" autoComplete="one-time-code" required />
            </div>
            <p className="row">
              <button type="submit" className="btn main">
                {t('totp.confirm')}
              </button>
              <button type="button" className="btn" onClick={() => setStarted(undefined)}>
                {t('cancel')}
              </button>
            </p>
          </div>
        </form>
      ) : (
        <p>
          <button type="button" className="btn" onClick={() => void begin()}>
            {t('totp.start')}
          </button>
        </p>
      )}
    </Section>
  )
}

interface Passkey {
  readonly id: string
  readonly name: string
  readonly host: string
  readonly created: number
  readonly used?: number
}

function Passkeys() {
  const { change } = useAccount()
  const { value, error, again } = useLoaded(() => ask<readonly Passkey[]>('GET', '/api/passkeys'))
  const add = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const name = String(new FormData(form).get('passkey-name')).trim()
    if (await change(() => makePasskey(name), t('passkeys.done'))) form.reset()
    await again()
  }
  const remove = async (id: string) => {
    await change(() => ask('DELETE', `/api/passkeys/${encodeURIComponent(id)}`), t('removed'))
    await again()
  }
  return (
    <Section title={t('passkeys')} hint={t('passkeys.hint')}>
      <Problem text={error} />
      <Rows
        rows={value?.map(({ id, name, host, created, used }) => ({
          ...{ id, name, action: t('remove'), act: () => void remove(id) },
          facts:
            used === undefined
              ? t('passkeys.unused', { host, created: dateOf(created) })
              : t('passkeys.used', { host, used: dateOf(used) }),
        }))}
        empty={t('passkeys.none')}
      />
      {hasPasskeys() ? (
        <form className="inline" onSubmit={(event) => void add(event)}>
          <div className="field">
            <label htmlFor="passkey-name">{t('name')}</label>
            <input id="passkey-name" name="passkey-name" maxLength={100} placeholder={t('passkeys.example')} required />
          </div>
          <button type="submit" className="btn">
            {t('passkeys.add')}
          </button>
        </form>
      ) : (
        <p className="t3">{t('passkeys.impossible')}</p>
      )}
    </Section>
  )
}
