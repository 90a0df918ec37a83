/*
 * wake.c
 *		Waking workers at the end of a transaction: see wake.h.
 *
 * At its rollback as well: rows of others in a log may have waited for this one to end.
 *
 * After PREPARE TRANSACTION nobody is woken, since who commits it later knows nothing of it:
 * workers look by themselves once a second.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "common/wake.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

void		(*cq_wake_workers) (Oid database, bool has_catalog_changed) = NULL;

static bool is_due = false;		/* at this transaction's end */
static bool has_catalog_changed = false;

static void
at_end_of_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
			if (is_due)
				cq_wake_workers(MyDatabaseId, has_catalog_changed);
			is_due = has_catalog_changed = false;
			break;
		case XACT_EVENT_PREPARE:
			is_due = has_catalog_changed = false;
			break;
		default:
			break;
	}
}

void
cq_wake_at_end(void)
{
	static bool is_registered = false;

	if (cq_wake_workers == NULL)
		return;
	if (!is_registered)
	{
		RegisterXactCallback(at_end_of_transaction, NULL);
		is_registered = true;
	}
	is_due = true;
}

void
cq_wake_catalog_changed(void)
{
	Oid			schema = get_namespace_oid("_cq", true);
	Oid			catalog = OidIsValid(schema) ? get_relname_relid("view", schema) : InvalidOid;

	if (OidIsValid(catalog))
		CacheInvalidateRelcacheByRelid(catalog);
	has_catalog_changed = true;
	cq_wake_at_end();
}
