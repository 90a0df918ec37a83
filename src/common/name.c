/*
 * name.c
 *		Names of relations and columns for things whose names follow other rules: see name.h.
 */
#include "postgres.h"

#include "common/name.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static bool
is_among(const List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

/* As much of it as there is room for, in bytes, with whole characters. */
static char *
cut(const char *name, int room)
{
	return pnstrdup(name, pg_mbcliplen(name, strlen(name), room));
}

static bool
can_stand(const char *name, CqNameReserved is_reserved)
{
	return strlen(name) < NAMEDATALEN && (is_reserved == NULL || !is_reserved(name));
}

static char *
choose_other(const List *taken, const char *wanted, CqNameReserved is_reserved)
{
	char	   *name = cut(wanted, NAMEDATALEN - 1);

	for (int i = 1; is_among(taken, name) || (is_reserved != NULL && is_reserved(name)); i++)
	{
		char	   *suffix = psprintf("_%d", i);

		name = psprintf("%s%s", cut(wanted, NAMEDATALEN - 1 - strlen(suffix)), suffix);
	}
	return name;
}

List *
cq_name_choose(const List *wanted, CqNameReserved is_reserved)
{
	List	   *names = NIL;
	List	   *taken = NIL;
	ListCell   *cell;

	foreach(cell, wanted)
	{
		if (can_stand(lfirst(cell), is_reserved))
			taken = lappend(taken, lfirst(cell));
	}
	foreach(cell, wanted)
	{
		char	   *name = lfirst(cell);

		if (!can_stand(name, is_reserved))
		{
			name = choose_other(taken, name, is_reserved);
			taken = lappend(taken, name);
		}
		names = lappend(names, pstrdup(name));
	}
	return names;
}

char *
cq_name_qualified(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}
