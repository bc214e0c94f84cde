/**
 * The page: bar, pages by hash, short messages, and the question for the password.
 */
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { isDark, setTheme } from '../../app/ui/appearance.ts'
import { ask, Refused } from '../../app/ui/ask.ts'
import { IconButton } from '../../app/ui/button.tsx'
import { Brand, Icon, type IconName } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { Confirm } from './confirm.tsx'
import { type Account, AccountContext, type Shown } from './context.ts'
import { Addresses } from './pages/addresses.tsx'
import { Data } from './pages/data.tsx'
import { Devices } from './pages/devices.tsx'
import { Junk } from './pages/junk.tsx'
import { Overview } from './pages/overview.tsx'
import { Programs } from './pages/programs.tsx'
import { Security } from './pages/security.tsx'
import { Sessions } from './pages/sessions.tsx'
import { Vacation } from './pages/vacation.tsx'

interface PageEntry {
  readonly id: string
  readonly icon: IconName
  readonly show: () => ReactNode
  /** Only for an account with secrets of its own here. */
  readonly needsSecrets?: true
}

const PAGES: readonly PageEntry[] = [
  { id: 'overview', icon: 'user', show: () => <Overview /> },
  { id: 'security', icon: 'lock', show: () => <Security />, needsSecrets: true },
  { id: 'programs', icon: 'key', show: () => <Programs />, needsSecrets: true },
  { id: 'sessions', icon: 'globe', show: () => <Sessions /> },
  { id: 'addresses', icon: 'forward', show: () => <Addresses /> },
  { id: 'vacation', icon: 'clock', show: () => <Vacation /> },
  { id: 'junk', icon: 'junk', show: () => <Junk /> },
  { id: 'devices', icon: 'server', show: () => <Devices /> },
  { id: 'data', icon: 'download', show: () => <Data /> },
]

const useHash = (): string =>
  useSyncExternalStore(
    (changed) => {
      addEventListener('hashchange', changed)
      return () => removeEventListener('hashchange', changed)
    },
    () => location.hash,
  )

interface Said {
  readonly text: string
  readonly isError: boolean
}
const SAID_MS = 10_000

/** Runs changes, with the question for the password in between. */
function useChanges(account: Shown, reload: () => Promise<void>) {
  const [said, setSaid] = useState<Said>()
  const [isAsking, setIsAsking] = useState(false)
  const answer = useRef<(isConfirmed: boolean) => void>(() => {})
  const question = useCallback(
    () =>
      new Promise<boolean>((resolve) => {
        answer.current = resolve
        setIsAsking(true)
      }),
    [],
  )
  const value = useMemo<Account>(() => {
    const say = (text: string, isError = false) => setSaid({ text, isError })
    const attempt = async (work: () => Promise<unknown>, done: string | undefined): Promise<boolean> => {
      try {
        await work()
        if (done !== undefined) say(done)
        return true
      } catch (cause) {
        if (cause instanceof Refused && cause.needs === 'confirmation')
          return (await question()) ? attempt(work, done) : false
        if (cause instanceof Refused && cause.status === 401) await reload()
        if ((cause as Error).name !== 'NotAllowedError') say((cause as Error).message, true)
        return false
      }
    }
    return {
      account,
      reload,
      say,
      change: attempt,
      confirm: async () => account.isFresh || question(),
    }
  }, [account, reload, question])
  const asked = (isConfirmed: boolean) => {
    setIsAsking(false)
    answer.current(isConfirmed)
  }
  return { value, said, setSaid, isAsking, asked }
}

export function AccountApp({ account, reload }: { readonly account: Shown; reload(): Promise<void> }) {
  const { value, said, setSaid, isAsking, asked } = useChanges(account, reload)
  const pages = PAGES.filter(({ needsSecrets }) => !needsSecrets || account.secrets)
  const wanted = useHash().replace(/^#\//, '')
  const page = pages.find(({ id }) => id === wanted) ?? (pages[0] as PageEntry)
  const main = useRef<HTMLElement>(null)
  useEffect(() => {
    document.title = `${t(`page.${page.id}`)} · ${t('title')}`
    main.current?.scrollTo(0, 0)
    // On phones the pages are in a row.
    document.querySelector('.nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [page.id])
  useEffect(() => {
    const timer = said && !said.isError ? setTimeout(() => setSaid(undefined), SAID_MS) : undefined
    return () => clearTimeout(timer)
  }, [said, setSaid])
  const leave = async () => {
    await ask('DELETE', '/api/login').catch(() => undefined)
    await reload()
  }
  return (
    <AccountContext value={value}>
      <div className="shell account">
        <header className="bar">
          <Brand name={t('title')} />
          <span className="t3 wide cut">{account.addresses[0] ?? account.name}</span>
          <span className="grow" />
          <IconButton icon="theme" label={t('theme.toggle')} onClick={() => setTheme(isDark() ? 'light' : 'dark')} />
          <button type="button" className="btn" onClick={() => void leave()}>
            {t('leave')}
          </button>
        </header>
        <nav className="nav" aria-label={t('title')}>
          <ul>
            <li>
              <a href="/mail/">
                <Icon name="left" />
                {t('to-mail')}
              </a>
            </li>
            {pages.map(({ id, icon }) => (
              <li key={id}>
                <a href={`#/${id}`} aria-current={id === page.id ? 'page' : undefined}>
                  <Icon name={icon} />
                  {t(`page.${id}`)}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <main ref={main} key={page.id}>
          {page.show()}
        </main>
        <div className="toasts" role="status">
          {said ? (
            <div className={said.isError ? 'toast error' : 'toast'}>
              <span>{said.text}</span>
              <IconButton icon="x" label={t('close')} small onClick={() => setSaid(undefined)} />
            </div>
          ) : null}
        </div>
        {isAsking ? <Confirm onDone={asked} /> : null}
      </div>
    </AccountContext>
  )
}
