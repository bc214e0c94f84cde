/** Setting up mail programs: the servers, step by step for the usual programs, QR codes for phones. */
import { useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import { type Shown, useAccount } from '../context.ts'
import { Page, Section } from '../parts.tsx'
import { Qr } from '../qr.tsx'

const PROGRAMS = ['thunderbird', 'outlook', 'ios', 'android'] as const
type Program = (typeof PROGRAMS)[number]
const STEPS = 4

/** Codes of Thunderbird's "Export for mobile": IMAP and SMTP, how they connect, a password. */
const SECURITY = { none: 0, starttls: 2, tls: 3 } as const
const PASSWORD = 1

/** The account as Thunderbird for Android and iOS reads it from a QR code; the password is typed there. */
function thunderbirdCode({ name, addresses, displayName, servers }: Shown): string {
  const { imap, smtp } = servers
  const address = addresses[0] ?? name
  const incoming = [0, imap.host, imap.port, SECURITY[imap.security], PASSWORD, name, address]
  const outgoing = [0, smtp.host, smtp.port, SECURITY[smtp.security], PASSWORD, name]
  return JSON.stringify([1, [1, 1], incoming, [[outgoing, [address, displayName]]]])
}

export function Devices() {
  const { account } = useAccount()
  const { servers, name, profile } = account
  const [program, setProgram] = useState<Program>('thunderbird')
  const here = new URL('#/devices', location.href).href
  return (
    <Page title={t('page.devices')}>
      <Section
        title={t('devices.servers')}
        hint={account.secrets?.hasTotp ? t('devices.app-password') : t('devices.hint')}
      >
        <div className="two">
          {(['imap', 'smtp'] as const).map((kind) => (
            <section key={kind} aria-label={t(`devices.${kind}`)}>
              <h3>{t(`devices.${kind}`)}</h3>
              <dl className="facts">
                <dt>{t('devices.server')}</dt>
                <dd>{servers[kind].host}</dd>
                <dt>{t('devices.port')}</dt>
                <dd>{servers[kind].port}</dd>
                <dt>{t('devices.security')}</dt>
                <dd>{t(`devices.${servers[kind].security}`)}</dd>
                <dt>{t('devices.user')}</dt>
                <dd>{name}</dd>
              </dl>
            </section>
          ))}
        </div>
      </Section>
      <Section title={t('devices.help')}>
        <div className="seg" role="group" aria-label={t('devices.program')}>
          {PROGRAMS.map((one) => (
            <button key={one} type="button" aria-pressed={one === program} onClick={() => setProgram(one)}>
              {t(`devices.${one}`)}
            </button>
          ))}
        </div>
        <div className="guide">
          <ol>
            {Array.from({ length: STEPS }, (_, index) =>
              t(`devices.${program}.${index + 1}`, { name, defaultValue: '' }),
            )
              .filter((text) => text !== '')
              .map((text) => (
                <li key={text}>{text}</li>
              ))}
          </ol>
          {program === 'ios' && profile ? (
            <p>
              <a className="btn main" href={profile}>
                {t('devices.profile')}
              </a>
            </p>
          ) : null}
          {program === 'ios' ? <Qr text={here} label={t('devices.qr.page')} /> : null}
          {program === 'android' ? <Qr text={thunderbirdCode(account)} label={t('devices.qr.android')} /> : null}
        </div>
      </Section>
    </Page>
  )
}
