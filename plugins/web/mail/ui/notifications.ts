/**
 * Notifications of new mail on this device: a push subscription of the browser, known to the server, and what the
 * service worker needs to show them.
 *
 * Invariant: a sign-out leaves no subscription, neither at the server nor in the browser.
 */
import { t } from '../../app/ui/language.ts'
import { throwRefusal } from '../store/client.ts'
import type { MailStore } from '../store/mail-store.ts'

const KEPT = 'iems-notifications'
const CACHE = 'iems-notify'
const SETTINGS = '/mail/notify.json'
const VAPID = 'urn:ietf:params:jmap:webpush-vapid'

interface Kept {
  /** The id of the subscription at the server. */
  readonly id: string
  readonly isShown: boolean
}

export function keptNotifications(): Kept | undefined {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? 'null') ?? undefined
  } catch {
    return undefined
  }
}

export const canNotify = (): boolean => 'PushManager' in window && 'Notification' in window

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

const textOf = (key: ArrayBuffer | null): string =>
  btoa(String.fromCharCode(...new Uint8Array(key ?? new ArrayBuffer())))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

async function keep(store: MailStore, kept: Kept): Promise<void> {
  localStorage.setItem(KEPT, JSON.stringify(kept))
  const cache = await caches.open(CACHE)
  const settings = {
    accountId: store.client.account,
    inbox: store.withRole('inbox')?.id,
    since: `${new Date().toISOString().slice(0, 19)}Z`,
    isShown: kept.isShown,
    words: { title: t('notify.title'), body: t('notify.body') },
  }
  await cache.put(SETTINGS, Response.json(settings))
}

/** Asks the browser and the server. Throws when either refuses. */
export async function startNotifications(store: MailStore, isShown: boolean): Promise<void> {
  if ((await Notification.requestPermission()) !== 'granted') throw new Error(t('notify.denied'))
  const { applicationServerKey } = store.client.session?.capabilities[VAPID] ?? {}
  const worker = await navigator.serviceWorker.ready
  const pushes = await worker.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: bytesOf(String(applicationServerKey ?? '')),
  })
  const [p256dh, auth] = [pushes.getKey('p256dh'), pushes.getKey('auth')]
  const subscription = {
    deviceClientId: 'web',
    url: pushes.endpoint,
    keys: p256dh && auth ? { p256dh: textOf(p256dh), auth: textOf(auth) } : null,
    types: ['Email'],
  }
  // Before the server proves the endpoint, the worker must know what to do with the answer.
  await keep(store, { id: '', isShown })
  const [set] = await store.client.call(['PushSubscription/set', { create: { a: subscription } }])
  throwRefusal(set)
  await keep(store, { id: set?.created.a.id, isShown })
}

export async function showContent(store: MailStore, isShown: boolean): Promise<void> {
  const kept = keptNotifications()
  if (kept) await keep(store, { ...kept, isShown })
}

/** Ends them; one that cannot be reached expires by itself. */
export async function stopNotifications(store: MailStore): Promise<void> {
  const kept = keptNotifications()
  localStorage.removeItem(KEPT)
  if (!kept) return
  await caches.delete(CACHE)
  await store.client.call(['PushSubscription/set', { destroy: [kept.id] }]).catch(() => undefined)
  const worker = await navigator.serviceWorker?.getRegistration('/mail/')
  await (await worker?.pushManager.getSubscription())?.unsubscribe()
}

/** A subscription lasts a week: each start of the page prolongs it, or makes it again when the server has none. */
export async function renewNotifications(store: MailStore): Promise<void> {
  const kept = keptNotifications()
  if (!kept || Notification.permission !== 'granted') return
  const [set] = await store.client.call(['PushSubscription/set', { update: { [kept.id]: { expires: null } } }])
  if (set?.notUpdated?.[kept.id]) await startNotifications(store, kept.isShown)
}
