/*
 * anchor_over.c
 *		Window functions (OVER) above anchors: each has to stay within them; or it makes sessions,
 *		which are anchors themselves. See close_tree.c.
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "plan/anchor.h"
#include "plan/check.h"

static CqReject *
not_closable(const char *reason, int location, const char *hint)
{
	return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
												 "windows of this query cannot be closed one by "
												 "one: %s", reason), location), "%s", hint);
}

static bool
makes_sessions(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return cq_session_plan_call((Query *) node) != NULL ||
			query_tree_walker((Query *) node, makes_sessions, context, 0);
	return expression_tree_walker(node, makes_sessions, context);
}

/*
 * Sessions of an event time fall apart where nothing of them can come any more. From there on a row
 * goes by its session, and its time says nothing.
 */
static CqReject *
take_sessions(Query *query, const List *others, List **anchors)
{
	CqSession	session = {0};
	CqReject   *reject = cq_session_plan_read(query, others, &session);
	const CqAnchor *time;

	if (reject != NULL)
		return reject;
	if (range_table_walker(query->rtable, makes_sessions, NULL, 0))
		return not_closable("it makes sessions of sessions", session.call->location,
							"Close the inner ones in a view of their own, and make sessions of "
							"those in a view that reads it by its name.");
	time = cq_anchor_find(*anchors, linitial(session.call->args));
	if (time == NULL || time->kind != CQ_ANCHOR_TIME)
		return not_closable("sessions are not of event time", session.call->location,
							"Take the time from the column that the stream's option event_time "
							"names. In a join it must not lie any time behind that of the other "
							"rows: a.at >= b.at - interval '1 min'.");
	*anchors = list_make1(cq_anchor_make_session(time, session.call));
	return NULL;
}

CqReject *
cq_anchor_over(Query *query, List **anchors)
{
	const WindowFunc *sessions = cq_session_plan_call(query);
	List	   *within = NIL;	/* of int: windows that do */
	ListCell   *cell;

	foreach(cell, query->windowClause)
	{
		const WindowClause *window = lfirst_node(WindowClause, cell);

		if (cq_anchor_among(*anchors, window->partitionClause, query) != NIL)
			within = lappend_int(within, (int) window->winref);
	}
	if (list_length(within) == list_length(query->windowClause))
		return NULL;
	if (sessions == NULL || list_member_int(within, (int) sessions->winref))
		return not_closable("a window function (OVER) looks beyond them",
							cq_check_place(query, T_WindowFunc),
							"Add window_end, or the session, to its PARTITION BY, or do it in the "
							"query that reads the view.");
	return take_sessions(query, within, anchors);
}
