/**
 * The whole page: bar, mailboxes, list, conversation, composers, and what is said at the bottom.
 */

import { lazy, Suspense, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { t } from '../../app/ui/language.ts'
import { type Draft, emptyDraft } from '../store/compose.ts'
import type { MailStore } from '../store/mail-store.ts'
import { keepLive } from '../store/push.ts'
import { uuid } from '../store/uuid.ts'
import { type Acts, createActs, reasonOf } from './acts.ts'
import { type Application, ApplicationContext, type Toast, useStore } from './application.ts'
import { Bar, BottomBar, Offline } from './bar.tsx'
import { Drawer } from './drawer.tsx'
import { mailboxName } from './format.ts'
import { KeyHelp } from './key-help.tsx'
import { useKeys } from './keys.ts'
import { MailList } from './list.tsx'
import { loadModules } from './modules.tsx'
import { go, hrefOf, readRoute, useHash } from './route.ts'
import { Toasts } from './toasts.tsx'
import { Tree } from './tree.tsx'
import { useShared } from './use-shared.ts'

const Conversation = lazy(async () => ({ default: (await import('./conversation.tsx')).Conversation }))
const Settings = lazy(async () => ({ default: (await import('./settings/settings.tsx')).Settings }))
const Contacts = lazy(async () => ({ default: (await import('./contacts/contacts.tsx')).Contacts }))
const Composer = lazy(async () => ({ default: (await import('./composer.tsx')).Composer }))

export interface MailProps {
  readonly store: MailStore
  onEnded(): void
}

const MAX_COMPOSERS = 3
const TYPES = 'Email,Mailbox,EmailSubmission,EmailLabel,ConversationSnooze,ShareNotification'

/** Open composers, and the draft that this device kept from an earlier session. */
function useComposers(store: MailStore, say: (toast: Toast) => void) {
  const [open, setOpen] = useState<readonly Draft[]>([])
  const compose = useCallback(
    (draft?: Draft) =>
      setOpen((drafts) => {
        const next = draft ?? emptyDraft(uuid(), store.identities[0])
        return [...drafts.filter(({ key }) => key !== next.key), next].slice(-MAX_COMPOSERS)
      }),
    [store],
  )
  const close = useCallback((key: string) => setOpen((drafts) => drafts.filter((one) => one.key !== key)), [])
  useEffect(() => {
    const restore = async () => {
      const { keptDrafts } = await import('./draft-box.ts')
      const kept = await keptDrafts(store.client.account)
      for (const { draft } of kept.slice(-MAX_COMPOSERS)) compose(draft)
      if (kept.length > 0) say({ text: t('compose.restored') })
    }
    restore().catch(() => undefined)
  }, [store, compose, say])
  return { open, compose, close }
}

export function Mail({ store, onEnded }: MailProps) {
  useStore(store)
  const [toast, setToast] = useState<Toast>()
  const say = useCallback((next: Toast) => setToast(next), [])
  const { open, compose, close } = useComposers(store, say)
  const { shared, refresh } = useShared(store)
  const retry = useLive(store, shared, refresh)
  useOffline(store)
  useEffect(() => {
    if (store.status === 'login') onEnded()
  })
  const app = useMemo<Application>(
    () => ({
      store,
      home: store,
      shared,
      own: store.identities.map(({ email }) => email.toLowerCase()),
      say,
      compose,
      modules: loadModules(),
      async perform(action, text) {
        // The undo is there at once, and waits for the action itself.
        say({ text, undo: async () => (await action)() })
        try {
          await action
        } catch (cause) {
          say({ text: reasonOf(cause as Error), isError: true })
        }
      },
      async reply(kind, email) {
        const { draftOfReply } = await import('./replies.ts')
        compose(await draftOfReply({ store, home: store }, kind, email))
      },
    }),
    [store, shared, say, compose],
  )
  return (
    <ApplicationContext value={app}>
      <Screen app={app} retry={retry} />
      <Suspense fallback={null}>
        <div className="composers">
          {open.map((draft) => (
            <Composer key={draft.key} draft={draft} onClose={() => close(draft.key)} onReopen={compose} />
          ))}
        </div>
      </Suspense>
      <Toasts toast={toast} onDone={() => setToast(undefined)} say={say} />
    </ApplicationContext>
  )
}

/** The page and its last mail start without the server. */
function useOffline(store: MailStore): void {
  useEffect(() => {
    let stop = () => {}
    let isGone = false
    const start = async () => {
      const { keepSnapshots, startWorker } = await import('./offline.ts')
      if (!isGone) stop = keepSnapshots(store)
      await startWorker(store)
    }
    // Without them the mail needs its server, as before.
    start().catch(() => undefined)
    return () => {
      isGone = true
      stop()
    }
  }, [store])
}

function useLive(store: MailStore, shared: readonly MailStore[], refresh: () => void): () => void {
  const live = useRef<{ retry(): void } | undefined>(undefined)
  const others = useRef(shared)
  others.current = shared
  useEffect(() => {
    const kept = keepLive(store, {
      others: () => others.current,
      open() {
        const events = new EventSource(`/jmap/eventsource?types=${TYPES}&closeafter=no&ping=60`)
        // Another person began or ended to share.
        events.addEventListener('state', ({ data }) => void (String(data).includes('ShareNotification') && refresh()))
        return events
      },
      after(ms, run) {
        const timer = setTimeout(run, ms)
        return () => clearTimeout(timer)
      },
    })
    live.current = kept
    const back = () => kept.retry()
    addEventListener('online', back)
    return () => {
      removeEventListener('online', back)
      kept.stop()
    }
  }, [store, refresh])
  return useCallback(() => live.current?.retry(), [])
}

/** The store that has a list's mailbox; searches are in the account's own. */
function storeOf({ home, shared }: Application, listKey: string | undefined): MailStore {
  const { id } = listKey === undefined ? {} : (JSON.parse(listKey) as { readonly id?: string })
  return (id === undefined ? undefined : shared.find(({ mailboxes }) => mailboxes.has(id))) ?? home
}

/** The application in another person's mailbox: answers are the account's own. */
function inMailboxOf(app: Application, store: MailStore): Application {
  if (store === app.home) return app
  const { home, compose } = app
  return {
    ...app,
    store,
    async reply(kind, email) {
      const { draftOfReply } = await import('./replies.ts')
      compose(await draftOfReply({ store, home }, kind, email))
    },
  }
}

function Screen({ app: home, retry }: { readonly app: Application; retry(): void }) {
  const hash = useHash()
  const route = useMemo(() => readRoute(hash), [hash])
  const inbox = home.store.withRole('inbox') ?? [...home.store.mailboxes.values()][0]
  const listKey = JSON.stringify(route.list ?? (inbox ? { kind: 'mailbox', id: inbox.id } : undefined))
  const store = storeOf(home, listKey)
  useStore(store)
  const app = useMemo(() => inMailboxOf(home, store), [home, store])
  useLayoutEffect(() => {
    if (listKey !== undefined) store.show(JSON.parse(listKey))
  }, [store, listKey])
  const list = store.list ?? home.store.list
  const [active, setActive] = useState(-1)
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const [isHelpOpen, setIsHelpOpen] = useState(false)
  const [isDrawerOpen, setIsDrawerOpen] = useState(false)
  const { threadId } = route
  const openIndex = threadId === undefined || !list ? -1 : list.indexOf(threadId)
  useEffect(() => {
    setActive(-1)
    setSelected(new Set())
  }, [listKey])

  const openAt = (index: number) => {
    const id = list?.at(index)
    if (!list || id === undefined) return
    setActive(index)
    const draft = draftIn(store, id)
    if (draft) void edit(app, draft)
    else go(list.key, id)
  }
  const back = () => list && go(list.key)
  const acts: Acts = createActs(app, (gone) => {
    setSelected(new Set())
    if (threadId === undefined || !list || !gone.includes(threadId)) return
    // On a wide screen the next conversation replaces the removed one.
    const next = innerWidth > 820 ? (list.at(openIndex + gone.length) ?? list.at(openIndex)) : undefined
    go(list.key, next !== undefined && !gone.includes(next) ? next : undefined)
  })
  const aimed = () =>
    selected.size > 0 ? [...selected] : threadId ? [threadId] : list?.at(active) ? [list.at(active) as string] : []
  const step = (by: number) => openAt(Math.max(0, (openIndex >= 0 ? openIndex : active) + by))
  const lastEmail = () => (threadId === undefined ? undefined : store.emailsOf(threadId).at(-1))
  const toggle = (id: string) =>
    setSelected((before) => {
      const next = new Set(before)
      if (!next.delete(id)) next.add(id)
      return next
    })
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    o: () => openAt(active),
    u: back,
    x: () =>
      list?.at(openIndex >= 0 ? openIndex : active) && toggle(list.at(openIndex >= 0 ? openIndex : active) as string),
    e: () => acts.archive(aimed()),
    '#': () => acts.trash(aimed()),
    Delete: () => acts.trash(aimed()),
    '!': () => acts.junk(aimed()),
    s: () => acts.star(aimed(), !aimed().every((id) => store.emailsOf(id).some(({ keywords }) => keywords.$flagged))),
    U: () => acts.read(aimed(), false),
    c: () => app.compose(),
    r: () => lastEmail() && void app.reply('reply', lastEmail() as never),
    a: () => lastEmail() && void app.reply('reply-all', lastEmail() as never),
    f: () => lastEmail() && void app.reply('forward', lastEmail() as never),
    g: () => inbox && go({ kind: 'mailbox', id: inbox.id }),
    '/': () => document.querySelector<HTMLInputElement>('.find input')?.focus(),
    v: () => openMenu('move'),
    b: () => openMenu('snooze'),
    l: () => openMenu('label'),
    '?': () => setIsHelpOpen(true),
  })
  useTitle(store)
  if (!list) return null
  if (route.settings !== undefined)
    return (
      <div className="mail settings">
        <Bar list={list.key} inboxId={inbox?.id} onFolders={() => go(list.key)} onHelp={() => setIsHelpOpen(true)} />
        <Suspense fallback={null}>
          {route.settings === 'contacts' ? (
            <Contacts back={hrefOf(list.key)} />
          ) : (
            <Settings page={route.settings} back={hrefOf(list.key)} />
          )}
        </Suspense>
        {isHelpOpen ? <KeyHelp onClose={() => setIsHelpOpen(false)} /> : null}
      </div>
    )
  return (
    <div className={threadId === undefined ? 'mail' : 'mail reading'}>
      <Bar
        list={list.key}
        inboxId={inbox?.id}
        onFolders={() => setIsDrawerOpen(true)}
        onHelp={() => setIsHelpOpen(true)}
      />
      <Tree current={list.key} onMove={acts.move} />
      <ApplicationContext value={app}>
        <main className="panes">
          {home.store.status === 'offline' ? <Offline onRetry={retry} /> : null}
          <MailList
            list={list}
            threadId={threadId}
            active={active}
            selected={selected}
            acts={acts}
            setActive={(index) => (threadId === undefined ? setActive(index) : openAt(index))}
            open={openAt}
            toggle={toggle}
            select={(ids) => setSelected(new Set(ids))}
          />
          <section className="pane read" aria-label={t('conversation')}>
            {threadId === undefined ? (
              <div className="state">
                <h2>{t('conversation.none')}</h2>
                <p className="t2">{t('conversation.none.text')}</p>
              </div>
            ) : (
              <Suspense fallback={null}>
                <Conversation
                  threadId={threadId}
                  index={openIndex}
                  total={list.total}
                  acts={acts}
                  onStep={step}
                  onBack={back}
                  onEdit={(email) => void edit(app, email)}
                />
              </Suspense>
            )}
          </section>
        </main>
      </ApplicationContext>
      <BottomBar list={list.key} inboxId={inbox?.id} onFolders={() => setIsDrawerOpen(true)} />
      {isDrawerOpen ? <Drawer current={list.key} onClose={() => setIsDrawerOpen(false)} /> : null}
      {isHelpOpen ? <KeyHelp onClose={() => setIsHelpOpen(false)} /> : null}
    </div>
  )
}

/** Of the selection, or of the open conversation. */
function openMenu(name: 'move' | 'snooze' | 'label'): void {
  document.querySelector<HTMLButtonElement>(`.${name}-menu`)?.click()
}

/** A conversation that is nothing but a draft is opened in the composer. */
function draftIn(store: MailStore, threadId: string) {
  const [email, ...others] = store.emailsOf(threadId)
  return email?.keywords.$draft && others.length === 0 ? email : undefined
}

async function edit({ store, compose, say }: Application, email: Parameters<Application['reply']>[1]): Promise<void> {
  try {
    const { draftOfEmail } = await import('./replies.ts')
    compose(await draftOfEmail(store, email))
  } catch (cause) {
    say({ text: t('failed', { why: (cause as Error).message }), isError: true })
  }
}

function useTitle(store: MailStore): void {
  const { list } = store
  const mailbox = list?.key.kind === 'mailbox' ? store.mailboxes.get(list.key.id) : undefined
  const name = mailbox ? mailboxName(mailbox) : t('search.results')
  const unread = mailbox?.unreadThreads ?? 0
  useEffect(() => {
    document.title = `${name}${unread > 0 ? ` (${unread})` : ''} · IEMS`
  }, [name, unread])
}
