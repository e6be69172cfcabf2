/**
 * Tables of the PostgreSQL spike. Text that callers choose is `bytea`: PostgreSQL's `text` cannot hold U+0000.
 *
 * Locks are always taken in this order, so that transactions cannot wait for each other in a circle: lanes
 * (by name), then entries, then the counter. The counter row is taken late in an append and held until its
 * commit: sequences become visible in the order of their numbers.
 */
export function schemaSql(schema: string, now: string): string {
  const kinds = 'accepted, waiting, leased, unknown, held, delivered, dead, discarded, quarantined, bytes'
  const shares = `
    sum(sign), sum(sign * pending), sum(sign * leased::int), sum(sign * (state = 'unknown')::int),
    sum(sign * pending * (stopped > 0)::int), sum(sign * (state = 'delivered')::int),
    sum(sign * (state = 'dead')::int), sum(sign * (state = 'discarded')::int),
    sum(sign * (state = 'quarantined')::int),
    sum(sign * payload_bytes * (pending = 1 or state = 'dead')::int)`
  const pending = "(state in ('waiting', 'unknown'))::int"
  return `
    create schema ${schema};
    set local search_path to ${schema};
    create function now_ms() returns float8 language sql stable as $$ select ${now} $$;
    create sequence ticks;
    create table workers (owner text primary key);
    create table counter (last bigint not null);
    insert into counter values (0);
    create table notes (name bytea primary key, bytes bytea not null, version int not null);
    create table lanes (
      id bigserial primary key, name bytea not null unique, pending int not null default 0,
      last_leased bigint not null default 0, receipt_hash bytea,
      lease_id text unique, lease_owner text, lease_expires float8
    );
    create index on lanes (lease_expires) where lease_id is not null;
    create table entries (
      sequence bigint primary key, lane_id bigint not null references lanes, key bytea not null,
      gate bytea not null, after bigint[] not null, header bytea not null, payload bytea,
      payload_bytes int not null, appended_at float8 not null, state text not null default 'waiting',
      dead_reason text, leased boolean not null default false, attempts int not null default 0,
      due_at float8 not null default 0, troubled_since float8, note bytea,
      mark_group bytea, mark_info bytea, marked_at float8, mark_open boolean not null default false,
      stopped int not null default 0
    );
    alter table entries alter column payload set storage external;
    create index on entries (lane_id, sequence) where state in ('waiting', 'unknown');
    create index on entries (key);
    -- What an entry still waits for. A row goes when its blocker is delivered.
    create table blockers (entry bigint not null, blocker bigint not null, primary key (entry, blocker));
    create index on blockers (blocker);

    -- The audit: one row of differences per statement, summed by stats and folded now and then. A single row
    -- of totals would make every transaction wait for every other one.
    create table deltas (${kinds
      .split(', ')
      .map((kind) => `${kind} bigint not null default 0`)
      .join(', ')}, lanes bigint not null default 0);

    create function stops(state text) returns int language sql immutable as
      $$ select (state in ('dead', 'discarded', 'quarantined'))::int $$;

    create function count_lanes(changed jsonb) returns void language plpgsql as $$ begin
      with change as (select lane::bigint as id, value::int as by from jsonb_each_text(changed) as c(lane, value)),
      lane as (update lanes l set pending = pending + by from change where l.id = change.id returning pending, by)
      insert into deltas (lanes)
        select coalesce(sum((pending > 0)::int - (pending - by > 0)::int), 0) from lane having count(*) > 0;
    end $$;

    create function entries_added() returns trigger language plpgsql as $$ begin
      insert into deltas (${kinds})
        select ${shares} from (select *, 1 as sign, ${pending} as pending from fresh) as e having count(*) > 0;
      perform count_lanes(coalesce(jsonb_object_agg(lane_id, n), '{}'))
        from (select lane_id, count(*) as n from fresh group by lane_id) as c;
      return null;
    end $$;

    create function entries_changed() returns trigger language plpgsql as $$ begin
      -- Also called for statements that changed nothing, such as the last update below.
      if not exists (select from fresh) then return null; end if;
      insert into deltas (${kinds})
        select ${shares} from (
          select *, 1 as sign, ${pending} as pending from fresh
          union all select *, -1, ${pending} from stale
        ) as e having count(*) > 0;
      perform count_lanes(coalesce(jsonb_object_agg(lane_id, n), '{}')) from (
        select lane_id, sum(sign) as n from (
          select lane_id, 1 as sign from fresh where state in ('waiting', 'unknown')
          union all select lane_id, -1 from stale where state in ('waiting', 'unknown')
        ) as s group by lane_id having sum(sign) <> 0) as c;
      update entries e set stopped = e.stopped + c.change from (
        select b.entry, sum(stops(n.state) - stops(o.state)) as change
        from stale o join fresh n using (sequence) join blockers b on b.blocker = n.sequence
        group by b.entry having sum(stops(n.state) - stops(o.state)) <> 0
      ) as c where e.sequence = c.entry;
      delete from blockers b using fresh n where b.blocker = n.sequence and n.state = 'delivered';
      return null;
    end $$;

    create trigger added after insert on entries referencing new table as fresh
      for each statement execute function entries_added();
    create trigger changed after update on entries referencing old table as stale new table as fresh
      for each statement execute function entries_changed();

    -- Ends the leases that have expired and those of workers that are gone.
    create function sweep() returns void language plpgsql as $$ begin
      with gone as (
        select id from lanes where lease_id is not null
          and (lease_expires <= now_ms() or lease_owner not in (select owner from workers))
        order by name for update skip locked
      ), freed as (
        update lanes l set lease_id = null, lease_owner = null, lease_expires = null from gone where l.id = gone.id
      )
      update entries set leased = false, mark_open = false,
        state = case when mark_open then 'unknown' else state end,
        troubled_since = case when mark_open then coalesce(troubled_since, marked_at) else troubled_since end
      where leased and lane_id in (select id from gone);
    end $$;
  `
}
