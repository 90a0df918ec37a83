/*
 * view_options.h
 *		The options of a continuous view: WITH (…) at CREATE, SET and RESET later.
 */
#ifndef CQ_VIEW_OPTIONS_H
#define CQ_VIEW_OPTIONS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/parsenodes.h"

typedef struct CqViewOptions
{
	bool		pause_on_error;
	double		max_error_rate; /* 1: any */
	char	   *pool;			/* NULL: the default one */
	int64		max_drift;		/* microseconds; -1: any */
	char	   *start;
	Interval   *retention;		/* NULL: what there is is kept for ever */
	bool		says_retention_by;
	bool		by_event_time;	/* that is what it says; else by change */
	bool		emits_on_close;
	int64		watermark_delay;	/* microseconds; -1: as the stream says */
	int64		allowed_lateness;	/* microseconds; -1: not said */
	bool		keeps_late;
	bool		amends_late;
	bool		says_late;		/* that option was given */
	bool		tells_expired;	/* on_expire = 'delete' */
	char	   *sink;			/* name of a relation, or NULL */
	char	   *notify;			/* a channel, or NULL */
	char	   *changes;		/* name of a stream to be made, or NULL */
	bool		maintains_tables;	/* tables = 'maintained': their changes count */
	List	   *server_options; /* of DefElem: what the server knows, such as security_barrier */
} CqViewOptions;

/*
 * Defaults, then options (of DefElem). Raises ERROR for an unknown or bad one, or one that is not
 * supported, at its place in the statement (or NULL).
 */
extern void cq_view_options_parse(CqViewOptions *result, List *options, const char *query_string);

/*
 * An option that CREATE VIEW itself understands? Raises ERROR where one is set (not reset) that
 * would do harm here.
 */
extern bool cq_view_options_is_server(const DefElem *option, bool reset);

/* Changes or, with reset, sets back the named ones; refuses those that cannot change. */
extern void cq_view_options_change(CqViewOptions *result, List *options, bool reset,
								   const char *query_string);

#endif							/* CQ_VIEW_OPTIONS_H */
