/*
 * check_function.h
 *		Which functions may be called in a continuous view, and what is in their bodies.
 */
#ifndef CQ_CHECK_FUNCTION_H
#define CQ_CHECK_FUNCTION_H

#include "postgres.h"

#include "common/reject.h"
#include "nodes/parsenodes.h"

/* Why a call (a node, or NULL) must not have this function, without the place; or NULL. */
extern CqReject *cq_check_function(Oid function, const Node *call);

/*
 * The queries in the body of a function of language SQL that users made; NIL where it cannot be
 * seen.
 */
extern List *cq_check_function_body(Oid function, Node *call);

/*
 * The functions that an aggregate, or an aggregate as window function, is made of: of OIDs. NIL of
 * another.
 */
extern List *cq_check_function_parts(Oid function);

/* Why what depends on the moment may not be called. */
extern CqReject *cq_check_function_moment(void);

/* Why the value is another one each time: CURRENT_DATE and the like. */
extern CqReject *cq_check_function_sql_value(const SQLValueFunction *value);

/* name(types), for messages. */
extern char *cq_check_function_name(Oid function);

#endif							/* CQ_CHECK_FUNCTION_H */
