/*
 * part.c
 *		Rows of _cq.part: see part.h.
 */
#include "postgres.h"

#include "catalog/part.h"
#include "catalog/rows.h"
#include "utils/builtins.h"

/* Columns of _cq.part, as in schema/catalog.sql. */
enum
{
	PART_RELATION = 1,
	PART_VIEW,
	PART_NODE,
	PART_ROLE,
	PART_NUMBER,
	PART_NATTS = PART_NUMBER
};

#define VIEW_INDEX "part_view_node_role_number_key"

static int
compare_parts(const ListCell *a, const ListCell *b)
{
	const CqPart *one = lfirst(a);
	const CqPart *other = lfirst(b);
	int			order = one->node - other->node;

	if (order == 0)
		order = strcmp(one->role, other->role);
	return order != 0 ? order : one->number - other->number;
}

List *
cq_part_list(Oid view)
{
	List	   *parts = NIL;
	CqRows		rows;
	Datum		values[PART_NATTS];
	bool		nulls[PART_NATTS];

	cq_rows_begin(&rows, "part", VIEW_INDEX, PART_VIEW, view);
	while (cq_rows_next(&rows, PART_NATTS, values, nulls))
	{
		CqPart	   *part = palloc(sizeof(CqPart));

		part->relation = DatumGetObjectId(values[PART_RELATION - 1]);
		part->node = DatumGetInt32(values[PART_NODE - 1]);
		part->role = TextDatumGetCString(values[PART_ROLE - 1]);
		part->number = DatumGetInt32(values[PART_NUMBER - 1]);
		parts = lappend(parts, part);
	}
	cq_rows_end(&rows);
	list_sort(parts, compare_parts);
	return parts;
}

bool
cq_part_has_nodes(Oid view)
{
	ListCell   *cell;

	foreach(cell, cq_part_list(view))
	{
		if (((const CqPart *) lfirst(cell))->node > 0)
			return true;
	}
	return false;
}

void
cq_part_insert(Oid view, const CqPart *part)
{
	bool		nulls[PART_NATTS] = {false};
	Datum		values[] = {
		ObjectIdGetDatum(part->relation), ObjectIdGetDatum(view), Int32GetDatum(part->node),
		CStringGetTextDatum(part->role), Int32GetDatum(part->number)
	};

	cq_rows_insert("part", PART_NATTS, values, nulls);
}

void
cq_part_forget(Oid view)
{
	cq_rows_delete("part", VIEW_INDEX, PART_VIEW, view);
}
