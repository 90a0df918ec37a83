/*
 * view.h
 *		Rows of _cq.view: what makes up a continuous view.
 */
#ifndef CQ_CATALOG_VIEW_H
#define CQ_CATALOG_VIEW_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef struct CqView
{
	Oid			view;			/* what people read */
	Oid			definition;		/* the query as written */
	Oid			state;			/* table of groups or rows */
	Oid			stream;
	char	   *status;			/* running, paused, failed, restored */
	char	   *status_detail;	/* or NULL */
	bool		pause_on_error; /* else skip */
	char	   *start;
	Interval   *retention;		/* or NULL */
	List	   *settings;		/* of char *, name=value: set while the view is maintained */
	bool		is_started;
	bool		is_changed_here;	/* by the current transaction: only read */
} CqView;

/* Is relid a continuous view? False where the extension is not there. */
extern bool cq_view_is(Oid relid);

/* The row of a continuous view, palloc'd, or NULL. */
extern CqView *cq_view_get(Oid relid);

extern void cq_view_insert(const CqView *view);

/*
 * Change a view's row, as the catalog's owner. They wait for another transaction that is changing it, such as a worker's.
 */
extern void cq_view_replace(const CqView *view);	/* all of it */
extern void cq_view_set_options(Oid relid, bool pause_on_error, const Interval *retention);
extern void cq_view_set_status(Oid relid, const char *status, const char *detail);	/* detail may be NULL */

#endif							/* CQ_CATALOG_VIEW_H */
