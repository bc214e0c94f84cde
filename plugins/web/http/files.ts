/**
 * Serves files of a folder, such as a built browser application, including compressed forms created by the build.
 *
 * Invariants: no path leads out of the folder.
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, extname, join, resolve, sep } from 'node:path'
import { Download, type FilesRoute, HttpProblem } from './api.ts'
import { PAGE_POLICY } from './headers.ts'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
}
const ENCODINGS = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const
/** Names with a hash of the content never mean other content. */
const isHashed = (path: string): boolean => {
  const stem = basename(path, extname(path))
  return /^[.-][\w-]{8}$/.test(stem.slice(-9))
}
const YEAR_SECONDS = 31_536_000

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path)
    return found.isFile() ? found.size : undefined
  } catch {
    return undefined
  }
}

/** The answer for a path below the route's. */
export async function fileFor(route: FilesRoute, rest: string, accepts: string): Promise<Download> {
  const folder = resolve(typeof route.folder === 'string' ? route.folder : await route.folder())
  const wanted = resolve(join(folder, rest))
  const isInside = wanted.startsWith(folder + sep)
  const name = isInside && (await sizeOf(wanted)) !== undefined ? wanted : undefined
  const path = name ?? (route.fallback !== undefined && extname(rest) === '' ? join(folder, route.fallback) : undefined)
  const size = path === undefined ? undefined : await sizeOf(path)
  if (path === undefined || size === undefined) throw new HttpProblem(404, 'There is no such file')
  const type = TYPES[extname(path)] ?? 'application/octet-stream'
  const headers = {
    vary: 'accept-encoding',
    ...(type.startsWith('text/html') ? { 'content-security-policy': route.policy ?? PAGE_POLICY } : {}),
  }
  const isKept = isHashed(path)
  const cache = isKept ? { maxAge: YEAR_SECONDS } : {}
  for (const [encoding, ending] of ENCODINGS) {
    if (!accepts.includes(encoding)) continue
    const smaller = await sizeOf(path + ending)
    if (smaller === undefined) continue
    return new Download({
      type,
      headers: { ...headers, 'content-encoding': encoding, 'content-length': String(smaller) },
      ...cache,
      open: () => createReadStream(path + ending),
    })
  }
  return new Download({
    type,
    headers: { ...headers, 'content-length': String(size) },
    ...cache,
    open: () => createReadStream(path),
  })
}
