/** A shop with a little of everything that a dump has to order: types, functions, partitions, views, triggers, odd names. */
export const SHOP_SQL = `
create schema sales;
create type sales.state as enum ('new', 'paid');
create function sales.tax(price numeric) returns numeric language sql immutable as 'select price * 0.2';
create table sales.customer (id int primary key, name text not null);
insert into sales.customer select g, 'customer ' || g from generate_series(1, 5) g;
create table sales.orders (
  id serial primary key, customer int not null references sales.customer, state sales.state default 'new',
  price numeric, tax numeric generated always as (sales.tax(price)) stored);
insert into sales.orders (customer, price) select 1 + g % 5, g from generate_series(1, 20) g;
create index orders_by_state on sales.orders (state);
create table sales.event (at date not null, what text) partition by range (at);
create table sales.event_2023 partition of sales.event for values from ('2023-01-01') to ('2024-01-01');
create table sales.event_2024 partition of sales.event for values from ('2024-01-01') to ('2025-01-01')
  partition by list (what);
create table sales.event_2024_a partition of sales.event_2024 for values in ('a');
create table sales.event_2024_rest partition of sales.event_2024 default;
insert into sales.event select date '2023-12-01' + g, substr('abc', 1 + g % 3, 1) from generate_series(0, 59) g;
create view sales.spending as select c.name, sum(o.price) as price
  from sales.customer c join sales.orders o on o.customer = c.id group by c.name;
create view sales.paid as select * from sales.orders where state = 'paid';
create function public.touch() returns trigger language plpgsql as $$ begin new.price := new.price + 0; return new; end $$;
create trigger touch before update on sales.orders for each row execute function public.touch();
create schema "sch.e""ma 2";
create table "sch.e""ma 2"."Tä ble*" (id int primary key, "wh at" text);
insert into "sch.e""ma 2"."Tä ble*" values (1, 'one'), (2, 'two');
create table public.note (id int primary key, body text);
insert into public.note values (1, 'a note');
`;
