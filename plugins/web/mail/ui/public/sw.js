/**
 * The service worker: the page and its files without a server, and notifications of new mail. Mail itself is kept by
 * the page (offline.ts).
 *
 * What must stay true: nothing but the application's own files is kept; the page comes from the server whenever it
 * answers, so that a new version arrives with the next load.
 */
// The build puts the files of this version in their places.
const VERSION = '__VERSION__'
const FILES = '__FILES__'.split(' ')
const CACHE = `iems-mail-${VERSION}`
const PAGES = ['/mail/', '/mail/frame']

addEventListener('install', (event) => {
  const fill = async () => {
    const cache = await caches.open(CACHE)
    await cache.addAll([...PAGES, ...FILES])
    await skipWaiting()
  }
  event.waitUntil(fill())
})

addEventListener('activate', (event) => {
  const clean = async () => {
    for (const name of await caches.keys())
      if (name.startsWith('iems-mail-') && name !== CACHE) await caches.delete(name)
    await clients.claim()
  }
  event.waitUntil(clean())
})

const networkFirst = async (request, key) => {
  try {
    return await fetch(request)
  } catch (cause) {
    const kept = await caches.match(key)
    if (kept) return kept
    throw cause
  }
}

addEventListener('fetch', (event) => {
  const { request } = event
  const { origin, pathname } = new URL(request.url)
  if (request.method !== 'GET' || origin !== location.origin) return
  if (PAGES.includes(pathname)) event.respondWith(networkFirst(request, pathname))
  else if (FILES.includes(pathname)) event.respondWith(caches.match(pathname).then((kept) => kept ?? fetch(request)))
})

// --- notifications ---

const NOTIFY = 'iems-notify'
/** What the page left for this worker: whether to show the sender and the subject, words, the time of the last look. */
const SETTINGS = '/mail/notify.json'
const MAX_SHOWN = 3
const USING = ['urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail']

const call = async (...methodCalls) => {
  const response = await fetch('/jmap/api', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ using: USING, methodCalls }),
  })
  if (!response.ok) throw new Error(String(response.status))
  return (await response.json()).methodResponses.map(([, given]) => given)
}

/** Unread mail in the Inbox since the last look, the newest first. */
const newMail = async ({ accountId, inbox, since }) => {
  const filter = { inMailbox: inbox, notKeyword: '$seen', after: since }
  const sort = [{ property: 'receivedAt', isAscending: false }]
  const [, got] = await call(
    ['Email/query', { accountId, filter, sort, limit: MAX_SHOWN }, 'a'],
    [
      'Email/get',
      {
        accountId,
        '#ids': { resultOf: 'a', name: 'Email/query', path: '/ids' },
        properties: ['from', 'subject', 'threadId', 'receivedAt'],
      },
      'b',
    ],
  )
  // `after` includes its own second.
  return got.list.filter(({ receivedAt }) => receivedAt > since)
}

const applicationPages = async () =>
  (await clients.matchAll({ type: 'window' })).filter(({ url }) => new URL(url).pathname === '/mail/')

const notify = async () => {
  const cache = await caches.open(NOTIFY)
  const kept = await cache.match(SETTINGS)
  if (!kept) return
  const settings = await kept.json()
  const found = await newMail(settings)
  if (found.length === 0) return
  const since = found
    .map(({ receivedAt }) => receivedAt)
    .sort()
    .at(-1)
  await cache.put(SETTINGS, Response.json({ ...settings, since }))
  // A page in sight shows it by itself.
  if ((await applicationPages()).some(({ visibilityState, focused }) => visibilityState === 'visible' && focused))
    return
  for (const { from, subject, threadId } of found.reverse()) {
    const [sender] = from ?? []
    const title = settings.isShown ? (sender?.name ?? sender?.email ?? settings.words.title) : settings.words.title
    await registration.showNotification(title, {
      body: settings.isShown ? (subject ?? '') : settings.words.body,
      icon: '/mail/app-icon.svg',
      tag: settings.isShown ? threadId : 'mail',
      data: settings.isShown ? `/mail/#/box/${settings.inbox}/${threadId}` : '/mail/',
    })
  }
}

addEventListener('push', (event) => {
  const message = event.data?.json()
  // RFC 8620 section 7.2.2: the code proves that this browser gets the pushes.
  if (message?.['@type'] === 'PushVerification')
    event.waitUntil(
      call([
        'PushSubscription/set',
        { update: { [message.pushSubscriptionId]: { verificationCode: message.verificationCode } } },
        'a',
      ]),
    )
  else if (message?.['@type'] === 'StateChange') event.waitUntil(notify())
})

addEventListener('notificationclick', (event) => {
  event.notification.close()
  const show = async () => {
    const [page] = await applicationPages()
    if (!page) return clients.openWindow(event.notification.data)
    await page.focus()
    return page.navigate(event.notification.data)
  }
  event.waitUntil(show())
})
