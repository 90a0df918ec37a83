/*
 * proto_plan.h
 *		How messages of one type become columns: the schema of whoever wrote them, matched with the
 *		table's columns by name.
 *
 * A plan is a tree beside the schema's, of just those fields in which some column is, or within
 * which one is. All others are passed over unseen.
 */
#ifndef CQ_PROTO_PLAN_H
#define CQ_PROTO_PLAN_H

#include "postgres.h"

#include "format/proto_read.h"
#include "format/target.h"

/* A column while it is decoded. */
typedef struct CqProtoTarget
{
	CqTarget	base;
	bool		is_text;		/* takes bytes as text */
	const struct CqProtoTaker *taker;	/* by which it was found, or has its default */
	CqProtoPlaces places;
} CqProtoTarget;

/* Converts a value without a look at anything else; false: it cannot. */
typedef bool (*CqProtoQuick) (const CqProtoField *field, const CqProtoRaw *raw,
							  const CqTarget *target, CqJsonArena *arena, Datum *value);

/* A column that takes a field as a whole. */
typedef struct CqProtoTaker
{
	CqProtoTarget *target;
	const CqProtoField *field;
	CqProtoQuick quick;			/* NULL: by way of JSON */
} CqProtoTaker;

typedef struct CqProtoStep CqProtoStep;
typedef struct CqProtoEntry CqProtoEntry;

/* A field of a message. */
struct CqProtoEntry
{
	const CqProtoField *field;
	int			ntakers;
	CqProtoTaker *takers;
	CqProtoStep *inner;			/* of a message, or NULL */
	int			nkeys;			/* of a map: those that are wanted, and what of their values */
	const char **keys;
	CqProtoEntry **values;
	int			nbelow;			/* all columns that are of it */
	CqProtoTarget **below;
	int			nrivals;		/* others of its oneof, of which columns are */
	CqProtoEntry **rivals;
};

#define CQ_PROTO_LOW_NUMBERS 64

struct CqProtoStep
{
	const CqProtoMessage *message;
	int			ntakers;		/* of the message as a whole */
	CqProtoTarget **takers;
	int			nentries;
	CqProtoEntry **entries;		/* by number */
	CqProtoEntry *low[CQ_PROTO_LOW_NUMBERS];	/* the same, at their numbers */
};

/* In CurrentMemoryContext. */
extern CqProtoStep *cq_proto_plan_make(const CqProtoMessage *message, CqProtoTarget *targets,
									   int ntargets);

static inline CqProtoEntry *
cq_proto_plan_find(const CqProtoStep *step, uint32 number)
{
	if (likely(number < CQ_PROTO_LOW_NUMBERS))
		return step->low[number];
	for (int low = 0, high = step->nentries; low < high;)
	{
		int			middle = (low + high) / 2;

		if (step->entries[middle]->field->number == number)
			return step->entries[middle];
		if (step->entries[middle]->field->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- proto_value.c ---- */

/* The quick way from a field, none that repeats, to a column's type; NULL: there is none. */
extern CqProtoQuick cq_proto_value_quick(const CqProtoField *field, const CqTarget *target);

#endif							/* CQ_PROTO_PLAN_H */
