/*
 * error.h
 *		Rows of _cq.error that are about what a view has made, and that could not go where it was to
 *		go.
 */
#ifndef CQ_CATALOG_ERROR_H
#define CQ_CATALOG_ERROR_H

#include "postgres.h"

typedef struct CqError
{
	Oid			view;
	Oid			sink;
	const char *topic;			/* where it was to go */
	int64		id;				/* in the outbox, or 0 */
	const char *key;			/* NULL: none */
	uint32		key_length;
	const char *payload;		/* NULL: none; cut to cq.error_payload_limit */
	uint32		payload_length;
	Datum		headers;		/* jsonb, if has_headers */
	bool		has_headers;
	bool		is_in_part;		/* it says what went wrong, and cannot be put through again */
	int			sqlstate;
	const char *message;
	const char *column;			/* the one that is bad, or NULL */
} CqError;

/* As anybody; in the caller's transaction. */
extern void cq_error_add(const CqError *error);

/* Removes the view's oldest where there are more than cq.max_errors. */
extern void cq_error_trim(Oid view);

#endif							/* CQ_CATALOG_ERROR_H */
