/** Addresses of the account, those it may take itself, and where its mail is forwarded to. */
import { type FormEvent, useState } from 'react'
import { ask } from '../../../app/ui/ask.ts'
import { t } from '../../../app/ui/language.ts'
import { type Shown, useAccount } from '../context.ts'
import { Page, Rows, Section } from '../parts.tsx'

export function Addresses() {
  const { account } = useAccount()
  return (
    <Page title={t('page.addresses')}>
      <OwnAddresses />
      {account.forward ? <Forward forward={account.forward} /> : <p className="t2 alone">{t('forward.none')}</p>}
    </Page>
  )
}

function OwnAddresses() {
  const { account, change, reload } = useAccount()
  const { addresses, aliases } = account
  const add = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const given = new FormData(form)
    const address = `${String(given.get('local')).trim()}@${String(given.get('domain'))}`
    if (await change(() => ask('POST', '/api/account/addresses', { address }), t('aliases.done'))) form.reset()
    await reload()
  }
  const remove = async (address: string) => {
    await change(() => ask('DELETE', `/api/account/addresses/${encodeURIComponent(address)}`), t('removed'))
    await reload()
  }
  const isOwn = (address: string) => aliases?.own.some((one) => one.toLowerCase() === address.toLowerCase()) === true
  return (
    <Section title={t('aliases')} hint={aliases ? t('aliases.hint', { count: aliases.max }) : t('aliases.by-admin')}>
      <Rows
        rows={addresses.map((address, index) => ({
          ...{ id: address, name: address },
          facts: isOwn(address) ? t('aliases.own') : index === 0 ? t('aliases.first') : t('aliases.given'),
          ...(isOwn(address) ? { action: t('remove'), act: () => void remove(address) } : {}),
        }))}
        empty={t('aliases.none')}
      />
      {aliases && aliases.own.length < aliases.max ? (
        <form className="inline" onSubmit={(event) => void add(event)}>
          <div className="field">
            <label htmlFor="local">{t('aliases.local')}</label>
            <input id="local" name="local" autoCapitalize="none" spellCheck={false} maxLength={64} required />
          </div>
          <div className="field">
            <label htmlFor="domain">{t('aliases.domain')}</label>
            <select id="domain" name="domain">
              {aliases.domains.map((domain) => (
                <option key={domain} value={domain}>
                  @{domain}
                </option>
              ))}
            </select>
          </div>
          <button type="submit" className="btn">
            {t('aliases.add')}
          </button>
        </form>
      ) : null}
    </Section>
  )
}

function Forward({ forward }: { readonly forward: NonNullable<Shown['forward']> }) {
  const { change, reload } = useAccount()
  const [to, setTo] = useState(forward.to.join('\n'))
  const [keep, setKeep] = useState(forward.keep)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const targets = to.split(/[\s,;]+/).filter((one) => one !== '')
    if (await change(() => ask('PUT', '/api/account/forward', { to: targets, keep }), t('saved'))) await reload()
  }
  return (
    <Section title={t('forward')} hint={t('forward.hint')}>
      <form onSubmit={(event) => void submit(event)}>
        <div className="field">
          <label htmlFor="forward-to">{t('forward.to')}</label>
          <textarea
            id="forward-to"
            rows={3}
            value={to}
            spellCheck={false}
            onChange={({ target }) => setTo(target.value)}
          />
        </div>
        <label className="row">
          <input type="checkbox" className="sw" checked={keep} onChange={({ target }) => setKeep(target.checked)} />
          <span>{t('forward.keep')}</span>
        </label>
        <button type="submit" className="btn main">
          {t('save')}
        </button>
      </form>
    </Section>
  )
}
