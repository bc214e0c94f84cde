/**
 * The whole page: bar, mailboxes, list, conversation, composers, and what is said at the bottom.
 */

import { lazy, Suspense, useCallback, useEffect, useLayoutEffect, useMemo, useState } from 'react'
import { t } from '../../app/ui/language.ts'
import type { MailStore } from '../store/mail-store.ts'
import { type Acts, createActs, reasonOf } from './acts.ts'
import { type Application, ApplicationContext, type Question, type Toast, useStore } from './application.ts'
import { Bar, BottomBar, Offline } from './bar.tsx'
import { Drawer } from './drawer.tsx'
import { mailboxName } from './format.ts'
import { KeyHelp } from './key-help.tsx'
import { MailList } from './list.tsx'
import { useMailKeys } from './mail-keys.ts'
import { createManyActs } from './many-acts.ts'
import { loadModules } from './modules.tsx'
import { QuestionDialog } from './question.tsx'
import { go, hrefOf, readRoute, useHash } from './route.ts'
import { Toasts } from './toasts.tsx'
import { Tree } from './tree.tsx'
import { useComposers, useLive, useOffline } from './use-live.ts'
import { useShared } from './use-shared.ts'

const Conversation = lazy(async () => ({ default: (await import('./conversation.tsx')).Conversation }))
const Settings = lazy(async () => ({ default: (await import('./settings/settings.tsx')).Settings }))
const Contacts = lazy(async () => ({ default: (await import('./contacts/contacts.tsx')).Contacts }))
const Composer = lazy(async () => ({ default: (await import('./composer.tsx')).Composer }))

export interface MailProps {
  readonly store: MailStore
  onEnded(): void
}

export function Mail({ store, onEnded }: MailProps) {
  useStore(store)
  const [toast, setToast] = useState<Toast>()
  const [question, ask] = useState<Question>()
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
      ask,
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
      {question ? <QuestionDialog question={question} onClose={() => ask(undefined)} /> : null}
      <Toasts toast={toast} onDone={() => setToast(undefined)} say={say} />
    </ApplicationContext>
  )
}

/** The store of a list's mailbox or search. */
function storeOf({ home, shared }: Application, listKey: string | undefined): MailStore {
  const { id = '', account } = (listKey === undefined ? {} : JSON.parse(listKey)) as Readonly<Record<string, string>>
  return shared.find(({ client, mailboxes }) => client.account === account || mailboxes.has(id)) ?? home
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

/** The selected conversations, and whether all of the list are. */
function useSelection(listKey: string | undefined) {
  const [{ selected, isAll }, setSelection] = useState({ selected: new Set<string>(), isAll: false })
  const select = (ids: readonly string[], all = false) => setSelection({ selected: new Set(ids), isAll: all })
  useEffect(() => setSelection({ selected: new Set(), isAll: false }), [listKey])
  const toggle = (id: string) => {
    const next = new Set(selected)
    if (!next.delete(id)) next.add(id)
    select([...next])
  }
  return { selected, isAll, select, toggle }
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
  const { selected, isAll, select, toggle } = useSelection(listKey)
  const [isHelpOpen, setIsHelpOpen] = useState(false)
  const [isDrawerOpen, setIsDrawerOpen] = useState(false)
  const { threadId } = route
  const openIndex = threadId === undefined || !list ? -1 : list.indexOf(threadId)
  useEffect(() => setActive(-1), [listKey])

  const openAt = (index: number) => {
    const id = list?.at(index)
    if (!list || id === undefined) return
    setActive(index)
    const draft = draftIn(store, id)
    if (draft) void edit(app, draft)
    else go(list.key, id)
  }
  const back = () => list && go(list.key)
  const many = createManyActs(app, () => select([]))
  const acts: Acts = createActs(app, (gone) => {
    select([])
    if (threadId === undefined || !list || !gone.includes(threadId)) return
    // On a wide screen the next conversation replaces the removed one.
    const next = innerWidth > 820 ? (list.at(openIndex + gone.length) ?? list.at(openIndex)) : undefined
    go(list.key, next !== undefined && !gone.includes(next) ? next : undefined)
  })
  const aimed = () =>
    selected.size > 0 ? [...selected] : threadId ? [threadId] : list?.at(active) ? [list.at(active) as string] : []
  const step = (by: number) => openAt(Math.max(0, (openIndex >= 0 ? openIndex : active) + by))
  useMailKeys({ app, acts, many, isAll, inboxId: inbox?.id, threadId }, () => setIsHelpOpen(true), {
    aimed,
    current: () => list?.at(openIndex >= 0 ? openIndex : active),
    step,
    open: () => openAt(active),
    back,
    toggle,
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
            isAll={isAll}
            acts={acts}
            many={many}
            setActive={(index) => (threadId === undefined ? setActive(index) : openAt(index))}
            open={openAt}
            toggle={toggle}
            select={select}
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
