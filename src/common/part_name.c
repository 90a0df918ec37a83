/*
 * part_name.c
 *		Names in schema _cq: see part_name.h.
 *
 * Views and streams of the same name in different schemas have their parts in one. Two sessions
 * that look for a free name at the same time do not see each other's; so a name is taken by a lock,
 * held to the end of the transaction, and nobody waits for it: who does not get it takes the next
 * name. Only who has ended already, and is about to let go of its locks, is waited for. Else which
 * name a command takes that it had held up would depend on which of its locks it lets go of first.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/defrem.h"
#include "common/hashfn.h"
#include "common/part_name.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/*
 * What the server makes names of for sequences, constraints and array types is not cut off then: it
 * would be the same for several tables.
 */
#define LONGEST_WHOLE	36

#define NAME_LOCK		5		/* kind of advisory lock: 1 and 2 are users', 3 and 4 of logs */

/* All who hold it have ended. */
static bool
is_being_released(const LOCKTAG *tag)
{
	int			nholders;

	pfree(GetLockConflicts(tag, ExclusiveLock, &nholders));
	return nholders == 0;
}

static bool
take_name(const char *name)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId,
						 DatumGetUInt32(hash_any((const unsigned char *) name, strlen(name))),
						 0, NAME_LOCK);
	while (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
	{
		if (!is_being_released(&tag))
			return false;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(1000);
	}
	return true;
}

static bool
is_free(const char *name, Oid schema)
{
	/* A table has a type of its name, and an array type, whose name begins with an underscore. */
	if (!take_name(name) || !take_name(psprintf("_%s", name)))
		return false;
	AcceptInvalidationMessages();	/* who had it before us may have used it */
	return !OidIsValid(get_relname_relid(name, schema)) &&
		!SearchSysCacheExists2(TYPENAMENSP, CStringGetDatum(name), ObjectIdGetDatum(schema));
}

char *
cq_part_name_choose(const char *whole, const char *columns, const char *label)
{
	Oid			schema = get_namespace_oid("_cq", false);
	char	   *base = pnstrdup(whole, pg_mbcliplen(whole, strlen(whole), LONGEST_WHOLE));
	char	   *name = makeObjectName(base, columns, label);

	for (int i = 1; !is_free(name, schema); i++)
		name = makeObjectName(base, columns, psprintf("%s%d", label, i));
	return name;
}
