/**
 * The service worker: the page and its files without a server. Mail itself is kept by the page (offline.ts).
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
