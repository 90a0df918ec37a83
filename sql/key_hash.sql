-- The hash by which rows that are kept are found: equal for values that are equal.
SELECT _cq.key_hash(5::smallint, 0) = _cq.key_hash(5::bigint, 0) AS integers,
       _cq.key_hash(1.0, 0) = _cq.key_hash(1.00, 0) AS numerics,
       _cq.key_hash('a '::char(2), 0) = _cq.key_hash('a'::char(5), 0) AS padded,
       _cq.key_hash(NULL::int, 0) = _cq.key_hash(NULL::text, 0) AS nulls,
       _cq.key_hash(1, _cq.key_hash(2, 0)) <> _cq.key_hash(2, _cq.key_hash(1, 0)) AS in_order,
       _cq.key_hash('{}'::json, 7) AS of_what_has_none;
SELECT _cq.key_hash('of no type', 0);
-- It is for everybody: plans run as the owners of views.
CREATE ROLE key_hash_anybody;
SET ROLE key_hash_anybody;
SELECT _cq.key_hash(1, 0) = _cq.key_hash(1::bigint, 0) AS is_allowed;
RESET ROLE;
DROP ROLE key_hash_anybody;
