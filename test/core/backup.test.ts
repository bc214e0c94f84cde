/** Backups: consistent while the store is written to, incremental, encrypted, whole whenever they are cut off. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { makeBackup, openBackupFolder, readBackup, verifyBackup } from '../../core/backup/backup.ts'
import { key } from '../../core/store/keys.ts'
import { restoreStore } from '../../core/store/level/dump.ts'
import { levelStore } from '../../core/store/level/level.ts'
import { openStoreHandle } from '../../core/store/remote/handle.ts'
import { serveStore } from '../../core/store/remote/owner.ts'
import type { Store } from '../../core/store/store.ts'
import { iemsCommand, startProcess, tempFolder } from '../support/running-server.ts'
import { talk } from '../support/smtp-talk.ts'

const bytes = (text: string) => Buffer.from(text)
async function* once(content: Uint8Array) {
  yield content
}

/** One commit: two counters that are always equal, and a record, a body and a file that belong together. */
async function write(store: Store, count: number): Promise<void> {
  const small = await store.blobs.stage(once(bytes(`small ${count}`)))
  const large = await store.blobs.stage(once(Buffer.alloc(100_000, count % 256)))
  const [one, two] = [await small.keep(), await large.keep()]
  await store.commit([
    ...one.ops,
    ...two.ops,
    { put: key('left'), value: bytes(String(count)) },
    { put: key('right'), value: bytes(String(count)) },
    { put: key('at', count), value: bytes(JSON.stringify([one.id, two.id])) },
    { due: key('at', count), lane: 'lane', in: 1000 },
  ])
}

async function contentOf(store: Store): Promise<Record<string, string>> {
  const all: Record<string, string> = {}
  for await (const [at, value] of store.scan({ from: Buffer.of(0), to: Buffer.of(0xff) }))
    all[Buffer.from(at).toString('hex')] = Buffer.from(value).toString('hex')
  for await (const { id } of store.blobs.list()) {
    const parts: Uint8Array[] = []
    for await (const chunk of store.blobs.open(id)) parts.push(chunk)
    all[id] = Buffer.concat(parts).toString('hex')
  }
  for await (const { key: at, at: due } of store.due('lane', 10_000))
    all[`due ${Buffer.from(at).toString('hex')}`] = `${due}`
  return all
}

const options = (now: number) => ({ hostname: 'mx.test', now, signal: new AbortController().signal, progress() {} })

async function backUp(store: Store, path: string, now: number, more: { passphrase?: string; keep?: number } = {}) {
  const folder = await openBackupFolder(path, { ...more, create: true })
  const dump = await store.dump?.()
  assert.ok(dump)
  try {
    return { folder, ...(await makeBackup(folder, dump, { ...options(now), keep: more.keep })) }
  } finally {
    await dump.close()
  }
}

async function start(t: TestContext) {
  const root = await tempFolder(t)
  const store = await levelStore({ path: join(root, 'data') })
  t.after(() => store.close())
  async function restored(path: string, snapshot: string, passphrase?: string) {
    const to = join(root, `restored-${Math.random()}`)
    await restoreStore(to, await readBackup(await openBackupFolder(path, { passphrase }), snapshot))
    const copy = await levelStore({ path: to })
    t.after(() => copy.close())
    return copy
  }
  return { root, store, restored, path: join(root, 'backup') }
}

test('a backup restored into another folder equals, and the next writes only what is new', async (t) => {
  const { store, path, restored } = await start(t)
  for (let count = 0; count < 50; count++) await write(store, count)
  const first = await backUp(store, path, 1_000_000)
  assert.equal(first.files, 50)
  assert.deepEqual(await contentOf(await restored(path, first.snapshot)), await contentOf(store))
  await write(store, 50)
  const second = await backUp(store, path, 2_000_000)
  // The pieces are few; of 50 large files one is new.
  assert.ok(second.newObjects < first.newObjects / 4, `${second.newObjects} of ${first.newObjects}`)
  assert.deepEqual(await contentOf(await restored(path, second.snapshot)), await contentOf(store))
  const third = await backUp(store, path, 3_000_000, { keep: 1 })
  assert.deepEqual(third.removed, [first.snapshot, second.snapshot])
  assert.deepEqual((await verifyBackup(third.folder, third.snapshot)).damaged, [])
  assert.deepEqual(await contentOf(await restored(path, third.snapshot)), await contentOf(store))
})

test('a backup is one moment, however much is written and removed meanwhile', async (t) => {
  const { store, path, restored } = await start(t)
  for (let count = 0; count < 20; count++) await write(store, count)
  let isDone = false
  const writing = (async () => {
    for (let count = 20; !isDone; count++) {
      await write(store, count)
      const old = await store.get(key('at', count - 20))
      const [small, large] = JSON.parse(Buffer.from(old ?? []).toString()) as [string, string]
      await store.commit([{ del: key('at', count - 20) }, { undue: key('at', count - 20), lane: 'lane' }])
      await store.blobs.remove(small)
      await store.blobs.remove(large)
    }
  })()
  const { snapshot, folder } = await backUp(store, path, 1_000_000)
  isDone = true
  await writing
  assert.deepEqual((await verifyBackup(folder, snapshot)).damaged, [])
  const copy = await restored(path, snapshot)
  assert.deepEqual(await copy.get(key('left')), await copy.get(key('right')))
  const blobs = new Set((await Array.fromAsync(copy.blobs.list())).map(({ id }) => id))
  for await (const [, value] of copy.scan({ from: key('at'), to: key('au') })) {
    const [, large] = JSON.parse(Buffer.from(value).toString()) as [string, string]
    assert.ok(blobs.has(large), `${large} is missing`)
  }
  // What was removed while the backup ran is gone now.
  const left = (await Array.fromAsync(store.blobs.list())).filter(({ id }) => id.startsWith('f'))
  assert.ok(left.length <= 21, `${left.length} files`)
})

test('a worker backs up through the thread that owns the store', async (t) => {
  const { store, path, restored } = await start(t)
  for (let count = 0; count < 10; count++) await write(store, count)
  const { port1, port2 } = new MessageChannel()
  const served = serveStore(store, port1)
  const handle = openStoreHandle(port2)
  t.after(async () => {
    await handle.close()
    await served.close()
  })
  const { snapshot } = await backUp(handle, path, 1_000_000)
  assert.deepEqual(await contentOf(await restored(path, snapshot)), await contentOf(store))
})

test('an encrypted backup needs its passphrase, and shows nothing', async (t) => {
  const { store, path, restored } = await start(t)
  await store.commit([{ put: key('secret'), value: bytes('the treasure is under the oak') }])
  const passphrase = 'correct horse battery'
  const { snapshot } = await backUp(store, path, 1_000_000, { passphrase })
  await assert.rejects(openBackupFolder(path, {}), { code: 'IEMS_BACKUP_KEY' })
  await assert.rejects(openBackupFolder(path, { passphrase: 'wrong horse battery' }), { code: 'IEMS_BACKUP_KEY' })
  assert.deepEqual(await contentOf(await restored(path, snapshot, passphrase)), await contentOf(store))
  await assert.rejects(openBackupFolder(join(path, 'nowhere'), {}), { code: 'IEMS_BACKUP_ABSENT' })
})

test('a changed or missing piece is found, and restores nothing', async (t) => {
  const { root, store, path } = await start(t)
  await write(store, 1)
  for (const passphrase of [undefined, 'correct horse battery']) {
    const own = `${path}-${passphrase}`
    const { folder, snapshot } = await backUp(store, own, 1_000_000, passphrase === undefined ? {} : { passphrase })
    const [name] = (await readdir(join(own, 'objects'), { recursive: true })).filter((one) => one.length > 60)
    const file = join(own, 'objects', name as string)
    const content = await readFile(file)
    // In the checksum at the end: a changed bit before it may mean the same content.
    content[content.length - 6] = (content[content.length - 6] as number) ^ 1
    await writeFile(file, content)
    assert.equal((await verifyBackup(folder, snapshot)).damaged.length, 1)
    const target = join(root, 'never')
    await assert.rejects(restoreStore(target, await readBackup(folder, snapshot)), { code: 'IEMS_BACKUP_DAMAGED' })
    await assert.rejects(stat(target), { code: 'ENOENT' })
  }
})

test('a folder with other files is neither backed up to nor restored over', async (t) => {
  const { root, store, path } = await start(t)
  await write(store, 1)
  const { folder, snapshot } = await backUp(store, path, 1_000_000)
  const other = join(root, 'other')
  await mkdir(other)
  await writeFile(join(other, 'letter.txt'), 'mine')
  await assert.rejects(openBackupFolder(other, { create: true }), { code: 'IEMS_BACKUP_TARGET' })
  await assert.rejects(restoreStore(other, await readBackup(folder, snapshot)), { code: 'IEMS_BACKUP_TARGET' })
  assert.equal(await readFile(join(other, 'letter.txt'), 'utf8'), 'mine')
})

const CONFIG = (data: string) => `
import { defineConfig } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
export default defineConfig({
  hostname: 'mx.test', store: { path: ${JSON.stringify(data)} }, dns: { servers: [] },
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:0' }, { trusts: ['127.0.0.0/8'] }),
    out: smtpOut({ nexthop: '127.0.0.1:1' }),
  },
})
`

test('killed at any moment, the last good snapshot stays; the command backs a running server up', async (t) => {
  const root = await tempFolder(t)
  const [data, path] = [join(root, 'data'), join(root, 'backup')]
  const server = await startProcess(t, root, CONFIG(data))
  const [, port = ''] = /127\.0\.0\.1:(\d+)/.exec(await server.line(/server\.started/)) ?? []
  const client = await talk(t, Number(port))
  await client.reply()
  await client.ask('EHLO c.test')
  async function bring() {
    for (const line of ['MAIL FROM:<a@far.test>', 'RCPT TO:<b@far.test>', 'DATA']) await client.ask(line)
    assert.match(await client.ask(`Subject: x\r\n\r\n${'Hello there.\r\n'.repeat(9000)}.`), /^250/m)
  }
  for (let count = 0; count < 10; count++) await bring()
  const made = await server.iems('backup', 'create', path)
  assert.equal(made.code, 0, made.err)
  const [snapshot = ''] = made.out.split(': ')
  const before = await listed(path)
  for (let count = 0; count < 5; count++) await bring()
  await server.iems('stop')
  await server.ended()
  // Without a server the command itself makes the backup, so that it dies with it.
  for (const part of [0.2, 0.5, 0.9]) {
    const copy = join(root, `cut-${part}`)
    await cp(path, copy, { recursive: true })
    const child = spawn(process.execPath, [
      '--conditions=source',
      'core/cli/main.ts',
      'backup',
      'create',
      copy,
      '--config',
      server.config,
    ])
    const ended = new Promise((resolve) => child.once('close', resolve))
    await Promise.race([grown(copy, Math.round(part * 3)), ended])
    child.kill('SIGKILL')
    await ended
    const { out, code } = await iemsCommand(['backup', 'verify', copy, '--all'])
    assert.equal(code, 0, out)
    assert.match(out, new RegExp(`${snapshot}: .* whole`))
  }
  assert.deepEqual(await listed(path), before)
  const target = join(root, 'restored')
  const restored = await iemsCommand(['backup', 'restore', path, target])
  assert.equal(restored.code, 0, restored.err)
  const again = join(root, 'again')
  await mkdir(again)
  const other = await startProcess(t, again, CONFIG(target))
  const { out } = await other.iems('queue', 'list', '--json')
  assert.equal(out.trim().split('\n').length, 10)
})

const listed = async (path: string) => (await readdir(path, { recursive: true })).sort()

/** Waits until some new objects have come. */
async function grown(path: string, by: number): Promise<void> {
  const first = (await listed(path)).length
  const end = Date.now() + 20_000
  while ((await listed(path)).length < first + by && Date.now() < end) await new Promise((r) => setTimeout(r, 2))
}
