/*
 * shared_table.h
 *		Hash tables of fixed size in shared memory, with an entry for each of some relations of all
 *		databases.
 *
 * They are kept in a file while the server is down, where it was stopped in an orderly way.
 */
#ifndef CQ_SHARED_TABLE_H
#define CQ_SHARED_TABLE_H

#include "postgres.h"

#include "nodes/pg_list.h"
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
	/* with room for cq.max_views; NULL: the library was not preloaded */
	HTAB	   *entries;
	bool	   *was_full;		/* in shared memory: it has been told that there was no room */
	void		(*revive) (void *entry);	/* after a restart: what is not a count is set anew */
	struct CqSharedTable *next; /* of those that were asked for */
} CqSharedTable;

/*
 * Asks for a table, of which name and entry_size are set. To be called while the library is loaded.
 */
extern void cq_shared_table_request(CqSharedTable *table);

/* Removes the entries of a relation, or all of its database where relation is InvalidOid. */
extern void cq_shared_table_forget(CqSharedTable *table, Oid database, Oid relation);

/*
 * Removes the entries of this database's relations that are no more, whoever has dropped them, and
 * those of which the transaction was rolled back. Within a transaction.
 */
extern void cq_shared_table_sweep(CqSharedTable *table);

/* Removes the entries of databases that are not among these: those that are no more. */
extern void cq_shared_table_forget_others(const List *databases);

/*
 * There was no room: tells so in the log, until there was some again. With the table's lock not
 * held.
 */
extern void cq_shared_table_tell_full(CqSharedTable *table);

#endif							/* CQ_SHARED_TABLE_H */
