/*
 * infer_names.c
 *		Columns for the fields of a schema: see infer_names.h.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/heap.h"
#include "common/name.h"
#include "format/infer_names.h"
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"

static bool
is_system_column(const char *name)
{
	return SystemAttributeByName(name) != NULL;
}

CqColumn *
cq_infer_names_column(char *name, char *field, AttrNumber attno, Oid type, int32 typmod,
					  bool is_not_null)
{
	CqColumn   *column = palloc0(sizeof(CqColumn));

	column->attno = attno;
	column->name = name;
	column->path = list_make1(field);
	column->typmod = typmod;
	column->type = type;
	column->collation = get_typcollation(column->type);
	column->is_not_null = is_not_null;
	return column;
}

List *
cq_infer_names(const void *all, int nall, CqFieldName name_of, CqFieldType type_of,
			   List **remarks)
{
	int			nfields = Min(nall, MaxHeapAttributeNumber);
	List	   *fields = NIL;
	List	   *names;
	List	   *columns = NIL;

	for (int i = 0; i < nfields; i++)
	{
		const char *name = name_of(all, i);

		fields = lappend(fields, pg_any_to_server(name, strlen(name), PG_UTF8));
	}
	names = cq_name_choose(fields, is_system_column);
	for (int i = 0; i < nfields; i++)
	{
		int32		typmod = -1;
		bool		is_not_null = false;
		Oid			type = type_of(all, i, &typmod, &is_not_null);

		if (strcmp(list_nth(names, i), list_nth(fields, i)) != 0)
			*remarks = lappend(*remarks, psprintf("Field \"%s\" is column \"%s\".",
												  (char *) list_nth(fields, i),
												  (char *) list_nth(names, i)));
		columns = lappend(columns, cq_infer_names_column(list_nth(names, i), list_nth(fields, i),
														 i + 1, type, typmod, is_not_null));
	}
	if (nall > nfields)
		*remarks = lappend(*remarks, psprintf("%d fields are left out, since a table has at most "
											  "%d columns.", nall - nfields, nfields));
	return columns;
}
