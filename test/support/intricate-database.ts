/** Everything about tables that has an order in which it must come back. No extensions, no roles, no large objects. */
export const INTRICATE_SQL = `
create schema a; create schema "b ""2"" \nline";
create type a.mood as enum ('sad', 'ok', 'happy');

create table a.customer (id int generated always as identity primary key, name text not null, code text,
  constraint customer_code unique (code) deferrable initially deferred, favourite int, nickname text);
create table a.orders (id serial primary key, customer int not null references a.customer, price numeric check (price >= 0),
  tax numeric generated always as (price * 0.2) stored, during int4range, exclude using gist (during with &&));
insert into a.customer (name, code) select 'customer ' || g, 'c' || g from generate_series(1, 40) g;
insert into a.orders (customer, price, during) select 1 + g % 40, g, int4range(g * 10, g * 10 + 5) from generate_series(1, 300) g;
-- In a circle.
update a.customer set favourite = id * 2;
alter table a.customer add constraint customer_favourite foreign key (favourite) references a.orders deferrable;
alter table a.orders add constraint recent check (id > 250) not valid;
alter table a.orders add constraint other_customer foreign key (id) references a.customer not valid;
create index orders_by_price on a.orders (price desc, (price * 2)) include (customer) where price > 5;
create index orders_by_customer on a.orders (customer); alter table a.orders cluster on orders_by_customer;
alter table a.orders alter customer set statistics 500;
alter table a.customer replica identity using index customer_pkey;
create statistics a.together on customer, price from a.orders;
comment on index a.orders_by_customer is 'an index'; comment on constraint recent on a.orders is 'a check';
comment on constraint customer_favourite on a.customer is 'a key'; comment on statistics a.together is 'both';
comment on column a.orders.price is 'a column';

create table a.event (id int not null, at date not null, customer int references a.customer, what text) partition by range (at);
create table a.event_2023 partition of a.event for values from ('2023-01-01') to ('2024-01-01');
create table a.event_2024 partition of a.event for values from ('2024-01-01') to ('2025-01-01') partition by list (what);
create table a.event_2024_a partition of a.event_2024 for values in ('a');
create table a.event_2024_rest partition of a.event_2024 default;
insert into a.event select g, date '2023-12-01' + g % 60, 1 + g % 40, substr('abc', 1 + g % 3, 1) from generate_series(1, 500) g;
alter table a.event add primary key (id, at, what);
create index event_what on a.event (what); create index only_here on a.event_2023 (customer);
create unique index event_2024_own on a.event_2024_a (id);
create table a.booking (id int, event int, at date, what text, foreign key (event, at, what) references a.event);
insert into a.booking select id, id, at, what from a.event where id % 7 = 0;

create table a.by_mood (feeling a.mood not null, n int not null, primary key (feeling, n)) partition by hash (feeling);
create table a.by_mood_0 partition of a.by_mood for values with (modulus 3, remainder 0);
create table a.by_mood_1 partition of a.by_mood for values with (modulus 3, remainder 1);
create table a.by_mood_2 partition of a.by_mood for values with (modulus 3, remainder 2);
insert into a.by_mood select f, g from unnest(enum_range(null::a.mood)) f, generate_series(1, 100) g;
create index by_mood_n on a.by_mood (n);

create table a.parent (id int primary key, note text); create table a.child (more text) inherits (a.parent);
insert into a.parent values (1, 'p'); insert into a.child values (2, 'c', 'm');
create table a.nothing (); insert into a.nothing default values;
create unlogged table a.unlogged as select generate_series(1, 5) as n;

create table "b ""2"" \nline"."t; drop
-- ""able""" ("c,1" int primary key, "Ünï" text default E'x\\\\y''z');
insert into "b ""2"" \nline"."t; drop
-- ""able""" select g from generate_series(1, 30) g;
create index "i; ""x"" \n-- TOC entry 1 (class 1259 OID 1)" on "b ""2"" \nline"."t; drop
-- ""able""" ("Ünï");
comment on index "b ""2"" \nline"."i; ""x"" \n-- TOC entry 1 (class 1259 OID 1)" is E'--\\n-- TOC entry 1 (class 0 OID 0)\\n--\\n';

-- Views that need a primary key, and views of views.
create view a.spending as select c.id, c.name, sum(o.price) as price from a.customer c join a.orders o on o.customer = c.id group by c.id;
create materialized view a.totals as select c.id, c.name, count(*) as n from a.customer c join a.orders o on o.customer = c.id group by c.id;
create unique index totals_id on a.totals (id);
create materialized view a.a_first as select count(*) as all_of_them from a.totals;
create materialized view a.never as select 1 as one with no data;

create function a.touch() returns trigger language plpgsql as $$ begin raise exception 'fired'; end $$;
create trigger touch before insert or update or delete on a.orders for each row execute function a.touch();
create trigger emptied before truncate on a.orders execute function a.touch();
create rule silent as on insert to a.booking do instead nothing;
alter table a.orders enable row level security; alter table a.orders force row level security;
create policy own on a.orders using (customer = 1);
create function a.atomic(x int) returns int language sql begin atomic select x; select x + 1; end;
alter table a.orders alter column id set default 7;
select setval('a.orders_id_seq', 4711);
create sequence a.fresh start 5; create sequence a.down increment -3 maxvalue 100; select nextval('a.down');
`;
