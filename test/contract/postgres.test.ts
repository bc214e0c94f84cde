/** The store in PostgreSQL keeps every promise of a store, with one, two and three servers on it. */
import type { Store } from 'iems'
import { postgresStore } from 'iems/plugins/postgres'
import { storeContract } from '../../core/testing/contracts/store.ts'
import { scattered } from '../support/handles.ts'
import { fileScope, type Postgres, startPostgres, whyNoPostgres } from '../support/postgres.ts'

const START = Date.UTC(2026, 0, 1)

const scope = fileScope()
let server: Promise<Postgres> | undefined
const postgres = () => {
  server ??= startPostgres(scope)
  return server
}
let schemas = 0

/** A clock that a test sets. */
const CLOCK = (schema: string) => `
  set search_path = ${schema};
  insert into meta (name, value) values ('now', '${START}');
  create or replace function now_ms() returns bigint language sql volatile
    as $$ select value::bigint from meta where name = 'now' $$;`

if (whyNoPostgres() === undefined) {
  for (const count of [1, 2, 3]) {
    storeContract(`PostgreSQL, ${count} handles`, async (t) => {
      const { url, query } = await connected()
      const schema = `contract_${++schemas}`
      const open = () => postgresStore({ url, schema, connections: 4 }).open()
      const openAll = () => Promise.all(Array.from({ length: count }, open))
      await (await open()).close()
      await query(CLOCK(schema))
      let handles: Store[] = await openAll()
      const close = async () => {
        await Promise.all(handles.map((one) => one.close()))
      }
      t.after(async () => {
        await close()
        await query(`drop schema ${schema} cascade`)
      })
      return {
        store: scattered(handles, close),
        elapse: async (ms) => {
          await query(`update ${schema}.meta set value = (value::bigint + ${Math.round(ms)})::text where name = 'now'`)
        },
        async reopen() {
          await close()
          handles = await openAll()
          return scattered(handles, close)
        },
      }
    })
  }
}

async function connected() {
  const one = await postgres()
  return { url: one.url(), query: (text: string) => one.query(text) }
}
