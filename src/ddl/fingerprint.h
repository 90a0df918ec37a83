/*
 * fingerprint.h
 *		What a node keeps, of what, and how, in one text: where it is equal, so is what is kept.
 *
 * It names things as a dump does, so that it is the same in another database, and in another
 * session. Names may come to mean something else: who takes over what another node has kept
 * computes that node's fingerprint again, of its definition, and asks for all three to be equal:
 * what was noted when it was made, what its names mean now, and what is wanted.
 */
#ifndef CQ_FINGERPRINT_H
#define CQ_FINGERPRINT_H

#include "postgres.h"

#include "catalog/view.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "plan/plan.h"
#include "plan/tree.h"

/* A fingerprint of the view's root: of what its state keeps of the streams. */
extern char *cq_fingerprint_root(const CqView *view, const CqViewPlan *plan, const Query *query);

/*
 * The fingerprint of a node below the root. nodes (of char *) are those of the nodes before it, by
 * number; query and settings are the view's.
 */
extern char *cq_fingerprint_node(const CqNode *node, const char *rule, const List *nodes,
								 const Query *query, const List *settings);

/* Of anything: begin, add what makes it what it is, in a fixed order, and end. */
extern StringInfo cq_fingerprint_begin(const char *kind, const char *rule); /* rule may be NULL */
extern void cq_fingerprint_add(StringInfo text, const char *label, const char *value);
extern void cq_fingerprint_add_strings(StringInfo text, const char *label, const List *strings);
extern void cq_fingerprint_add_query(StringInfo text, const char *label, const Query *query);

/* columns are of ColumnDef, with types and collations as OIDs. */
extern void cq_fingerprint_add_columns(StringInfo text, const char *label, const List *columns);

extern char *cq_fingerprint_end(StringInfo text);	/* palloc'd */

/*
 * A query, as analyzed, as the server deparses it, each column with its table and each constant as
 * UTC and ISO have it; palloc'd.
 */
extern char *cq_fingerprint_query_text(const Query *query);

#endif							/* CQ_FINGERPRINT_H */
