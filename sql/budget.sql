-- Budgets: what can be set, by whom, and what is seen of it. What they do is in test_budget.py.
\set SHOW_CONTEXT never
CREATE SCHEMA budget;
SET search_path = budget;
CREATE FOREIGN TABLE s (k int) SERVER cq_log;
CREATE CONTINUOUS VIEW v AS SELECT k, count(*) FROM s GROUP BY k;
CREATE TABLE plain (k int);
CREATE ROLE budget_owner;

-- What makes no sense.
SELECT cq.set_budget('', 'rows', 10, 'day', view => 'v');
SELECT cq.set_budget(NULL, 'rows', 10, 'day', view => 'v');
SELECT cq.set_budget('b', 'rows', 10, 'day');
SELECT cq.set_budget('b', 'rows', 10, 'day', view => 'v', owner => 'budget_owner');
SELECT cq.set_budget('b', 'rows', 10, 'day', view => 'plain');
SELECT cq.set_budget('b', 'rows', 10, 'day', view => 'absent');
SELECT cq.set_budget('b', 'rows', 10, 'day', owner => 'budget_nobody');
SELECT cq.set_budget('b', 'rows', 10, 'day', pool => 'absent');
SELECT cq.set_budget('b', 'rows', 10, 'day', owner => 'budget_owner', pool => 'absent');
SELECT cq.set_budget('b', 'seconds', 10, 'day', view => 'v');
SELECT cq.set_budget('b', NULL, 10, 'day', view => 'v');
SELECT cq.set_budget('b', 'rows', 0, 'day', view => 'v');
SELECT cq.set_budget('b', 'rows', -1, 'day', view => 'v');
SELECT cq.set_budget('b', 'rows', 'NaN', 'day', view => 'v');
SELECT cq.set_budget('b', 'rows', 'Infinity', 'day', view => 'v');
SELECT cq.set_budget('b', 'rows', NULL, 'day', view => 'v');
SELECT cq.set_budget('b', 'rows', 10, 'year', view => 'v');
SELECT cq.set_budget('b', 'rows', 10, view => 'v');
SELECT cq.set_budget('b', 'rows', 10, 'day', view => 'v', at_limit => 'kill');
SELECT count(*) FROM cq.budgets;

-- What does, and what contradicts it.
SELECT cq.set_budget('a day', 'rows', 1000, 'day', view => 'v');
SELECT cq.set_budget('same', 'rows', 2000, 'day', view => 'v');
SELECT cq.set_budget('an hour', 'rows', 1001, 'hour', view => 'v');
SELECT cq.set_budget('an hour', 'rows', 100, 'hour', view => 'v');
SELECT cq.set_budget('a month', 'rows', 999, 'month', view => 'v');
SELECT cq.set_budget('warn', 'rows', 1000, 'day', view => 'v', at_limit => 'notify');
SELECT cq.set_budget('warn', 'rows', 800, 'day', view => 'v', at_limit => 'notify');
SELECT cq.set_budget('slow', 'rows', 700, 'day', view => 'v', at_limit => 'slow');
SELECT cq.set_budget('state', 'state_bytes', 1e9, owner => 'budget_owner');
SELECT cq.set_budget('a day', amount => 99);
SELECT cq.set_budget('a day', amount => 5000);
SELECT cq.set_budget('an hour', at_limit => 'slow');
SELECT name, view, owner, pool, what, amount, per, at_limit, used, is_reached,
  ends_at - began_at AS length
FROM cq.budgets ORDER BY name;
SELECT cq.drop_budget('absent');
SELECT cq.drop_budget('warn');

-- Whom they limit does not set them, and sees his own.
CREATE ROLE budget_monitor IN ROLE pg_monitor;
GRANT USAGE ON SCHEMA budget TO budget_owner, budget_monitor;
SET ROLE budget_owner;
SELECT cq.set_budget('a day', amount => 1e9);
SELECT cq.drop_budget('a day');
SELECT name FROM cq.budgets ORDER BY name;
UPDATE _cq.budget SET amount = 1;
RESET ROLE;
ALTER VIEW v OWNER TO budget_owner;
SET ROLE budget_owner;
SELECT cq.set_budget('a day', amount => 1e9);
SELECT name, used FROM cq.budgets WHERE what = 'rows' ORDER BY name;
SET ROLE budget_monitor;
SELECT count(*) FROM cq.budgets;
RESET ROLE;
ALTER VIEW v OWNER TO CURRENT_USER;

-- The owner of a pool sets its budgets, and its users do not.
CREATE ROLE budget_pooler;
SELECT cq.create_pool('pooled', max_workers => 1, owner => 'budget_pooler',
                      users => 'budget_owner');
SET ROLE budget_pooler;
SELECT cq.set_budget('pool', 'rows', 10, 'day', pool => 'pooled');
SELECT cq.set_budget('pool', amount => 20);
SELECT cq.set_budget('pool', owner => 'budget_owner');
SELECT cq.set_budget('a day', pool => 'pooled');
SELECT cq.set_budget('other', 'rows', 10, 'day', owner => 'budget_owner');
SELECT cq.drop_budget('a day');
SELECT name, pool, amount FROM cq.budgets;
SET ROLE budget_owner;
SELECT cq.set_budget('pool', amount => 30);
SELECT cq.drop_budget('pool');
SELECT name, pool, amount FROM cq.budgets WHERE pool IS NOT NULL;
RESET ROLE;

-- They go with what they are for.
SELECT cq.drop_pool('pooled');
REVOKE ALL ON SCHEMA budget FROM budget_owner, budget_monitor;
DROP ROLE budget_monitor;
DROP ROLE budget_pooler;
DROP OWNED BY budget_owner;
DROP ROLE budget_owner;
SELECT _cq.note_budgets() >= 0 AS noted;
SELECT name FROM cq.budgets ORDER BY name;
DROP VIEW v;
SELECT count(*) FROM _cq.budget;
SET client_min_messages = warning;
DROP SCHEMA budget CASCADE;
