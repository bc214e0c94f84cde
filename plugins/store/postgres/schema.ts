/**
 * The tables and functions of the store in PostgreSQL, and how a database is brought to this version's format.
 *
 * Invariants: data of a newer format are never touched; each step runs in one transaction, by one server at a time; a
 * function keeps its meaning, so that a server of another version can go on calling it: what changes gets another name.
 */
import { IemsError } from 'iems'
import { quoted, type Session } from './session.ts'

export const FORMAT = 1

/** Ms since 1970 by the clock of the database, which all servers share. */
const CLOCK = `
create function now_ms() returns bigint language sql volatile
  as $$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint $$;
`

const TABLES = `
create table meta (name text primary key, value text not null);

create table records (key bytea primary key, value bytea not null) with (fillfactor = 90);

-- A key in a lane; with a lease, "at" is when the lease ends.
create table due (
  lane text collate "C" not null,
  key bytea not null,
  at bigint not null,
  lease bigint,
  primary key (lane, key)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index due_at on due (lane, at, key);
create sequence leases;

-- A blob that was kept: small ones with their octets, others with their chunks.
create table blobs (id text collate "C" primary key, since bigint not null, size bigint not null, value bytea);
create table chunks (id text collate "C" not null, n integer not null, value bytea not null, primary key (id, n));
alter table blobs alter column value set storage external;
alter table chunks alter column value set storage external;
-- Blobs whose chunks are being written.
create table staging (id text collate "C" primary key, since bigint not null);

-- What each batch of commits has come to, so that a server that lost its connection learns of it.
create table outcomes (token uuid primary key, at bigint not null, failed integer[] not null);
create index outcomes_at on outcomes (at);
`

/**
 * A batch of commits that do not touch what another of them writes, so that the order among them does not matter. The
 * rows are locked in their order, which keeps batches of several servers from waiting for each other in a circle.
 */
const COMMIT = `
create function commit_1(
  in the_token uuid,
  in check_key bytea[], in check_of integer[], in check_kind integer[], in check_value bytea[],
  in lease_lane text[], in lease_key bytea[], in lease_of integer[], in lease_is bigint[],
  in put_key bytea[], in put_of integer[], in put_new boolean[], in put_value bytea[],
  in del_key bytea[], in del_of integer[],
  in body_id text[], in body_of integer[], in body_value bytea[],
  in move_lane text[], in move_key bytea[], in move_of integer[], in move_in bigint[], in move_free boolean[],
  out failed integer[], out at_ms bigint
) language plpgsql as $$
#variable_conflict use_column
declare
  made bytea[];
  late integer[];
begin
  at_ms := now_ms();
  perform 1 from records where key = any(put_key || del_key) order by key for update;
  if cardinality(check_key) > 0 then
    perform 1 from records where key = any(check_key) order by key for share;
  end if;
  if cardinality(lease_key) + cardinality(move_key) > 0 then
    perform 1 from due d
      join (select * from unnest(lease_lane || move_lane, lease_key || move_key) as u(l, k)) u on d.lane = u.l and d.key = u.k
      order by d.lane, d.key for update of d;
  end if;

  select coalesce(array_agg(distinct n), '{}') into failed from (
    select c.n from unnest(check_key, check_of, check_kind, check_value) as c(k, n, kind, v)
      left join records r on r.key = c.k
      where case c.kind when 0 then r.key is not null when 1 then r.key is null else r.value is distinct from c.v end
    union all
    select c.n from unnest(lease_lane, lease_key, lease_of, lease_is) as c(l, k, n, lease)
      left join due d on d.lane = c.l and d.key = c.k
      where case when c.lease is null then d.lease is not null and d.at > at_ms else d.lease is distinct from c.lease end
  ) as broken;

  if true = any(put_new) then
    with wanted as (
      select p.k, p.v from unnest(put_key, put_of, put_new, put_value) as p(k, n, new, v)
        where p.new and p.n <> all(failed) order by p.k
    ), inserted as (
      insert into records (key, value) select k, v from wanted on conflict do nothing returning key
    ) select coalesce(array_agg(key), '{}') into made from inserted;
    -- Another server has created it meanwhile.
    select coalesce(array_agg(distinct p.n), '{}') into late
      from unnest(put_key, put_of, put_new) as p(k, n, new)
      where p.new and p.n <> all(failed) and p.k <> all(made);
    if cardinality(late) > 0 then
      delete from records r using unnest(put_key, put_of) as p(k, n)
        where r.key = p.k and p.n = any(late) and p.k = any(made);
      failed := failed || late;
    end if;
  end if;
  if false = any(put_new) then
    insert into records (key, value)
      select p.k, p.v from unnest(put_key, put_of, put_new, put_value) as p(k, n, new, v)
        where not p.new and p.n <> all(failed) order by p.k
      on conflict (key) do update set value = excluded.value;
  end if;
  if cardinality(del_key) > 0 then
    delete from records r using unnest(del_key, del_of) as p(k, n) where r.key = p.k and p.n <> all(failed);
  end if;
  if cardinality(body_id) > 0 then
    insert into blobs (id, since, size, value)
      select b.i, at_ms, length(b.v), b.v from unnest(body_id, body_of, body_value) as b(i, n, v)
        where b.n <> all(failed) order by b.i
      on conflict (id) do nothing;
  end if;
  if cardinality(move_key) > 0 then
    delete from due d using unnest(move_lane, move_key, move_of, move_in) as m(l, k, n, ms)
      where d.lane = m.l and d.key = m.k and m.ms is null and m.n <> all(failed);
    insert into due (lane, key, at)
      select m.l, m.k, at_ms + m.ms from unnest(move_lane, move_key, move_of, move_in, move_free) as m(l, k, n, ms, free)
        where m.ms is not null and not m.free and m.n <> all(failed) order by m.l, m.k
      on conflict (lane, key) do update set at = excluded.at, lease = null;
    update due d set at = at_ms + m.ms, lease = null
      from unnest(move_lane, move_key, move_of, move_in, move_free) as m(l, k, n, ms, free)
      where d.lane = m.l and d.key = m.k and m.free and m.n <> all(failed) and (d.lease is null or d.at <= at_ms);
  end if;
  insert into outcomes (token, at, failed) values (the_token, at_ms, failed);
end $$;
`

/** Leases up to so many keys that are due and that no other transaction holds. */
const TAKE = `
create function take_1(in the_lane text, in up_to integer, in lease_ms bigint,
  out key bytea, out until bigint, out generation bigint, out at_ms bigint
) returns setof record language plpgsql as $$
#variable_conflict use_column
declare moment bigint := now_ms();
begin
  return query
    with picked as (
      select d.key, d.at from due d where d.lane = the_lane and d.at <= moment
        order by d.at, d.key limit up_to for update skip locked
    ), leased as (
      update due d set at = moment + lease_ms, lease = nextval('leases') from picked p
        where d.lane = the_lane and d.key = p.key returning d.key, d.at, d.lease, p.at as since
    ) select l.key, l.at, l.lease, moment from leased l order by l.since, l.key;
end $$;
`

/** From no format to 1, from 1 to 2, and so on. */
const STEPS: readonly string[] = [CLOCK + TABLES + COMMIT + TAKE]

/** Brings the schema to this version's format. Throws IEMS_STORE_NEWER. */
export async function migrate(session: Session, schema: string, describe: string): Promise<void> {
  if ((await formatOf(session, schema, describe)) === FORMAT) return
  await session.run('begin')
  await session.run('select pg_advisory_xact_lock(hashtext($1))', [`iems ${schema}`])
  await session.run(`create schema if not exists ${quoted(schema)}`)
  for (let format = await formatOf(session, schema, describe); format < FORMAT; format++) {
    await session.run(STEPS[format] as string)
    await session.run(
      `insert into meta (name, value) values ('format', $1) on conflict (name) do update set value = excluded.value`,
      [String(format + 1)],
    )
  }
  await session.run('commit')
}

async function formatOf(session: Session, schema: string, describe: string): Promise<number> {
  const [there] = await session.run<{ found: string | null }>('select to_regclass($1)::text as found', [
    `${quoted(schema)}.meta`,
  ])
  if (!there?.found) return 0
  const [row] = await session.run<{ value: string }>(`select value from meta where name = 'format'`)
  const found = Number(row?.value ?? 0)
  if (found > FORMAT) throw new IemsError('IEMS_STORE_NEWER', { path: describe, found, known: FORMAT })
  return found
}
