/*
 * part_index.c
 *		The indexes that a view's own tables need: cq_part_index_create.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/defrem.h"
#include "common/compat.h"
#include "common/part_name.h"
#include "ddl/ddl.h"
#include "utils/lsyscache.h"

IndexElem *
cq_part_index_column(const char *name)
{
	IndexElem  *element = makeNode(IndexElem);

	element->name = pstrdup(name);
	return element;
}

void
cq_part_index_create(Oid table, const char *label, List *elements, bool is_unique)
{
	IndexStmt  *index = makeNode(IndexStmt);

	index->accessMethod = "btree";
	index->indexParams = elements;
	index->unique = is_unique;
	index->idxname = cq_part_name_choose(get_rel_name(table), NULL, label);
	(void) cq_compat_define_index(table, index);
	CommandCounterIncrement();
}
