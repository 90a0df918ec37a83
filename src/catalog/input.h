/*
 * input.h
 *		Rows of _cq.input: the streams that feed a view.
 */
#ifndef CQ_CATALOG_INPUT_H
#define CQ_CATALOG_INPUT_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* A view's streams (of OIDs), as its query names them. *is_started: it is settled where it begins
 * in all of them. */
extern List *cq_input_list(Oid view, bool *is_started);

/* None of them has started. */
extern void cq_input_insert(Oid view, const List *streams);

extern void cq_input_forget(Oid view);

#endif							/* CQ_CATALOG_INPUT_H */
