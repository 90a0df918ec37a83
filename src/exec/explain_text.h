/*
 * explain_text.h
 *		A continuous view as lines of text: what EXPLAIN CONTINUOUS VIEW shows.
 */
#ifndef CQ_EXPLAIN_TEXT_H
#define CQ_EXPLAIN_TEXT_H

#include "catalog/view.h"
#include "plan/plan.h"
#include "stats/node_stats.h"

typedef struct CqExplain
{
	const CqView *row;
	const CqViewPlan *plan;
	List	   *parts;			/* of CqPart * */
	bool		shows_query;	/* else only what there is, and figures */
	bool		shows_counts;
	bool		has_counts;		/* there are any: */
	CqNodeCounts counts[CQ_COUNTED_NODES];
	TimestampTz since;			/* when they began */
	List	   *lines;			/* of char *: what has come out */
	int			depth;
	Bitmapset  *shown;			/* nodes that have been described */
} CqExplain;

/* A line as in printf, below the last one where nothing else is said. */
extern void cq_explain_text_add(CqExplain *explain, const char *format,
								...) pg_attribute_printf(2, 3);

/* All lines but the first. As who acts for the view, with all that its query reads locked. */
extern void cq_explain_text_write(CqExplain *explain);

#endif							/* CQ_EXPLAIN_TEXT_H */
