# (Reals are not dumped: SQLite prints them by way of long double, which differs between the architectures.)
# A data base on disk and in memory, full-text search, floats, a killed transaction.
sqlite3 db <<'S'
create table t(id integer primary key, name text, value real); create index i on t(name);
with recursive c(x) as (select 1 union all select x+1 from c where x < 20000) insert into t select x, 'n' || (x * 7919 % 1009), x / 7.0 from c;
select count(*), sum(value), avg(value), max(name), min(name), total(id) from t; select name, count(*) from t group by name order by 2 desc, 1 limit 3;
select round(sqrt(2), 10), 1e300 * 1e10, 5 / 2, -5 % 3, 9223372036854775807 + 1, printf('%.17g', 0.1), hex(zeroblob(3)), substr('hello', -3), abs(-9.5);
explain query plan select * from t where name = 'n5'; update t set value = value * 2 where id % 2; delete from t where id > 19000; vacuum; pragma integrity_check;
create virtual table f using fts5(x); insert into f values('the quick brown fox'), ('lazy dog'); select * from f where f match 'quick OR dog';
select json_extract('{"a":[1,2,{"b":3}]}', '$.a[2].b'); select date('2024-02-28', '+2 days'), strftime('%s', '2000-01-01'), julianday('2000-01-01');
S
sqlite3 db 'select sum(id), sum(value) from t'; sqlite3 db 'update t set value = cast(round(value) as integer)' '.dump t' | sha256sum; sqlite3 db 'select * from nowhere'; echo $?; sqlite3 n.db < /dev/null; sqlite3 -json :memory: 'select 1 as a, null as b'
