/*
 * maintain.c
 *		What is made for a table whose changes count: see maintain.h.
 *
 *		table ──triggers──► stream in _cq, of the extension's owner ──► views that read the table
 *
 * A table has one stream, for all views, with the columns that some of them reads. Triggers are on
 * the table, and on each of its partitions and children, since a statement fires those of the
 * relation that it names: with the rows of all below it. They are internal ones: a dump of the table
 * is one of an ordinary table, and cq.resume_all() makes them again where all has been restored.
 *
 * What triggers cannot see (a partition is attached, or dropped) is written to the stream by the
 * command, as a mark that anything may have changed; so does TRUNCATE.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/maintained.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/view.h"
#include "commands/trigger.h"
#include "common/compat.h"
#include "common/owner.h"
#include "common/part_name.h"
#include "ddl/ddl.h"
#include "ddl/maintain.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "source/log_table.h"
#include "stream/table_change.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "worker/slots.h"

/* ---- the stream ---- */

/* A column of the stream for a column of the table. */
static char *
column_text(Oid table, AttrNumber attno)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(table, attno, &type, &typmod, &collation);
	return psprintf("%s %s", cq_table_change_column(attno),
					format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY));
}

static void
depend_on_table(Oid stream, Oid table)
{
	ObjectAddress one;
	ObjectAddress other;

	ObjectAddressSet(one, RelationRelationId, stream);
	ObjectAddressSet(other, RelationRelationId, table);
	recordDependencyOn(&one, &other, DEPENDENCY_AUTO);
}

static Oid
create_stream(Oid table)
{
	char	   *name = cq_part_name_choose(get_rel_name(table), NULL, "rows");
	const char *qualified = quote_qualified_identifier("_cq", name);
	CqLogTable	log;
	Oid			stream;

	cq_query_command(psprintf("CREATE FOREIGN TABLE %s (weight pg_catalog.int4) SERVER cq_log",
							  qualified));
	stream = get_relname_relid(name, get_namespace_oid("_cq", false));
	cq_log_table_ensure(stream, &log);
	depend_on_table(stream, table);
	cq_maintained_insert(table, stream);
	CommandCounterIncrement();
	return stream;
}

/* Those of the table that some view reads. One whose type has changed since is made again. */
static void
add_columns(Oid table, Oid stream, const Bitmapset *used)
{
	const char *qualified = quote_qualified_identifier("_cq", get_rel_name(stream));
	int			attno = -1;

	while ((attno = bms_next_member(used, attno)) >= 0)
	{
		char	   *name = cq_table_change_column(attno);
		AttrNumber	there = get_attnum(stream, name);

		if (there != InvalidAttrNumber &&
			get_atttype(stream, there) == get_atttype(table, attno))
			continue;
		if (there != InvalidAttrNumber)
			cq_query_command(psprintf("ALTER FOREIGN TABLE %s DROP COLUMN %s", qualified, name));
		cq_query_command(psprintf("ALTER FOREIGN TABLE %s ADD COLUMN %s", qualified,
								  column_text(table, attno)));
	}
}

/* ---- triggers ---- */

static TriggerTransition *
transition(char *name, bool is_new)
{
	TriggerTransition *rows = makeNode(TriggerTransition);

	rows->name = name;
	rows->isNew = is_new;
	rows->isTable = true;
	return rows;
}

static Oid
trigger_function(void)
{
	return LookupFuncName(list_make2(makeString("_cq"), makeString("table_changed")), 0, NULL,
						  false);
}

typedef struct TriggerKind
{
	const char *label;
	int16		events;
	bool		is_row;
	char		fires;
} TriggerKind;

static const TriggerKind kinds[] = {
	{"insert", TRIGGER_TYPE_INSERT, false, TRIGGER_FIRES_ON_ORIGIN},
	{"update", TRIGGER_TYPE_UPDATE, false, TRIGGER_FIRES_ON_ORIGIN},
	{"delete", TRIGGER_TYPE_DELETE, false, TRIGGER_FIRES_ON_ORIGIN},
	{"truncate", TRIGGER_TYPE_TRUNCATE, false, TRIGGER_FIRES_ALWAYS},
	{"row", TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE, true,
	TRIGGER_FIRES_ON_REPLICA}
};

static void
create_trigger(Oid relation, Oid table, Oid stream, const TriggerKind *kind)
{
	CreateTrigStmt *stmt = makeNode(CreateTrigStmt);
	ObjectAddress trigger;
	ObjectAddress whole;

	stmt->trigname = psprintf(CQ_TABLE_CHANGE_TRIGGER "%u_%s", stream, kind->label);
	stmt->relation = makeRangeVar(get_namespace_name(get_rel_namespace(relation)),
								  get_rel_name(relation), -1);
	stmt->args = list_make2(makeString(psprintf("%u", stream)),
							makeString(psprintf("%u", table)));
	stmt->row = kind->is_row;
	stmt->timing = TRIGGER_TYPE_AFTER;
	stmt->events = kind->events;
	if (!kind->is_row && (kind->events & (TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE)) != 0)
		stmt->transitionRels = lappend(stmt->transitionRels, transition("_cq_old", false));
	if (!kind->is_row && (kind->events & (TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_INSERT)) != 0)
		stmt->transitionRels = lappend(stmt->transitionRels, transition("_cq_new", true));
	trigger = CreateTriggerFiringOn(stmt, NULL, relation, InvalidOid, InvalidOid, InvalidOid,
									trigger_function(), InvalidOid, NULL, true, false,
									kind->fires);
	ObjectAddressSet(whole, RelationRelationId, stream);
	recordDependencyOn(&trigger, &whole, DEPENDENCY_AUTO);
}

static int
count_triggers(Oid relation)
{
	return lengthof(kinds) - (get_rel_relkind(relation) == RELKIND_RELATION ? 0 : 1);
}

static void
create_triggers(Oid relation, Oid table, Oid stream)
{
	bool		has_rows = get_rel_relkind(relation) == RELKIND_RELATION;

	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		if (has_rows || !kinds[i].is_row)
			create_trigger(relation, table, stream, &kinds[i]);
	}
	CommandCounterIncrement();
}

/* As they were made: a command may have disabled them, or enabled them otherwise. */
static void
enable(Relation catalog, HeapTuple tuple)
{
	Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);
	char		fires = TRIGGER_FOR_ROW(trigger->tgtype) ? TRIGGER_FIRES_ON_REPLICA :
		TRIGGER_FOR_TRUNCATE(trigger->tgtype) ? TRIGGER_FIRES_ALWAYS : TRIGGER_FIRES_ON_ORIGIN;
	HeapTuple	changed;

	if (trigger->tgenabled == fires)
		return;
	changed = heap_copytuple(tuple);
	((Form_pg_trigger) GETSTRUCT(changed))->tgenabled = fires;
	CatalogTupleUpdate(catalog, &tuple->t_self, changed);
	CacheInvalidateRelcacheByRelid(trigger->tgrelid);
	heap_freetuple(changed);
}

/* Has the trigger its place as it should be? *relation: on what it is. False: it is gone. */
static bool
look_at_trigger(Oid oid, Oid *relation)
{
	Relation	catalog = table_open(TriggerRelationId, RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		is_there;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	scan = systable_beginscan(catalog, TriggerOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	is_there = HeapTupleIsValid(tuple);
	if (is_there)
	{
		*relation = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
		enable(catalog, tuple);
	}
	systable_endscan(scan);
	table_close(catalog, NoLock);
	return is_there;
}

/* The stream's triggers (of Oid), and on what they are (of Oid, in the same order). */
static List *
find_triggers(Oid stream, List **relations)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	List	   *triggers = NIL;
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;

	*relations = NIL;
	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(stream));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, lengthof(keys), keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend dependency = (Form_pg_depend) GETSTRUCT(tuple);
		Oid			relation;

		if (dependency->classid != TriggerRelationId ||
			!look_at_trigger(dependency->objid, &relation))
			continue;
		triggers = lappend_oid(triggers, dependency->objid);
		*relations = lappend_oid(*relations, relation);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return triggers;
}

static void
drop_triggers(const List *triggers, const List *relations, Oid relation)
{
	ListCell   *trigger;
	ListCell   *on;

	forboth(trigger, triggers, on, relations)
	{
		ObjectAddress address;

		if (lfirst_oid(on) != relation)
			continue;
		ObjectAddressSet(address, TriggerRelationId, lfirst_oid(trigger));
		performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	}
}

/* ---- the table, with its partitions and children ---- */

static void
check_part(Oid relation, Oid table)
{
	char		relkind = get_rel_relkind(relation);
	char		persistence = get_rel_persistence(relation);

	if ((relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE) ||
		persistence != RELPERSISTENCE_PERMANENT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" is %s, whose changes cannot be told to the continuous views that "
						"read table \"%s\"", get_rel_name(relation),
						relkind == RELKIND_FOREIGN_TABLE ? "a foreign table" :
						persistence == RELPERSISTENCE_UNLOGGED ? "an unlogged table" :
						persistence == RELPERSISTENCE_TEMP ? "a temporary table" : "no table",
						get_rel_name(table)),
				 errhint("Those views have been created with tables = 'maintained'.")));
}

static int
count_of(const List *oids, Oid wanted)
{
	int			count = 0;
	ListCell   *cell;

	foreach(cell, oids)
		count += lfirst_oid(cell) == wanted ? 1 : 0;
	return count;
}

/* Brings triggers in line with what there is. True where something was not. */
static bool
align(Oid table, Oid stream)
{
	List	   *parts = find_all_inheritors(table, NoLock, NULL);
	List	   *relations;
	List	   *triggers = find_triggers(stream, &relations);
	bool		has_changed = false;
	ListCell   *cell;

	foreach(cell, parts)
	{
		int			nthere = count_of(relations, lfirst_oid(cell));

		check_part(lfirst_oid(cell), table);
		if (nthere == count_triggers(lfirst_oid(cell)))
			continue;
		if (nthere > 0)
			drop_triggers(triggers, relations, lfirst_oid(cell));
		create_triggers(lfirst_oid(cell), table, stream);
		has_changed = true;
	}
	foreach(cell, list_concat_unique_oid(NIL, relations))
	{
		if (list_member_oid(parts, lfirst_oid(cell)))
			continue;
		drop_triggers(triggers, relations, lfirst_oid(cell));
		has_changed = true;
	}
	return has_changed;
}

/* ---- of a view ---- */

static Bitmapset *
columns_of_read(const Query *read)
{
	Bitmapset  *used = NULL;
	ListCell   *cell;

	foreach(cell, read->targetList)
	{
		const TargetEntry *target = lfirst_node(TargetEntry, cell);

		if (IsA(target->expr, Var))
			used = bms_add_member(used, ((const Var *) target->expr)->varattno);
	}
	return used;
}

/* The columns of a table that the nodes read. */
static Bitmapset *
used_columns(const CqTree *tree, Oid table)
{
	Bitmapset  *used = NULL;
	ListCell   *cell;

	foreach(cell, tree->nodes)
	{
		const CqNode *node = lfirst(cell);
		ListCell   *other;

		foreach(other, node->inputs)
		{
			const CqNodeInput *input = lfirst(other);

			if (input->is_table && input->view == table)
				used = bms_join(used, columns_of_read(input->read));
		}
	}
	return used;
}

/*
 * As for any trigger: what it makes writers do is not for everybody to decide who may read. And
 * what policies hide from the owner cannot be told of changes.
 */
static void
check_rights(Oid table, Oid owner)
{
	AclResult	result = pg_class_aclcheck(table, owner, ACL_TRIGGER);

	if (result != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table %s", get_rel_name(table)),
				 errdetail("Whoever writes to it writes to the continuous view as well."),
				 errhint("Grant TRIGGER on it to the view's owner, or leave out tables = "
						 "'maintained'.")));
	if (check_enable_rls(table, owner, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("row security of table \"%s\" hides rows from the view's owner, which is "
						"not supported with tables = 'maintained'", get_rel_name(table)),
				 errhint("Let the owner of the table create the view.")));
}

static void
begin_table(Oid table, const CqTree *tree)
{
	Oid			stream;
	bool		is_new;
	CqActor		actor;

	(void) find_all_inheritors(table, ShareRowExclusiveLock, NULL);
	cq_owner_begin_catalog(&actor);
	stream = cq_maintained_stream(table);
	is_new = !OidIsValid(stream);
	if (is_new)
		stream = create_stream(table);
	add_columns(table, stream, used_columns(tree, table));
	if (align(table, stream) && !is_new)
		cq_table_change_mark(stream);
	cq_owner_end(&actor);
}

void
cq_maintain_begin(const CqViewPlan *plan, Oid owner)
{
	ListCell   *cell;

	foreach(cell, plan->named)
	{
		if (cq_view_is(lfirst_oid(cell)))
			continue;
		check_rights(lfirst_oid(cell), owner);
		begin_table(lfirst_oid(cell), plan->tree);
	}
}

/* ---- afterwards ---- */

static void
end_table(Oid table, Oid stream)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream)};
	ObjectAddress address;

	cq_maintained_forget(table);
	/* Where another command's event trigger does this, no event trigger is called for it. */
	SPI_connect();
	cq_query_execute("DELETE FROM _cq.log WHERE stream = $1", SPI_OK_DELETE, lengthof(types),
					 types, args, NULL);
	SPI_finish();
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(stream)))
		return;
	ObjectAddressSet(address, RelationRelationId, stream);
	performDeletion(&address, DROP_CASCADE, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
}

static bool
is_read(Oid table)
{
	static const char read[] = "SELECT FROM _cq.reads WHERE named = $1 LIMIT 1";
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(table)};
	bool		is_found;

	SPI_connect();
	cq_query_look(read, lengthof(types), types, args);
	is_found = SPI_processed > 0;
	SPI_finish();
	return is_found;
}

void
cq_maintain_end_unused(void)
{
	ListCell   *cell;
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	foreach(cell, cq_maintained_list())
	{
		const CqMaintained *row = lfirst(cell);

		if (!is_read(row->table))
			end_table(row->table, row->stream);
	}
	cq_owner_end(&actor);
}

void
cq_maintain_look_again(void)
{
	ListCell   *cell;
	CqActor		actor;
	List	   *rows;

	if (!cq_adopt_has_catalog())
		return;
	rows = cq_maintained_list();
	if (rows == NIL)
		return;
	cq_owner_begin_catalog(&actor);
	CommandCounterIncrement();
	foreach(cell, rows)
	{
		const CqMaintained *row = lfirst(cell);

		if (get_rel_relkind(row->table) != '\0' && align(row->table, row->stream))
			cq_table_change_mark(row->stream);
	}
	cq_owner_end(&actor);
}

/* ---- restored ---- */

static void
forget_all(void)
{
	ListCell   *cell;

	foreach(cell, cq_maintained_list())
	{
		const CqMaintained *row = lfirst(cell);

		end_table(row->table, row->stream);
	}
	SPI_connect();
	cq_query_execute("UPDATE _cq.reads r SET seen = NULL WHERE NOT EXISTS "
					 "(SELECT FROM _cq.view v WHERE v.view = r.named)", SPI_OK_UPDATE, 0, NULL,
					 NULL, NULL);
	SPI_finish();
}

/* Views that read tables so: of Oid. */
static List *
find_readers(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *views;

	SPI_connect();
	cq_query_execute("SELECT DISTINCT r.view::oid FROM _cq.reads r WHERE NOT EXISTS "
					 "(SELECT FROM _cq.view v WHERE v.view = r.named) ORDER BY 1", SPI_OK_SELECT,
					 0, NULL, NULL, NULL);
	views = cq_query_take_oids(caller, 1);
	SPI_finish();
	return views;
}

static void
begin_again(Oid view)
{
	const CqView *row = cq_view_get(view);
	CqPlanOptions options = {.tells_changes = row->tells_changes, .maintains_tables = true};
	Relation	definition = table_open(row->definition, AccessShareLock);
	CqViewPlan *plan;
	ListCell   *cell;

	cq_reject_raise(cq_plan_view(cq_compat_view_query(definition), &options, &plan), NULL);
	table_close(definition, NoLock);
	foreach(cell, plan->named)
	{
		if (!cq_view_is(lfirst_oid(cell)))
			begin_table(lfirst_oid(cell), plan->tree);
	}
}

void
cq_maintain_restore(void)
{
	ListCell   *cell;
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	forget_all();
	foreach(cell, find_readers())
		begin_again(lfirst_oid(cell));
	cq_owner_end(&actor);
}
