/*
 * reject.h
 *		A reason for saying no, as a value.
 *
 * Checks return a CqReject (NULL means: nothing to object to) and never raise; the edge decides:
 * DDL raises it as an error, the decoder makes a dead letter of it.
 */
#ifndef CQ_REJECT_H
#define CQ_REJECT_H

#include "postgres.h"

typedef struct CqReject
{
	int			sqlerrcode;		/* as made by MAKE_SQLSTATE, e.g. ERRCODE_FEATURE_NOT_SUPPORTED */
	char	   *message;		/* lower case, no period */
	char	   *detail;			/* NULL or sentences */
	char	   *hint;			/* NULL or sentences */
	char	   *constraint;		/* the name of the one that is broken, or NULL */
	int			location;		/* byte offset in the query text, or -1 */
} CqReject;

/* palloc'd in CurrentMemoryContext. */
extern CqReject *cq_reject(int sqlerrcode, const char *format,...) pg_attribute_printf(2, 3);
extern CqReject *cq_reject_detail(CqReject *reject, const char *format,
								  ...) pg_attribute_printf(2, 3);
extern CqReject *cq_reject_hint(CqReject *reject, const char *format,...) pg_attribute_printf(2, 3);
extern CqReject *cq_reject_constraint(CqReject *reject, const char *name);	/* may be NULL */
extern CqReject *cq_reject_at(CqReject *reject, int location);

/* What is not supported, at a place, and what to do instead (may be NULL). */
extern CqReject *cq_reject_unsupported(int location, const char *what, const char *hint);

/* Raises ERROR; query_text may be NULL, else the location is shown in it. Does nothing for NULL. */
extern void cq_reject_raise(const CqReject *reject, const char *query_text);

#endif							/* CQ_REJECT_H */
