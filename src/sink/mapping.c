/*
 * mapping.c
 *		Columns of a view and of its sink, by name.
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "sink/sink.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static int
find_attribute(TupleDesc descriptor, const char *name)
{
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0)
			return i;
	}
	return -1;
}

static void
check_column(Oid sink, const FormData_pg_attribute *column, const FormData_pg_attribute *target)
{
	if (target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the sink \"%s\" has no column \"%s\"", get_rel_name(sink),
						NameStr(column->attname)),
				 errdetail("Each column of the view goes to the one of the same name.")));
	if (target->attgenerated != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("column \"%s\" of the sink \"%s\" is generated", NameStr(target->attname),
						get_rel_name(sink))));
	if (target->atttypid != column->atttypid)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of the sink \"%s\" has type %s, and the view's has %s",
						NameStr(target->attname), get_rel_name(sink),
						format_type_be(target->atttypid), format_type_be(column->atttypid)),
				 errhint("Cast it in the view.")));
}

int *
cq_mapping_map(Oid sink, TupleDesc columns, TupleDesc row)
{
	int		   *map = palloc0(sizeof(int) * Max(columns->natts, 1));

	for (int i = 0; i < row->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(row, i);
		int			target;

		if (column->attisdropped)
			continue;
		target = find_attribute(columns, NameStr(column->attname));
		check_column(sink, column, target >= 0 ? TupleDescAttr(columns, target) : NULL);
		map[target] = i + 1;
	}
	return map;
}

void
cq_mapping_map_row(const int *map, TupleTableSlot *row, TupleTableSlot *slot)
{
	ExecClearTuple(slot);
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
	{
		slot->tts_isnull[i] = map[i] == 0 || row->tts_isnull[map[i] - 1];
		slot->tts_values[i] = slot->tts_isnull[i] ? (Datum) 0 : row->tts_values[map[i] - 1];
	}
	ExecStoreVirtualTuple(slot);
}
