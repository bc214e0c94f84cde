/**
 * A process to be killed: commits record after record, with its body and a due entry, in a store in the folder that it
 * is given, and says the name of each on stdout when the store has answered.
 */
import { writeSync } from 'node:fs'
import { key } from '../../core/store/keys.ts'
import { levelStore } from '../../core/store/level/level.ts'

const [path = '', round = ''] = process.argv.slice(2)
const store = await levelStore({ path })
const body = Buffer.alloc(1000, round)

async function* content(size: number) {
  for (let at = 0; at < size; at += 1000) yield body
}

async function commitOn(who: number): Promise<void> {
  for (let index = 0; ; index++) {
    const name = `${round}.${who}.${index}`
    const { id, ops } = await (await store.blobs.stage(content(index % 10 === 0 ? 100_000 : 1000))).keep()
    const put = { put: key('k', name), value: Buffer.from(id) }
    if (await store.commit([...ops, put, { due: key('k', name), lane: `lane/${who}`, in: 0 }]))
      writeSync(1, `${name}\n`)
  }
}

await Promise.all([0, 1, 2, 3].map(commitOn))
