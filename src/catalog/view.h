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
} CqView;

/* Is relid a continuous view? False where the extension is not there. */
extern bool cq_view_is(Oid relid);

/* The row of a continuous view, palloc'd, or NULL. */
extern CqView *cq_view_get(Oid relid);

extern void cq_view_insert(const CqView *view);

/* Writes all but the view's own OID. */
extern void cq_view_update(const CqView *view);

/* detail may be NULL. */
extern void cq_view_set_status(Oid relid, const char *status, const char *detail);

#endif							/* CQ_CATALOG_VIEW_H */
