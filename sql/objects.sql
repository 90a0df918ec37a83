-- Every object of the extension says what it is, and no function is left open to interpretation by a search_path.
SELECT pg_describe_object(classid, objid, objsubid) AS without_comment
FROM pg_depend d
WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_cq')
  AND classid <> 'pg_type'::regclass
  AND NOT EXISTS (SELECT FROM pg_class WHERE classid = 'pg_class'::regclass AND oid = objid AND relkind = 'S')
  AND obj_description(objid, classid::regclass::name) IS NULL
ORDER BY 1;

-- Nothing is for everybody to write, but for deleting and mending one's own errors, which triggers
-- do.
SELECT c.oid::regclass AS writable_by_all, privilege_type
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace, aclexplode(relacl) a
WHERE nspname IN ('cq', '_cq') AND grantee = 0 AND privilege_type <> 'SELECT'
ORDER BY 1, 2;

SELECT p.oid::regprocedure AS security_definer_without_search_path
FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
WHERE nspname IN ('cq', '_cq') AND prosecdef
  AND NOT EXISTS (SELECT FROM unnest(proconfig) AS setting WHERE setting LIKE 'search_path=%')
ORDER BY 1;
