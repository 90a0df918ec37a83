/*
 * view.h
 *		Rows of _cq.view: what makes up a continuous view.
 */
#ifndef CQ_CATALOG_VIEW_H
#define CQ_CATALOG_VIEW_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* What the option retention makes go; it may be set as long as there is something. */
typedef enum CqExpiry
{
	CQ_EXPIRES_NOTHING,
	CQ_EXPIRES_ROWS,			/* of a view without aggregation */
	CQ_EXPIRES_GROUPS,
	CQ_EXPIRES_WINDOWS,			/* groups of them, at a time */
	CQ_EXPIRES_RESULTS			/* rows of closed windows */
} CqExpiry;

typedef struct CqView
{
	Oid			view;			/* what people read */
	Oid			definition;		/* the query as written */
	Oid			state;			/* table of groups or rows */
	List	   *streams;		/* of OIDs: that feed it, as the query names them */
	/* of OIDs: continuous views that it reads by their names, and tables whose changes count */
	List	   *named;
	bool		maintains_tables;	/* there are such tables */
	char	   *status;			/* running, paused, failed, restored */
	char	   *status_detail;	/* or NULL */
	char	   *query;			/* as it was written; NULL: of a dump of 0.1.0 */
	bool		pause_on_error; /* else skip */
	double		max_error_rate; /* it stops where more of its rows fail; 1: it does not */
	char	   *pool;			/* whose workers maintain it, or NULL: the default one */
	/* microseconds that it goes ahead of others of its streams and partitions; -1: any */
	int64		max_drift;
	char	   *start;
	char	   *created_start;	/* as CREATE has it, where cq.reset has set another, or NULL */
	Interval   *retention;		/* or NULL */
	CqExpiry	expiry;
	bool		expires_by_event_time;	/* else by the time of the last change */
	bool		emits_on_close; /* else on change */
	/* microseconds, in place of the stream's; -1: as the stream says */
	int64		watermark_delay;
	int64		allowed_lateness;	/* microseconds */
	bool		keeps_late;		/* rows that come too late; else they are only counted */
	bool		amends_late;	/* closed windows are corrected by rows that come late */
	bool		tells_expired;	/* what goes by retention is told as a deletion */
	Oid			result;			/* table of closed windows' rows, or InvalidOid */
	Oid			sink;			/* where its changes go: a stream or table, or InvalidOid */
	Oid			outbox;			/* table of what is still to be sent to a topic, or InvalidOid */
	Oid			changes;		/* stream of its changes, old row and new row, or InvalidOid */
	char	   *notify;			/* the channel that is told of its changes, or NULL */
	bool		tells_changes;	/* to whomever: its state is kept so that they are known */
	/* microseconds: a step of cq.sliding that began longer ago goes; -1: there are none */
	int64		steps_kept;
	List	   *settings;		/* of char *, name=value: set while the view is maintained */
	char	   *fingerprint;	/* of the root, where it is made; else NULL: see cq_node_list */
	bool		is_started;		/* it is settled where it begins, in all streams */
	bool		is_changed_here;	/* by the current transaction: only read */
} CqView;

/* Is relid a continuous view? False where the extension is not there. */
extern bool cq_view_is(Oid relid);

/* The row of a continuous view, palloc'd, or NULL. */
extern CqView *cq_view_get(Oid relid);

/* The same; raises ERROR where it is none. */
extern CqView *cq_view_require(Oid relid);

/* The same; raises ERROR as well where the current user may not read it. */
extern CqView *cq_view_require_readable(Oid relid);

/* The stream of a view that has just one; raises ERROR for others, which nobody should ask for. */
extern Oid	cq_view_only_stream(const CqView *view);

/*
 * Their names, or those of views that it reads where there are no streams, for messages: "a", or
 * "a" and "b", or "a", "b" and "c"; palloc'd.
 */
extern char *cq_view_stream_names(const CqView *view);

/* May the user read all streams and views that it reads? */
extern bool cq_view_streams_are_readable(const CqView *view, Oid user);

/*
 * The table that has the view's rows as people read them, or from which they are made: the result,
 * or else the state.
 */
extern Oid	cq_view_table(const CqView *view);

/* With the rows of its streams, of the root, and of the root's parts. */
extern void cq_view_insert(const CqView *view);

/*
 * Change a view's row, as the catalog's owner. They wait for another transaction that is changing
 * it, such as a worker's.
 */
extern void cq_view_replace(const CqView *view);	/* all of it; those of other nodes go */
extern void cq_view_set_options(const CqView *view);	/* those that ALTER can set */
/* detail may be NULL */
extern void cq_view_set_status(Oid relid, const char *status, const char *detail);

/*
 * Forgets which windows were closed, and the rows that came too late: after the state has gone, or
 * is locked against everybody.
 */
extern void cq_view_forget_closing(Oid relid);

#endif							/* CQ_CATALOG_VIEW_H */
