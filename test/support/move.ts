/**
 * Accounts of another server for tests of moving: a Maildir filled as Dovecot reads it, and everything that an IMAP
 * client sees of an account, for comparing two servers.
 */
import { createHash } from 'node:crypto'
import { chown, mkdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { createServer, connect as open, type Socket } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ImapFlow } from 'imapflow'

export interface ImapAccess {
  readonly port: number
  readonly user: string
  readonly pass?: string
}

export async function imapClient({ port, user, pass = 'secret' }: ImapAccess): Promise<ImapFlow> {
  const client = new ImapFlow({
    host: '127.0.0.1',
    port,
    secure: false,
    doSTARTTLS: false,
    auth: { user, pass },
    logger: false,
    disableAutoIdle: true,
  })
  client.on('error', () => {})
  await client.connect()
  return client
}

export interface SeenFolder {
  readonly name: string
  readonly subscribed: boolean
  readonly uidValidity: string
  readonly uidNext: number
  /** One line for each message, in the order of UIDs: UID, digest, flags, INTERNALDATE. */
  readonly messages: readonly string[]
}

/** What a client sees. With `uids` also UIDVALIDITY, UIDNEXT and UIDs. Folders without messages count only there. */
export async function seenBy(access: ImapAccess, { uids = false } = {}): Promise<readonly SeenFolder[]> {
  const client = await imapClient(access)
  const seen: SeenFolder[] = []
  for (const { path, subscribed, flags } of await client.list()) {
    if ([...flags].some((flag) => /noselect/i.test(flag))) continue
    const box = await client.mailboxOpen(path, { readOnly: true })
    const messages: string[] = []
    if (box.exists > 0)
      for await (const one of client.fetch('1:*', { uid: true, flags: true, internalDate: true, source: true })) {
        const digest = createHash('sha256')
          .update(one.source ?? '')
          .digest('hex')
        const kept = [...(one.flags ?? [])].filter((flag) => flag !== '\\Recent').sort()
        messages.push(`${uids ? one.uid : ''} ${digest} ${kept.join(',')} ${one.internalDate?.valueOf()}`)
      }
    if (messages.length === 0 && !uids) continue
    seen.push({
      name: path,
      subscribed: subscribed === true,
      uidValidity: uids ? String(box.uidValidity) : '',
      uidNext: uids ? box.uidNext : 0,
      messages,
    })
  }
  await client.logout()
  return seen.sort((a, b) => (a.name < b.name ? -1 : 1))
}

const LETTERS = ['', 'S', 'RS', 'F', 'FS', 'D', 'T']

/** Message number `n`, which differs from all others but for each tenth, which is as the one before it. */
export const numbered = (n: number) => {
  const same = n % 10 === 9 ? n - 1 : n
  return `From: s${same}@far.test\r\nTo: ann@here.test\r\nSubject: number ${same}\r\nMessage-ID: <${same}@far.test>\r\n\r\n${`Line ${same}.\r\n`.repeat(1 + (same % 40))}`
}

/** Writes messages into the Maildir of a user, spread over its folders, before Dovecot first opens it. */
export async function fillMaildir(folder: string, user: string, count: number, folders: readonly string[]) {
  const root = join(folder, 'mail', user)
  const { uid, gid } = await mailUser()
  const own = async (path: string) => {
    await mkdir(path, { recursive: true })
    await chown(path, uid, gid)
  }
  await own(root)
  const places = ['', ...folders].map((name) => (name === '' ? root : join(root, `.${name.replaceAll('/', '.')}`)))
  for (const place of places) {
    await own(place)
    for (const sub of ['cur', 'new', 'tmp']) await own(join(place, sub))
    await writeFile(join(place, 'dovecot-keywords'), '0 $Work\n1 later\n')
    await chown(join(place, 'dovecot-keywords'), uid, gid)
  }
  for (let n = 0; n < count; n++) {
    const letters = (LETTERS[n % LETTERS.length] ?? '') + (n % 11 === 0 ? 'a' : '') + (n % 13 === 0 ? 'b' : '')
    const at = 1_600_000_000 + n * 61
    const text = numbered(n)
    const place = places[n % 5 === 0 ? 1 + (n % (places.length - 1)) : 0] ?? root
    const path = join(place, 'cur', `${at}.M${n}P1.old:2,${letters}`)
    await writeFile(path, text.replaceAll('\r\n', '\n'))
    await chown(path, uid, gid)
    await utimes(path, at, at)
  }
}

async function mailUser(): Promise<{ readonly uid: number; readonly gid: number }> {
  const entry = (await readFile('/etc/passwd', 'utf8')).split('\n').find((line) => line.startsWith('mail:'))
  const [, , uid, gid] = (entry ?? '').split(':')
  return { uid: Number(uid), gid: Number(gid) }
}

/** Passes connections on to a port, and calls `reached` once, when so many octets have come from it. */
export async function countingProxy(t: TestContext, to: number, octets: number, reached: () => void): Promise<number> {
  let left = octets
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const there = open(to, '127.0.0.1')
    for (const socket of [client, there]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        client.destroy()
        there.destroy()
      })
    }
    client.pipe(there)
    there.on('data', (chunk) => {
      const wasLeft = left
      left -= chunk.length
      if (wasLeft > 0 && left <= 0) reached()
      client.write(chunk)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as { port: number }).port
}
