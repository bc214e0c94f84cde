/** Browsers that are logged in; each can be ended. */
import { ask } from '../../../app/ui/ask.ts'
import { t } from '../../../app/ui/language.ts'
import { useAccount, useLoaded } from '../context.ts'
import { dateOf, Page, Problem, Rows, Section } from '../parts.tsx'

interface Session {
  readonly id: string
  readonly created: number
  readonly seen: number
  readonly address: string
  readonly agent: string
  readonly current: boolean
}

const BROWSERS = ['Edg', 'OPR', 'Firefox', 'Chrome', 'Safari', 'curl'] as const
const NAMES: Readonly<Record<string, string>> = { Edg: 'Edge', OPR: 'Opera' }
const SYSTEMS = ['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS', 'Linux'] as const

/** `Firefox, Linux`, or what the browser calls itself. */
function deviceOf(agent: string): string {
  const browser = BROWSERS.find((one) => agent.includes(one))
  const system = SYSTEMS.find((one) => agent.includes(one))
  const known = [browser && (NAMES[browser] ?? browser), system].filter((one) => one !== undefined)
  return known.length > 0 ? known.join(', ') : agent || t('sessions.unknown')
}

export function Sessions() {
  const { change } = useAccount()
  const { value, error, again } = useLoaded(() => ask<readonly Session[]>('GET', '/api/logins'))
  const end = async (ids: readonly string[]) => {
    await change(async () => {
      for (const id of ids) await ask('DELETE', `/api/logins/${id}`)
    }, t('sessions.done'))
    await again()
  }
  const others = (value ?? []).filter(({ current }) => !current).map(({ id }) => id)
  return (
    <Page title={t('page.sessions')}>
      <Section title={t('sessions.browsers')} hint={t('sessions.hint')}>
        <Problem text={error} />
        <Rows
          rows={value?.toReversed().map(({ id, created, seen, address, agent, current }) => ({
            ...{ id, name: deviceOf(agent) },
            facts: t('sessions.facts', { address, created: dateOf(created), seen: dateOf(seen) }),
            ...(current ? { tag: t('sessions.this') } : { action: t('sessions.end'), act: () => void end([id]) }),
          }))}
          empty={t('sessions.none')}
        />
        {others.length > 0 ? (
          <p>
            <button type="button" className="btn" onClick={() => void end(others)}>
              {t('sessions.end-all')}
            </button>
          </p>
        ) : null}
      </Section>
    </Page>
  )
}
