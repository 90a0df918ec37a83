/*
 * shared_table.h
 *		Hash tables of fixed size in shared memory, with an entry for each of some relations of all databases.
 */
#ifndef CQ_SHARED_TABLE_H
#define CQ_SHARED_TABLE_H

#include "postgres.h"

#include "storage/lwlock.h"
#include "utils/hsearch.h"

/* What entries begin with. */
typedef struct CqSharedKey
{
	Oid			database;
	Oid			relation;
} CqSharedKey;

typedef struct CqSharedTable
{
	const char *name;			/* of its lock as well */
	Size		entry_size;
	LWLock	   *lock;
	HTAB	   *entries;		/* with room for cq.max_views; NULL: the library was not preloaded */
	struct CqSharedTable *next; /* of those that were asked for */
} CqSharedTable;

/* Asks for a table, of which name and entry_size are set. To be called while the library is loaded. */
extern void cq_shared_table_request(CqSharedTable *table);

/* Removes the entries of a relation, or all of its database where relation is InvalidOid. */
extern void cq_shared_table_forget(CqSharedTable *table, Oid database, Oid relation);

#endif							/* CQ_SHARED_TABLE_H */
