/*
 * session_cut.h
 *		Deletes rows that closed sessions are made of.
 */
#ifndef CQ_SESSION_CUT_H
#define CQ_SESSION_CUT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "plan/tree.h"

/*
 * Of a node's input, rows whose session, of all that is there, ends at that time or before. time:
 * the column with that of a row. As who acts for the view.
 */
extern void cq_session_cut(Oid table, const CqInputSessions *sessions, const char *time,
						   TimestampTz through);

#endif							/* CQ_SESSION_CUT_H */
