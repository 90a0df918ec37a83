/*
 * columns.c
 *		Columns of rows: see columns.h.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type_d.h"
#include "common/columns.h"
#include "nodes/makefuncs.h"
#include "utils/rel.h"

List *
cq_columns_of_row(TupleDesc row)
{
	List	   *columns = NIL;

	for (int i = 0; i < row->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(row, i);

		columns = lappend(columns, column->attisdropped ?
						  makeColumnDef(NameStr(column->attname), INT4OID, -1, InvalidOid) :
						  makeColumnDef(NameStr(column->attname), column->atttypid,
										column->atttypmod, column->attcollation));
	}
	return columns;
}

List *
cq_columns_of_relation(Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	List	   *columns = cq_columns_of_row(RelationGetDescr(relation));

	table_close(relation, NoLock);
	return columns;
}
