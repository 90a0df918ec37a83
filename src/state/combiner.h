/*
 * combiner.h
 *		Combines and finishes the partial states of one aggregate, as the server's executor would.
 *
 * Follows advance_transition_function and finalize_aggregate of nodeAgg.c: initial value,
 * strictness, serialization, who owns the state's memory.
 */
#ifndef CQ_COMBINER_H
#define CQ_COMBINER_H

#include "postgres.h"

#include "fmgr.h"

typedef struct CqCombiner
{
	bool		is_internal;	/* the state is a pointer, stored as _cq.state */
	uint64		kind;			/* of what is stored then */
	bool		typbyval;		/* of the state */
	int16		typlen;
	Oid			collation;
	Datum		initial;		/* pg_aggregate.agginitval */
	bool		initial_is_null;
	bool		has_final;
	/* the state and, with FINALFUNC_EXTRA, the aggregate's arguments as nulls */
	int			nfinal_args;
	FmgrInfo	combine;
	FmgrInfo	serial;
	FmgrInfo	deserial;
	FmgrInfo	final;
} CqCombiner;

/*
 * argtypes are the aggregate's actual input types, result its result type (for polymorphic final
 * functions). Function look-ups and the initial value live in CurrentMemoryContext.
 */
extern void cq_combiner_init(CqCombiner *combiner, Oid aggregate, Oid *argtypes, int nargs,
							 Oid result, Oid collation);

/*
 * All that follow leave their results and garbage in CurrentMemoryContext, and pass on whatever
 * error the functions raise. aggcontext is the AggState in which they run: that of a running
 * aggregation, or one made by cq_combiner_context.
 */

/*
 * A stored partial state as a state to combine. By-reference values are copied, since combine
 * functions change them in place.
 */
extern Datum cq_combiner_load(CqCombiner *combiner, Node *aggcontext, Datum stored, bool *is_null);

/* Combines two states. The result may be one of them. */
extern Datum cq_combiner_combine(CqCombiner *combiner, Node *aggcontext, Datum state,
								 bool state_is_null,
								 Datum other, bool other_is_null, bool *is_null);

/* What the executor gives as a partial state, as it is stored. */
extern Datum cq_combiner_pack(const CqCombiner *combiner, Datum partial, bool is_null);

/* The state as it is stored. */
extern Datum cq_combiner_store(CqCombiner *combiner, Node *aggcontext, Datum state, bool *is_null);

/* The aggregate's result for a state. */
extern Datum cq_combiner_finish(CqCombiner *combiner, Node *aggcontext, Datum state, bool *is_null);

/*
 * An AggState for use outside of an aggregation, whose aggregate context is owner; palloc'd in
 * CurrentMemoryContext.
 */
extern Node *cq_combiner_context(MemoryContext owner);

#endif							/* CQ_COMBINER_H */
