/**
 * The frame of the administration: bar, navigation, the screen, the palette, work under way, questions and messages.
 */

import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { isDark, setDensity, setTheme } from '../../app/ui/appearance.ts'
import { IconButton } from '../../app/ui/button.tsx'
import { Brand, Icon } from '../../app/ui/icon.tsx'
import { languageEntries, t } from '../../app/ui/language.ts'
import { MenuButton } from '../../app/ui/menu.tsx'
import { api } from './api.ts'
import { ConfirmDialog, useConfirmation } from './confirm.tsx'
import { count, initials } from './format.ts'
import { Empty } from './parts.tsx'
import { type PluginPage, placesOf } from './places.ts'
import { hrefOf, type Job, type Me, type Shell, ShellContext, usePlace } from './shell.ts'
import { useApi } from './use-api.ts'
import { JobBox } from './work.tsx'

const Palette = lazy(async () => ({ default: (await import('./palette.tsx')).Palette }))
const screens = {
  today: lazy(async () => ({ default: (await import('./screens/today.tsx')).Today })),
  trace: lazy(async () => ({ default: (await import('./screens/trace.tsx')).Trace })),
  queue: lazy(async () => ({ default: (await import('./screens/queue.tsx')).Queue })),
  people: lazy(async () => ({ default: (await import('./screens/people.tsx')).People })),
  domains: lazy(async () => ({ default: (await import('./screens/domains.tsx')).Domains })),
  lists: lazy(async () => ({ default: (await import('./screens/lists.tsx')).Lists })),
  protection: lazy(async () => ({ default: (await import('./screens/protection.tsx')).Protection })),
  components: lazy(async () => ({ default: (await import('./screens/components.tsx')).Components })),
  certificates: lazy(async () => ({ default: (await import('./screens/certificates.tsx')).Certificates })),
  log: lazy(async () => ({ default: (await import('./screens/log.tsx')).LiveLog })),
  metrics: lazy(async () => ({ default: (await import('./screens/metrics.tsx')).Metrics })),
  plugins: lazy(async () => ({ default: (await import('./screens/plugins.tsx')).Plugins })),
  configuration: lazy(async () => ({ default: (await import('./screens/configuration.tsx')).Configuration })),
  commands: lazy(async () => ({ default: (await import('./screens/commands.tsx')).Commands })),
  keys: lazy(async () => ({ default: (await import('./screens/keys.tsx')).Keys })),
  history: lazy(async () => ({ default: (await import('./screens/history.tsx')).History })),
  page: lazy(async () => ({ default: (await import('./screens/plugin-page.tsx')).PluginPageScreen })),
} as const
type ScreenName = keyof typeof screens

const LOOK_MS = 15_000
const SAID_MS = 8000

function useLive(me: Me) {
  const mayQueue = me.permissions.includes('queue:read')
  const hops = useApi<{ total: number }>(mayQueue ? '/api/v1/queue/hops' : undefined, LOOK_MS)
  return { waiting: hops.data?.total ?? 0, isLive: hops.error === undefined }
}

interface Shown {
  readonly id: string
  readonly job: Job
}

interface Said {
  readonly text: string
  readonly isError: boolean
}

export function Administration({ me }: { readonly me: Me }) {
  const [place = ''] = usePlace()
  const places = placesOf(me)
  const here = place === '' ? (places[0]?.id ?? 'none') : place
  const [isOpen, setIsOpen] = useState(false)
  const [isFinding, setIsFinding] = useState(false)
  const [jobs, setJobs] = useState<readonly Shown[]>([])
  const [said, setSaid] = useState<Said>()
  const confirmation = useConfirmation()
  const pages = useApi<{ pages: readonly PluginPage[] }>('/api/v1/pages')
  const live = useLive(me)
  useEffect(() => {
    // Tasks that another page began, or this one before a reload.
    api<{ tasks: readonly { id: string; title: string }[] }>('GET', '/api/v1/tasks').then(
      ({ tasks }) => setJobs(tasks.map(({ id, title }) => ({ id, job: { title, task: id } }))),
      () => undefined,
    )
  }, [])
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return
      event.preventDefault()
      setIsFinding((last) => !last)
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
  useEffect(() => {
    if (!said || said.isError) return
    const timer = setTimeout(() => setSaid(undefined), SAID_MS)
    return () => clearTimeout(timer)
  }, [said])
  const title = places.find((one) => one.id === here)?.title ?? t('Administration')
  useEffect(() => {
    document.title = `${title} · ${me.hostname}`
    setIsOpen(false)
  }, [title, me.hostname])
  const started = useRef(0)
  const run = useCallback((job: Job) => setJobs((last) => [...last, { id: `own-${started.current++}`, job }]), [])
  const say = useCallback((text: string, isError = false) => setSaid({ text, isError }), [])
  const shell = useMemo<Shell>(
    () => ({ me, may: (permission) => me.permissions.includes(permission), say, run, sure: confirmation.sure }),
    [me, say, run, confirmation.sure],
  )
  const isKnown = here === 'page' || places.some((one) => one.id === here)
  const Screen = isKnown ? screens[here as ScreenName] : undefined
  return (
    <ShellContext value={shell}>
      <div className={isOpen ? 'shell open' : 'shell'}>
        <Bar me={me} isLive={live.isLive} onMenu={() => setIsOpen(!isOpen)} onFind={() => setIsFinding(true)} />
        <Navigation me={me} here={here} waiting={live.waiting} pages={pages.data?.pages ?? []} />
        <main key={here}>
          {Screen ? (
            <Suspense fallback={null}>
              <Screen />
            </Suspense>
          ) : (
            <Empty
              title={t('There is no such screen')}
              text={
                places.length === 0
                  ? t('Your role includes no part of the administration.')
                  : t('Choose one from the navigation.')
              }
            />
          )}
        </main>
      </div>
      {isFinding ? (
        <Suspense fallback={null}>
          <Palette places={places} pages={pages.data?.pages ?? []} onClose={() => setIsFinding(false)} />
        </Suspense>
      ) : null}
      {jobs.length > 0 ? (
        <div className="jobs">
          {jobs.map(({ id, job }) => (
            <JobBox key={id} job={job} onClose={() => setJobs((last) => last.filter((one) => one.id !== id))} />
          ))}
        </div>
      ) : null}
      <ConfirmDialog confirmation={confirmation} />
      <div className="toasts" role="status">
        {said ? (
          <div className={said.isError ? 'toast error' : 'toast'}>
            <span>{said.text}</span>
            <IconButton icon="x" small label={t('Close')} onClick={() => setSaid(undefined)} />
          </div>
        ) : null}
      </div>
    </ShellContext>
  )
}

interface BarProps {
  readonly me: Me
  readonly isLive: boolean
  onMenu(): void
  onFind(): void
}

const Bar = ({ me, isLive, onMenu, onFind }: BarProps) => (
  <header className="bar">
    <IconButton icon="menu" className="narrow" label={t('Menu')} onClick={onMenu} />
    <Brand name="IEMS" />
    <span className="t3 wide host">{me.hostname}</span>
    <button type="button" className="find" onClick={onFind}>
      <Icon name="search" small />
      <span className="cut">{t('Address, message, page or command')}</span>
      <kbd className="wide">{t('Ctrl K')}</kbd>
    </button>
    <span className="grow" />
    <span className={isLive ? 'live wide' : 'live off wide'} role="status">
      {isLive ? t('Live') : t('No answer')}
    </span>
    <IconButton icon="theme" label={t('Light or dark')} onClick={() => setTheme(isDark() ? 'light' : 'dark')} />
    <MenuButton
      label={t('Account of {{user}}', { user: me.user })}
      className="me"
      entries={[
        { id: 'system', label: t('Theme: as the system'), run: () => setTheme('system') },
        { id: 'comfortable', label: t('Comfortable rows'), isFirstOfGroup: true, run: () => setDensity('comfortable') },
        { id: 'compact', label: t('Compact rows'), run: () => setDensity('compact') },
        ...languageEntries(),
        {
          id: 'out',
          label: t('Sign out'),
          isFirstOfGroup: true,
          run: () => void api('DELETE', '/api/login').finally(() => location.reload()),
        },
      ]}
    >
      <span className="initials">{initials(me.user)}</span>
    </MenuButton>
  </header>
)

const GROUPS = { overview: '', manage: 'Manage', protection: 'Manage', system: 'System' } as const

function Navigation({
  me,
  here,
  waiting,
  pages,
}: {
  readonly me: Me
  readonly here: string
  readonly waiting: number
  readonly pages: readonly PluginPage[]
}) {
  const [, pageId] = usePlace()
  const places = placesOf(me)
  // Protection has them as its parts, for those who see it.
  const isPart = (page: PluginPage) => page.group === 'protection' && places.some(({ id }) => id === 'protection')
  return (
    <nav className="nav" aria-label={t('Administration')}>
      {(['', 'Manage', 'System'] as const).map((group) => {
        const own = places.filter((place) => place.group === group)
        const added = pages.filter((page) => GROUPS[page.group] === group && !isPart(page))
        if (own.length + added.length === 0) return null
        return (
          <div key={group}>
            {group ? <h2>{t(group)}</h2> : null}
            {own.map(({ id, title, icon }) => (
              <a key={id} href={hrefOf(id)} aria-current={id === here ? 'page' : undefined}>
                <Icon name={icon} />
                {title}
                {id === 'queue' && waiting > 0 ? <span className="n">{count(waiting)}</span> : null}
              </a>
            ))}
            {added.map(({ id, title }) => (
              <a
                key={id}
                href={hrefOf('page', id)}
                aria-current={here === 'page' && pageId === id ? 'page' : undefined}
              >
                <Icon name="tag" />
                {title}
              </a>
            ))}
          </div>
        )
      })}
    </nav>
  )
}
