-- One of each kind of object, in the order in which they need each other; see complete-database.ts.
create schema kinds; create schema "odd ""schema"" %s \ 名"; create schema authorization ada;
create schema configured; create extension handled_configured schema configured;
insert into configured.setting values ('mine', E'a\tb'), ('also mine', null);
insert into configured.whole values (7), (8);
update configured.untouched set id = 5;
select nextval('configured.ticket') from generate_series(1, 3);
create extension hstore schema kinds; create extension pg_trgm; create extension file_fdw; create extension postgres_fdw;
create extension btree_gist;
comment on extension hstore is 'our own words';

-- Types
create type kinds.mood as enum ('sad', 'happy, really');
alter type kinds.mood add value 'so so' before 'happy, really';
create collation kinds.odd_order (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create collation kinds.plain_order from "C";
create domain kinds.age as int default 18 not null check (value >= 0) constraint young check (value < 150);
create domain kinds.code as text collate "C" check (value ~ '^ab');
alter domain kinds.code add constraint long check (length(value) > 1) not valid;
create domain kinds.maybe_age as int check (value >= 0);
create type kinds.pair as (a int, b text collate "C");
create type kinds.nested as (p kinds.pair, ps kinds.pair[]);
create function kinds.lapse_size(float8, float8) returns float8 language sql immutable as 'select $2 - $1';
create type kinds.lapse as range (subtype = float8, subtype_diff = kinds.lapse_size, multirange_type_name = kinds.lapses);
create type kinds.shell;
create type kinds.whole;
create function kinds.whole_in(cstring) returns kinds.whole language internal immutable strict as 'int4in';
create function kinds.whole_out(kinds.whole) returns cstring language internal immutable strict as 'int4out';
create type kinds.whole (input = kinds.whole_in, output = kinds.whole_out, like = int4, category = 'N', default = '7', delimiter = ';');

-- Functions, operators, casts and the like
create function kinds.add_one(int) returns int language sql immutable as 'select $1 + 1';
create function kinds.less(int, int) returns bool language sql immutable as 'select $1 < $2';
create function kinds.compare(int, int) returns int language sql immutable as 'select sign($1 - $2)::int';
create operator kinds.<%> (leftarg = int, rightarg = int, function = kinds.less, commutator = operator(kinds.>%<), restrict = scalarltsel);
create operator kinds.~~+ (rightarg = int, function = kinds.add_one);
create operator family kinds.numbers using btree;
create operator class kinds.downwards for type int using btree family kinds.numbers as
  operator 1 pg_catalog.>, operator 2 pg_catalog.>=, operator 3 pg_catalog.=, operator 4 pg_catalog.<=, operator 5 pg_catalog.<, function 1 kinds.compare(int, int);
alter operator family kinds.numbers using btree add operator 1 pg_catalog.> (int, bigint);
create cast (kinds.pair as text) with inout as assignment;
create function kinds.to_pair(int) returns kinds.pair language sql immutable as $$ select row($1, 'x')::kinds.pair $$;
create cast (int as kinds.pair) with function kinds.to_pair(int) as implicit;
create cast (kinds.whole as int) without function;
create conversion kinds.latin for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
create default conversion kinds.latin_too for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
create function kinds.call_handler() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_call_handler';
create function kinds.inline_handler(internal) returns void language c strict as '$libdir/plpgsql', 'plpgsql_inline_handler';
create function kinds.validator(oid) returns void language c strict as '$libdir/plpgsql', 'plpgsql_validator';
create trusted language other_plpgsql handler kinds.call_handler inline kinds.inline_handler validator kinds.validator;
create function kinds.in_other() returns int language other_plpgsql as 'begin return 1; end';
create transform for int language sql (from sql with function prsd_lextype(internal), to sql with function int4recv(internal));
create access method other_heap type table handler heap_tableam_handler;
create text search dictionary kinds.stops (template = pg_catalog.simple, stopwords = english);
create text search template kinds.patterns (init = pg_catalog.dsimple_init, lexize = pg_catalog.dsimple_lexize);
create text search parser kinds.words (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype, headline = prsd_headline);
create text search configuration kinds.plain (parser = kinds.words);
alter text search configuration kinds.plain add mapping for asciiword, word with kinds.stops;
create procedure kinds.tidy(inout n int) language plpgsql as $p$ begin n := n + 1; commit; end $p$;
create function kinds.many(out a int, out b text) returns setof record language sql rows 5 cost 7 stable strict parallel safe
  set search_path = pg_catalog, "odd ""schema"" %s \ 名" set work_mem = '8MB' as $f$ select 1, E'\\.' $f$;
create function kinds.atomic(n int) returns int language sql begin atomic; select n * 2; end;
create function kinds.spread(variadic int[]) returns int language sql security definer leakproof as 'select count(*)::int from unnest($1)';
create aggregate kinds.total(int) (sfunc = int4pl, stype = int, initcond = '0', parallel = safe, combinefunc = int4pl, msfunc = int4pl, minvfunc = int4mi, mstype = int);
create aggregate kinds.middle(float8 order by float8) (sfunc = ordered_set_transition, stype = internal, finalfunc = percentile_cont_float8_final, finalfunc_modify = read_write);
create table kinds."odd "" class" (id int);

-- [typed tables]

create schema tables;
set search_path = tables, kinds, public;

-- Tables
create table by_range (at date not null, n int, note text default 'x') partition by range (at, n);
create table by_range_old partition of by_range for values from (minvalue, minvalue) to ('2024-01-01', 0);
create table by_range_new (n int, note text, at date not null) partition by list (n);
alter table by_range attach partition by_range_new for values from ('2024-01-01', 0) to (maxvalue, maxvalue);
create table by_range_new_1 partition of by_range_new for values in (1, null);
create table by_range_new_rest partition of by_range_new default;
create table by_range_default partition of by_range default;
insert into by_range select date '2023-06-01' + g, g % 3, 'n' || g from generate_series(1, 500) g;
create table by_list (code text) partition by list (lower(code));
create table by_list_a partition of by_list for values in ('a') with (fillfactor = 50);
create table by_list_other partition of by_list default;
insert into by_list values ('A'), ('a'), ('b'), (null);
create table by_hash (id int, name text) partition by hash (id, name);
create table by_hash_0 partition of by_hash for values with (modulus 3, remainder 0);
create table by_hash_1 partition of by_hash for values with (modulus 3, remainder 1);
create table by_hash_2 partition of by_hash for values with (modulus 6, remainder 2) partition by hash (id);
create table by_hash_2_all partition of by_hash_2 for values with (modulus 1, remainder 0);
create table by_hash_5 partition of by_hash for values with (modulus 6, remainder 5);
insert into by_hash select g, 'h' || g from generate_series(1, 100) g;
create table by_mood (feeling mood, n int generated always as identity) partition by hash (feeling);
create table by_mood_0 partition of by_mood for values with (modulus 2, remainder 0);
create table by_mood_1 partition of by_mood for values with (modulus 2, remainder 1) partition by list (feeling);
create table by_mood_1_all partition of by_mood_1 default;
insert into by_mood (feeling) select (array['sad', 'so so', 'happy, really', null]::mood[])[1 + g % 4] from generate_series(1, 100) g;
create table by_mood_list (feeling mood) partition by list (feeling);
create table by_mood_list_sad partition of by_mood_list for values in ('sad');
create table by_mood_list_rest partition of by_mood_list default;
insert into by_mood_list values ('sad'), ('so so'), (null);
create table partitioned_empty (a int) partition by range (a);

create table parent (id int default 1, name text not null check (name <> ''));
create table child (extra int) inherits (parent);
create table grandchild (more text, check (more is not null) no inherit) inherits (child);
alter table parent add column late int default 4;
alter table child alter column id set default 2;
insert into parent values (1, 'p', 10); insert into child (id, name, extra, late) values (2, 'c', 5, 20), (3, 'c', 6, null);
insert into grandchild (id, name, extra, more, late) values (4, 'g', 7, 'm', 30);
create table second_parent (late int, other text);
create table two_parents (own int) inherits (parent, second_parent);
insert into two_parents values (1, 'two', 3, 'o', 5);

create table generated (a int, doubled int generated always as (a * 2) stored, b text generated always as (a::text || 'x') stored, always int generated always as identity (start 5 increment -2 minvalue -100 maxvalue 50), def bigint generated by default as identity (cycle cache 3));
insert into generated (a) select generate_series(1, 7);
create table only_generated (one int generated always as (1) stored);
insert into only_generated default values; insert into only_generated default values;
create table nothing ();
insert into nothing default values; insert into nothing default values; insert into nothing default values;
create table nothing_left (gone int); insert into nothing_left values (1), (2); alter table nothing_left drop column gone;
create table empty (id int);
create table dropped (a int, gone text, b int default 3, c int not null default 9);
insert into dropped values (1, 'x', 2, 3); alter table dropped drop column gone; alter table dropped add column d text default 'added';
insert into dropped values (4, null, 5, 'd');
create table of_type of pair (a with options primary key, b default 'of');
insert into of_type values (1, default), (2, 'b');
create unlogged table scratch as select generate_series(1, 11) as n;
create table in_space (a int) tablespace fast; insert into in_space values (1);
create table other_access (a int, b text) using other_heap; insert into other_access select g, 'o' || g from generate_series(1, 3000) g;
create table stored (plain text, ext text, main text, zipped text compression lz4, few int) with (fillfactor = 70, autovacuum_enabled = false, toast_tuple_target = 256, toast.autovacuum_vacuum_threshold = 77);
alter table stored alter plain set storage plain, alter ext set storage external, alter main set storage main, alter few set statistics 500, alter few set (n_distinct = -0.5);
insert into stored select 'p' || g, repeat(md5(g::text), 300), repeat('m', 5000), repeat(md5(g::text), 500), g from generate_series(1, 5) g;
create table rows_of_rows (r dropped, rs parent[], m mood[] default '{sad}');
insert into rows_of_rows select one, array[row(1, 'n', 2)::parent, null], '{}' from dropped one;
create table whole_numbers (w kinds.whole, c kinds.age); insert into whole_numbers values ('5', 20), (default, default);
create table named (code text collate kinds.odd_order primary key, "UPPER %s" int, "new
line" int, "q""'\" text);
insert into named values ('Ä', 1, 2, '3');
create table "odd ""schema"" %s \ 名"."tab	'le" (" " int primary key, "a.b" text default E'\\.' || chr(10));
insert into "odd ""schema"" %s \ 名"."tab	'le" values (1, default), (2, '\.');
create table "two
lines" ("a
b" text); insert into "two
lines" values ('x');
create table wide as select g as id, repeat(md5(g::text), 100) as pad from generate_series(1, 3000) g;
delete from wide where id % 3 = 0; update wide set pad = 'short' where id % 7 = 0;
create table tagged (id int primary key, tags kinds.hstore); insert into tagged values (1, 'a=>1'), (2, 'b=>NULL,"c d"=>"\\"');

-- Sequences
create sequence counter start 1000 increment 7; select nextval('counter'), nextval('counter');
create sequence untouched start 42; create sequence owned_later as smallint minvalue -5 maxvalue 5 start 5 increment -1 cycle;
alter sequence owned_later owned by empty.id; select nextval('owned_later');
create table serials (a serial, b bigserial, c smallserial); insert into serials default values; insert into serials default values;
select setval('serials_b_seq', 9223372036854775807, true); select setval('counter', 5000, false);
create unlogged sequence forgetful; select nextval('forgetful');

-- Constraints and indexes
create table target (id int primary key, code text unique nulls not distinct, at tsrange, other int, constraint positive check (other > 0) not valid);
create table pointing (id int primary key, target int references target on delete set null (target) on update cascade deferrable initially deferred, code text references target (code) match full);
insert into target values (1, 'a', '[2024-01-01,2024-01-02)', 1), (2, null, null, null);
insert into pointing values (1, 1, 'a'), (2, null, null), (3, 2, null);
alter table pointing add constraint later foreign key (id) references target not valid;
create table circle_a (id int primary key, b int); create table circle_b (id int primary key, a int references circle_a deferrable);
alter table circle_a add foreign key (b) references circle_b deferrable initially deferred;
begin; insert into circle_a values (1, 1); insert into circle_b values (1, 1); commit;
create table node (id int primary key, next int references node); insert into node values (2, null), (1, 2);
create table part_pointing (id int, target int references target, primary key (id)) partition by range (id);
create table part_pointing_1 partition of part_pointing for values from (0) to (10);
insert into part_pointing values (1, 1);
create table pointing_at_part (id int references part_pointing); insert into pointing_at_part values (1);
create table booked (room int, during tsrange, exclude using gist (room with =, during with &&) where (room > 0) deferrable initially deferred);
insert into booked values (1, '[2024-01-01,2024-01-02)'), (0, '[2024-01-01,2024-01-02)'), (0, '[2024-01-01,2024-01-02)');
create unique index covering on target (other desc nulls last) include (code) where other is not null;
create index expressions on target (lower(code) collate kinds.plain_order text_pattern_ops, (other + 1) kinds.downwards) with (fillfactor = 60);
alter index expressions alter column 2 set statistics 300;
create index trigrams on target using gin (code gin_trgm_ops) tablespace fast;
create index blocks on wide using brin (id) with (pages_per_range = 4);
create index hashed on wide using hash (pad);
create index on by_range (note); create index on only by_hash (name);
create unique index node_next on node (next, id); alter table node cluster on node_next;
create unique index serials_all on serials (a, b, c); alter table serials replica identity using index serials_all;
alter table empty replica identity full; alter table scratch replica identity nothing;
create statistics related (ndistinct, dependencies, mcv) on at, n from by_range_old; alter statistics related set statistics 50;
create statistics computed on (n % 10), (note || 'x') from by_range_old;

-- Views, rules, triggers
create view plain_view with (security_barrier, check_option = local) as select id, code from target where id > 0;
create view invoked with (security_invoker = true) as select * from plain_view;
create recursive view counting (n) as values (1) union all select n + 1 from counting where n < 5;
alter view plain_view alter column code set default 'from view';
create view from_tables as select t.*, p as whole from target t join pointing p using (id);
create materialized view filled as select n, count(*) as c from by_range group by n;
create unique index on filled (n); alter materialized view filled cluster on filled_n_idx;
create materialized view z_base as select count(*) as c from wide; create materialized view a_on_z as select c + 1 as c from z_base;
create materialized view unfilled as select 1 as one with no data;
create materialized view unfilled_on_filled as select * from filled with no data;
create rule noticed as on update to target where new.other = 99 do also select 1;
create rule ignored as on insert to empty do instead nothing; alter table empty disable rule ignored;
create rule "_through" as on insert to invoked do instead insert into target (id, code) values (new.id, new.code) returning id, code;
create function stamp() returns trigger language plpgsql as $$ begin if tg_op = 'DELETE' then return old; end if; return new; end $$;
create trigger row_before before insert or update of id, name on parent for each row when (new.id > 0) execute function stamp('an', 'argument ''x');
create trigger statement_after after delete on parent referencing old table as gone for each statement execute function stamp();
create constraint trigger checked after insert on target deferrable initially deferred for each row execute function stamp();
create trigger truncated before truncate on target execute function stamp();
create trigger on_view instead of insert on from_tables for each row execute function stamp();
create trigger on_parts after insert on by_range for each row execute function stamp();
create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
create trigger refuses before insert on serials for each row execute function refuse();
create trigger always before insert on generated for each row execute function refuse(); alter table generated enable always trigger always;
create trigger on_replica before insert on dropped for each row execute function refuse(); alter table dropped enable replica trigger on_replica;
create trigger off before insert on named for each row execute function refuse(); alter table named disable trigger off;
alter table by_range_old disable trigger on_parts;
create table secured (owner_name text, secret text);
insert into secured values ('ada', 'one'), ('grace', 'two');
alter table secured enable row level security; alter table secured force row level security;
create policy own on secured for select to ada, grace using (owner_name = current_user);
create policy narrow on secured as restrictive for update using (true) with check (secret <> '');

-- What is elsewhere
create server files foreign data wrapper file_fdw; create foreign data wrapper bare options (debug 'true');
create server far type 'postgres' version '15' foreign data wrapper postgres_fdw options (host '/nowhere', dbname 'it''s');
create user mapping for ada server far options (user 'ada', password 'pass''word'); create user mapping for public server far;
create foreign table elsewhere (line text options (force_not_null 'true'), check (line <> '')) server files options (filename '/etc/hostname');
create foreign table far_table (a int not null default 4) server far options (table_name 'x');
create foreign table by_range_far partition of by_list for values in ('far') server far;

-- Who may do what
alter table secured owner to ada; alter schema kinds owner to grace; alter function kinds.add_one(int) owner to ada;
alter view plain_view owner to ada; alter type kinds.mood owner to grace; alter sequence counter owner to "Röle ""x"" %";
alter materialized view filled owner to ada; alter procedure kinds.tidy(int) owner to ada; alter aggregate kinds.total(int) owner to ada;
alter domain kinds.age owner to ada; alter collation kinds.odd_order owner to ada; alter text search configuration kinds.plain owner to ada;
alter foreign table elsewhere owner to ada; alter server files owner to ada; alter statistics related owner to ada;
alter operator kinds.~~+ (none, int) owner to ada; alter conversion kinds.latin owner to ada; alter table by_mood_0 owner to ada;
grant usage on schema tables, kinds to reader, public; grant create on schema tables to ada with grant option;
grant select, insert (a, b), update (b) on dropped to reader; grant all on all sequences in schema tables to ada;
grant select on target to ada with grant option; set session authorization ada; grant select on tables.target to reader; reset session authorization;
revoke execute on function kinds.many() from public; grant execute on function kinds.many() to reader with grant option;
grant usage on language other_plpgsql to reader; revoke usage on type kinds.pair from public; grant usage on domain kinds.code to ada;
grant usage on foreign data wrapper bare to ada; grant usage on foreign server far to reader; revoke all on table wide from current_user;
revoke create on schema public from public; grant select on by_range to ada; grant select (note) on by_range to "Röle ""x"" %"; grant select on configured.setting to reader;
grant execute on function pg_catalog.pg_stat_reset() to reader; grant select (rolname) on pg_catalog.pg_authid to reader;
alter default privileges in schema tables grant select on tables to reader;
alter default privileges for role ada revoke execute on functions from public;
alter default privileges for role grace grant usage on schemas to ada with grant option;

-- Large objects
select lo_from_bytea(4242, '\x0001020304'), lo_from_bytea(4343, convert_to(repeat('long ', 200000), 'UTF8')), lo_create(4444), lo_create(4294967295);
do $$ declare fd int; begin perform lo_create(4545); fd := lo_open(4545, 131072); perform lo_lseek(fd, 1000000, 0); perform lowrite(fd, '\xff'); perform lo_close(fd); end $$;
do $$ declare fd int; begin perform lo_create(4646); fd := lo_open(4646, 131072); perform lo_truncate(fd, 4096); perform lo_close(fd); end $$;
do $$ begin perform lo_from_bytea(g, convert_to('object ' || g, 'UTF8')) from generate_series(10000, 12500) g; end $$;
select lo_from_bytea(4747, decode(repeat('00ff', 131072), 'hex'));
comment on large object 4242 is E'of an object\n\\. "quoted" ''and'' ünï'; alter large object 4343 owner to ada; alter large object 4444 owner to "Röle ""x"" %";
grant select on large object 4242 to public, reader; grant select, update on large object 4343 to grace with grant option;
set session authorization grace; grant select on large object 4343 to reader; reset session authorization;
revoke all on large object 4646 from current_user; grant update on large object 4747 to "Röle ""x"" %" with grant option;
create table pointing_at_objects as select oid as object, lo_get(oid, 0, 3) as head from pg_largeobject_metadata where oid < 5000;

-- Comments on one of each kind
comment on schema kinds is 'a schema; with -- things \connect in it'; comment on table nothing is E'a\ntable'; comment on column named."q""'\" is 'a column';
comment on constraint positive on target is 'c'; comment on constraint young on domain kinds.age is 'dc'; comment on type kinds.mood is 't';
comment on domain kinds.code is 'd'; comment on function kinds.many() is 'f'; comment on procedure kinds.tidy(int) is 'p'; comment on aggregate kinds.total(int) is 'a';
comment on operator kinds.<%> (int, int) is 'o'; comment on operator class kinds.downwards using btree is 'oc'; comment on operator family kinds.numbers using btree is 'of';
comment on cast (int as kinds.pair) is 'ca'; comment on collation kinds.odd_order is 'co'; comment on conversion kinds.latin is 'cv'; comment on index covering is 'i';
comment on rule noticed on target is 'r'; comment on trigger refuses on serials is 'tr'; comment on policy own on secured is 'po'; comment on view plain_view is 'v';
comment on column plain_view.code is 'vc'; comment on materialized view unfilled is 'm'; comment on sequence counter is 's'; comment on statistics related is 'st';
comment on text search configuration kinds.plain is 'x'; comment on text search dictionary kinds.stops is 'x'; comment on text search parser kinds.words is 'x';
comment on text search template kinds.patterns is 'x'; comment on foreign table elsewhere is 'ft'; comment on server far is 'fs'; comment on foreign data wrapper bare is 'fw';
comment on language other_plpgsql is 'l'; comment on transform for int language sql is 'tf'; comment on access method other_heap is 'am'; comment on column kinds.pair.b is 'attr';

-- Replication and events
create publication chosen for table node (id) where (id > 0), table target; create publication everything for all tables with (publish = 'insert', publish_via_partition_root);
create publication of_schema for tables in schema kinds; comment on publication chosen is 'pub';
create subscription copy connection 'dbname=nowhere' publication chosen with (connect = false, slot_name = none);
create table ddl_log (tag text);
create function log_ddl() returns event_trigger language plpgsql as $$ begin insert into tables.ddl_log values (tg_tag); end $$;
create event trigger log_ddl on ddl_command_end execute function log_ddl();
create event trigger log_drop on sql_drop when tag in ('DROP TABLE', 'DROP VIEW') execute function log_ddl();
create event trigger off on ddl_command_start execute function log_ddl(); alter event trigger off disable;
comment on event trigger log_ddl is 'ev';
