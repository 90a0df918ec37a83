/*
 * pool.h
 *		Rows of _cq.pool: compute pools, whose views have workers of their own.
 *
 * A view names its pool, or none: then it is in the default pool, which has no row.
 */
#ifndef CQ_CATALOG_POOL_H
#define CQ_CATALOG_POOL_H

#include "postgres.h"

#include "nodes/pg_list.h"

#define CQ_POOL_DEFAULT	"default"	/* how people call the pool that has no row */

typedef struct CqPool
{
	char	   *name;
	Oid			owner;			/* may change and drop it */
	Oid			users;			/* members of this role may put views into it */
	int			min_workers;
	int			max_workers;
	int			nice;
	bool		is_used;		/* by views that run; only read */
} CqPool;

/*
 * The pool, palloc'd, or NULL where there is none. Its row is locked to the end of the transaction:
 * against DROP, or for_change against anybody.
 */
extern CqPool *cq_pool_lock(const char *name, bool for_change);

/* The same; raises ERROR where there is none, and says where to look. */
extern CqPool *cq_pool_require(const char *name, bool for_change);

/* Raises ERROR where the current user may not put a view into the pool, or it is not there. */
extern void cq_pool_require_usable(const char *name);

extern List *cq_pool_list(void);	/* of CqPool *, by name */
extern void cq_pool_insert(const CqPool *pool);
extern void cq_pool_update(const CqPool *pool);
extern void cq_pool_delete(const char *name);

/* Views in it, as of now: of Oid. */
extern List *cq_pool_views(const char *name);

#endif							/* CQ_CATALOG_POOL_H */
