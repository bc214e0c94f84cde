import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Level } from 'level'
import { key } from '../../core/store/keys.ts'
import { type LevelStoreOptions, levelStore } from '../../core/store/level/level.ts'
import { verifyRecords } from '../../core/store/level/verify.ts'
import type { Op, Store } from '../../core/store/store.ts'
import { fillDisk, smallDisk } from '../support/small-disk.ts'

const MINUTE = 60_000
const hasCode = (code: string) => (error: unknown) => (error as { code?: string }).code === code
const put = (name: string, size = 10): Op => ({ put: key(name), value: Buffer.alloc(size, name) })

async function newFolder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'iems-level-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

async function openStore(t: TestContext, options: Partial<LevelStoreOptions> = {}): Promise<Store & { path: string }> {
  const path = options.path ?? (await newFolder(t))
  const store = await levelStore({ path, ...options })
  t.after(() => store.close())
  return { ...store, path }
}

async function* content(size: number, piece = 65_536): AsyncGenerator<Buffer> {
  for (let at = 0; at < size; at += piece) yield Buffer.alloc(Math.min(piece, size - at), 'x')
}

// --- crashes ---------------------------------------------------------------------------------------

test('whatever the store answered survives kill -9', async (t) => {
  const path = await newFolder(t)
  const acknowledged: string[] = []
  for (const round of ['a', 'b', 'c']) {
    const child = spawn(
      process.execPath,
      ['--conditions=source', join(import.meta.dirname, '../support/committing-process.ts'), path, round],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk
      if (said.length > 2000) child.kill('SIGKILL')
    })
    await once(child, 'close')
    acknowledged.push(...said.split('\n').slice(0, -1))
    const store = await levelStore({ path })
    for (const name of acknowledged) {
      const id = await store.get(key('k', name))
      assert.ok(id, `${name} is gone`)
      let size = 0
      for await (const chunk of store.blobs.open(Buffer.from(id).toString())) size += chunk.length
      assert.ok(size === 1000 || size === 100_000)
      assert.ok(await store.dueAt(`lane/${name.split('.')[1]}`, key('k', name)))
    }
    assert.deepEqual(await readdir(join(path, 'blobs/staging')), [])
    await store.close()
  }
  assert.ok(acknowledged.length > 100)
})

test('keys leased by a crashed process are due again at once', async (t) => {
  const { path, ...store } = await openStore(t)
  await store.commit([{ due: key('a'), lane: 'lane', in: 0 }])
  assert.equal((await store.take('lane', 1, MINUTE)).length, 1)
  await store.close()
  const again = await openStore(t, { path })
  assert.equal((await again.take('lane', 1, MINUTE)).length, 1)
})

// --- the folder --------------------------------------------------------------------------------------

test('a second process gets an error that the folder is in use, and changes nothing', async (t) => {
  const { path, ...store } = await openStore(t)
  const staged = await store.blobs.stage(content(100_000))
  const script = `import { levelStore } from ${JSON.stringify(join(import.meta.dirname, '../../core/store/level/level.ts'))}
    try { await levelStore({ path: process.argv[1] }) } catch (error) { process.stdout.write(error.code) }`
  const said = execFileSync(process.execPath, ['--conditions=source', '--input-type=module', '-e', script, path])
  assert.equal(said.toString(), 'IEMS_STORE_LOCKED')
  await assert.rejects(levelStore({ path }), hasCode('IEMS_STORE_LOCKED'))
  const { id } = await staged.keep()
  assert.equal((await Array.fromAsync(store.blobs.open(id))).length, 2)
})

test('data of a newer version are refused and left as they are', async (t) => {
  const { path, ...store } = await openStore(t)
  await store.commit([put('a')])
  await store.close()
  const raw = new Level(join(path, 'records'))
  assert.equal(await raw.get('format'), '1')
  await raw.put('format', '2')
  await raw.close()
  await assert.rejects(levelStore({ path }), hasCode('IEMS_STORE_NEWER'))
  await assert.rejects(levelStore({ path }), hasCode('IEMS_STORE_NEWER'), 'and not locked by the first attempt')
})

test('a folder that cannot be used is named with the reason', async (t) => {
  const path = join(await newFolder(t), 'file')
  await writeFile(path, '')
  await assert.rejects(levelStore({ path }), hasCode('IEMS_STORE_FAILED'))
})

// --- large bodies ---------------------------------------------------------------------------------------

test('a large body is taken no faster than it is written, and read in pieces', async (t) => {
  const { path, ...store } = await openStore(t)
  const staging = join(path, 'blobs/staging')
  const size = 50_000_000
  async function* watched() {
    let given = 0
    for await (const chunk of content(size)) {
      const [name] = await readdir(staging)
      const written = name === undefined ? 0 : (await stat(join(staging, name))).size
      assert.ok(given - written <= 2 * 65_536, `${given - written} octets wait in memory`)
      yield chunk
      given += chunk.length
    }
  }
  const staged = await store.blobs.stage(watched())
  assert.equal(staged.size, size)
  const { id } = await staged.keep()
  let read = 0
  for await (const chunk of store.blobs.open(id)) {
    read += chunk.length
    assert.ok(chunk.length <= 65_536)
  }
  assert.equal(read, size)
})

test('staged files that were not kept are removed at a restart, and no empty folder stays', async (t) => {
  const { path, ...store } = await openStore(t)
  await store.blobs.stage(content(100_000))
  const { id } = await (await store.blobs.stage(content(100_000))).keep()
  await store.blobs.remove(id)
  assert.equal((await readdir(join(path, 'blobs/staging'))).length, 1)
  await store.close()
  await openStore(t, { path })
  assert.deepEqual(await readdir(join(path, 'blobs')), ['staging'])
  assert.deepEqual(await readdir(join(path, 'blobs/staging')), [])
})

// --- lanes -------------------------------------------------------------------------------------------------

test('more lanes than memory knows are all listed and served, and leases are never forgotten', async (t) => {
  let now = 1_000_000
  const store = await openStore(t, { now: () => now })
  const [first, ...others] = Array.from({ length: 12_000 }, (_, index) => `lane/${String(index).padStart(6, '0')}`)
  assert.ok(first)
  const takeFrom = async (lanes: readonly string[]) =>
    (await Promise.all(lanes.map((lane) => store.take(lane, 9, MINUTE)))).flat().length
  await store.commit([first, ...others].map((lane): Op => ({ due: key(lane), lane, in: lane === first ? 0 : MINUTE })))
  const [lease] = await store.take(first, 9, 10 * MINUTE)
  assert.equal(await takeFrom(others), 0)
  now += MINUTE
  const listed = await Array.fromAsync(store.lanes('lane/'), ({ lane, at }) => [lane, at])
  assert.deepEqual(listed, [[first, lease?.until], ...others.map((lane) => [lane, now])])
  assert.equal(await takeFrom([first, ...others]), others.length)
  const settle: Op = { undue: key(first), lane: first }
  assert.equal(
    await store.commit([settle], [{ due: key(first), lane: first, lease: lease?.generation as number }]),
    true,
  )
})

test('a clock that is set back delays nothing that is scheduled after', async (t) => {
  let now = 10 * MINUTE
  const store = await openStore(t, { now: () => now })
  await store.commit([{ due: key('a'), lane: 'lane', in: 0 }])
  assert.equal((await store.take('lane', 9, MINUTE)).length, 1)
  now -= 5 * MINUTE
  await store.commit([{ due: key('b'), lane: 'lane', in: 1000 }])
  assert.equal((await store.take('lane', 9, MINUTE)).length, 0)
  now += 1000
  assert.equal((await store.take('lane', 9, MINUTE)).length, 1)
})

test('keys that come while their lane is being read are found', async (t) => {
  let now = 1_000_000
  const store = await openStore(t, { now: () => now })
  const taken = new Set<string>()
  const all: string[] = []
  for (let round = 0; round < 200; round++) {
    const name = (what: string) => `${what}${String(round).padStart(3, '0')}`
    // One on disk that falls due, and, while the lane is read for it, one that was due before it.
    await store.commit([{ due: key(name('old')), lane: 'lane', in: 5 }])
    now += 10
    all.push(name('old'), name('new'))
    const coming = store.commit([{ due: key(name('new')), lane: 'lane', in: -7 }])
    for (let turns = 0; turns <= round % 4; turns++) await new Promise(setImmediate)
    for (const leases of await Promise.all([
      store.take('lane', 9, MINUTE),
      coming.then(() => store.take('lane', 9, MINUTE)),
    ])) {
      for (const lease of leases) taken.add(Buffer.from(lease.key).toString('hex'))
    }
  }
  assert.deepEqual([...taken].sort(), all.map((name) => Buffer.from(key(name)).toString('hex')).sort())
})

test('a take whose only key is being moved waits for it, so that callers do not spin', async (t) => {
  const store = await openStore(t)
  await store.commit(['a', 'b'].map((name): Op => ({ due: key(name), lane: 'lane', in: -1 })))
  // Now the other one is known to memory.
  await store.take('lane', 1, MINUTE)
  for (let round = 0; round < 32; round++) {
    const moving = store.commit([{ due: key('b'), lane: 'lane', in: -1 }])
    for (let turns = 0; turns < round % 8; turns++) await new Promise(setImmediate)
    assert.equal((await store.take('lane', 1, MINUTE)).length, 1)
    await moving
    await store.commit([{ due: key('b'), lane: 'lane', in: -1 }])
  }
})

test('a watcher that throws harms no commit', async (t) => {
  const store = await openStore(t)
  const warned = once(process, 'warning')
  store.watch('', () => {
    throw new Error('not my day')
  })
  assert.equal(await store.commit([{ due: key('a'), lane: 'lane', in: 0 }]), true)
  assert.match(String((await warned)[0]), /not my day/)
  assert.equal(await store.commit([put('b')]), true)
})

// --- no space -----------------------------------------------------------------------------------------------

test('below the minimum free space nothing new is staged, and everything else continues', async (t) => {
  const path = await newFolder(t)
  const { bavail, bsize } = await statfs(path)
  const store = await openStore(t, { path, minFree: bavail * bsize * 2 })
  await assert.rejects(store.blobs.stage(content(10)), hasCode('IEMS_STORE_FULL'))
  assert.equal(await store.commit([put('a')]), true)
})

test('a full disk is said, loses nothing that was answered, and is written on once there is room', async (t) => {
  const path = await smallDisk(t, '24m')
  if (path === undefined) return
  const ballast = join(path, 'ballast')
  await writeFile(ballast, Buffer.alloc(14_000_000))
  const store = await levelStore({ path: join(path, 'data') })
  t.after(() => store.close())
  await store.commit([{ due: key('a'), lane: 'lane', in: 0 }])
  const [lease] = await store.take('lane', 1, MINUTE)

  const written: string[] = []
  const random = Buffer.alloc(60_000, 'not to be compressed')
  for (let index = 0; index < random.length; index++) random[index] = Math.random() * 256
  const refused = async () => {
    for (let index = 0; index < 1000; index++) {
      const name = `k${index}`
      await store.commit([
        { put: key(name), value: random },
        { put: key('copy', name), value: random },
      ])
      written.push(name)
    }
  }
  await assert.rejects(refused(), hasCode('IEMS_STORE_FULL'))
  await assert.rejects(store.blobs.stage(content(20_000_000)), hasCode('IEMS_STORE_FULL'))
  assert.deepEqual(await readdir(join(path, 'data/blobs/staging')), [])

  await rm(ballast)
  const deadline = Date.now() + 10_000
  for (;;) {
    const done = await store.commit([put('after')]).catch((error: { code: string }) => error.code)
    if (done === true) break
    assert.ok(done === 'IEMS_STORE_FULL' && Date.now() < deadline, String(done))
    await delay(20)
  }
  assert.ok(written.length > 5)
  for (const name of written) assert.ok(random.equals((await store.get(key('copy', name))) as Buffer))
  // Half of a commit would be worse than none.
  const last = `k${written.length}`
  assert.equal((await store.get(key(last))) === undefined, (await store.get(key('copy', last))) === undefined)
  assert.deepEqual(await store.take('lane', 1, MINUTE), [], 'a lease outlives it')
  assert.equal(
    await store.commit(
      [{ undue: key('a'), lane: 'lane' }],
      [{ due: key('a'), lane: 'lane', lease: lease?.generation as number }],
    ),
    true,
  )
})

test('the reserve is given up for changes that free space, and made again when there is room', async (t) => {
  const path = await smallDisk(t, '32m')
  if (path === undefined) return
  const store = await levelStore({ path: join(path, 'data'), reserve: 4_000_000 })
  t.after(() => store.close())
  await store.commit([put('a', 5000), put('b', 5000)])
  const filler = join(path, 'filler')
  await fillDisk(filler)
  await assert.rejects(store.commit([put('c', 50_000)]), hasCode('IEMS_STORE_FULL'))
  assert.equal((await store.get(key('a')))?.byteLength, 5000, 'reading goes on')
  const deadline = Date.now() + 10_000
  for (;;) {
    const done = await store.commit([{ del: key('a') }]).catch((error: { code: string }) => error.code)
    if (done === true) break
    assert.ok(done === 'IEMS_STORE_FULL' && Date.now() < deadline, String(done))
    await delay(20)
  }
  await assert.rejects(store.blobs.stage(content(10)), hasCode('IEMS_STORE_FULL'))

  await fillDisk(filler)
  for (let scarce = false; !scarce; await delay(20))
    scarce = await store.commit([put('d', 10)]).then(() => false, hasCode('IEMS_STORE_FULL'))
  assert.equal((await store.get(key('b')))?.byteLength, 5000, 'without any room reading goes on')

  await rm(filler)
  for (let staged = false; !staged; await delay(20)) {
    assert.ok(Date.now() < deadline + 20_000)
    staged = await store.blobs.stage(content(10)).then(
      () => true,
      () => false,
    )
  }
  assert.equal((await stat(join(path, 'data/reserve'))).size, 4_000_000)
  assert.equal(await store.commit([put('e')]), true)
})

test('a store on a full disk opens with the room of its reserve', async (t) => {
  const path = await smallDisk(t, '32m')
  if (path === undefined) return
  const options = { path: join(path, 'data'), reserve: 4_000_000 }
  const store = await levelStore(options)
  await store.commit([put('a', 5000)])
  await store.close()
  await fillDisk(join(path, 'filler'))
  const again = await levelStore(options)
  t.after(() => again.close())
  assert.equal((await again.get(key('a')))?.byteLength, 5000)
  assert.equal(await again.commit([{ del: key('a') }]), true)
})

// --- damage -------------------------------------------------------------------------------------------------

test('every octet of the records that has changed on the disk is found', async (t) => {
  const path = await newFolder(t)
  const store = await levelStore({ path })
  for (let round = 0; round < 30; round++)
    await store.commit(
      Array.from({ length: 200 }, (_, index): Op => {
        const name = `k${round}-${index}`
        return { put: key(name), value: Buffer.from(name.repeat(1 + ((round * index) % 400))) }
      }),
    )
  const live = await verifyRecords(path)
  assert.deepEqual(live.damaged, [], 'beside the running server')
  await store.close()
  // What is in the log becomes a table when the store is opened again.
  await (await levelStore({ path })).close()
  const sound = await verifyRecords(path)
  assert.deepEqual(sound.damaged, [])
  const folder = join(path, 'records')
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ldb'))
  assert.ok(names.length > 0)
  for (const name of names) {
    const file = join(folder, name)
    const bytes = await readFile(file)
    for (let part = 0; part < 40; part++) {
      const at = Math.floor(((bytes.length - 48) * part) / 39)
      const wrong = Buffer.from(bytes)
      wrong[at] = (wrong[at] as number) ^ 1
      await writeFile(file, wrong)
      assert.deepEqual(
        (await verifyRecords(path)).damaged.map(({ file }) => file),
        [file],
        `${name} octet ${at}`,
      )
    }
    await writeFile(file, bytes.subarray(0, bytes.length / 2))
    assert.equal((await verifyRecords(path)).damaged.length, 1, `half of ${name}`)
    await writeFile(file, bytes)
  }
  const manifest = join(folder, (await readdir(folder)).find((name) => name.startsWith('MANIFEST')) as string)
  const bytes = await readFile(manifest)
  bytes[10] = (bytes[10] as number) ^ 1
  await writeFile(manifest, bytes)
  assert.deepEqual((await verifyRecords(path)).damaged, [{ file: manifest, what: 'the record at octet 0 has changed' }])
})
