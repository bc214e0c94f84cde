/**
 * Mail on this device: the page starts without the server, with what was seen last.
 *
 * Invariant: a sign-out leaves nothing of the mail here.
 */
import type { MailStore } from '../store/mail-store.ts'
import { type Snapshot, snapshotOf } from '../store/snapshot.ts'
import { onDevice } from './device.ts'

const KEEP_AFTER_MS = 1500

export const keptSnapshot = (): Promise<Snapshot | undefined> =>
  onDevice((device) => device.get('snapshots', 'last') as Promise<Snapshot | undefined>)

export const forgetSnapshots = (): Promise<void> => onDevice((device) => device.clear('snapshots'))

/** Keeps what the store knows after each of its changes. The answer stops. */
export function keepSnapshots(store: MailStore): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  const keep = () => onDevice((device) => device.put('snapshots', snapshotOf(store), 'last'))
  const stop = store.subscribe(() => {
    if (store.status !== 'live' || timer !== undefined) return
    timer = setTimeout(() => {
      timer = undefined
      void keep().catch(() => undefined)
    }, KEEP_AFTER_MS)
  })
  return () => {
    clearTimeout(timer)
    stop()
  }
}

/** Whether this device has a subscription for notifications. */
export const areNotificationsOn = (): boolean => localStorage.getItem('iems-notifications') !== null

interface ScriptUrls {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string }
}

/** The service worker, where the browser has one (HTTPS, or this machine). */
export async function startWorker(store: MailStore): Promise<void> {
  const { trustedTypes } = window as unknown as { readonly trustedTypes?: ScriptUrls }
  const url = trustedTypes
    ? trustedTypes.createPolicy('iems', { createScriptURL: () => '/mail/sw.js' }).createScriptURL('')
    : '/mail/sw.js'
  await navigator.serviceWorker?.register(url, { scope: '/mail/' })
  if (areNotificationsOn()) await (await import('./notifications.ts')).renewNotifications(store)
}
