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

#include "format/format.h"
#include "format/json_later.h"
#include "format/proto_read.h"

/* What became of a column in the row that is being decoded. */
typedef enum CqProtoOutcome
{
	CQ_PROTO_ABSENT,			/* its field is not there, or what it would be in */
	CQ_PROTO_DEFAULT,			/* its field is not there, which says that it has its default */
	CQ_PROTO_TAKEN,
	CQ_PROTO_FOUND,				/* it is at its places, which were not looked at yet */
	CQ_PROTO_AWAITS,			/* its token is to be converted the slow way */
	CQ_PROTO_REFUSED			/* it has a reject */
} CqProtoOutcome;

/* A column while it is decoded. */
typedef struct CqProtoTarget
{
	CqColumn	column;
	List	   *path;			/* of char *, UTF-8 */
	CqJsonConverter *converter; /* NULL: of CQ_COLUMN_PRESENCE */
	bool		is_text;		/* takes bytes as text */
	bool		checks_nulls;	/* null is not simply null to it */
	bool		may_change;		/* see cq_json_composite_refresh */
	bool		is_seen;		/* some message has had the field */
	CqProtoOutcome outcome;
	const struct CqProtoTaker *taker;	/* by which it was found, or has its default */
	CqProtoPlaces places;
	CqJsonToken token;
	CqReject   *reject;
	Datum	   *values;			/* of the present decode call */
	bool	   *nulls;
} CqProtoTarget;

/* Converts a value without a look at anything else; false: it cannot. */
typedef bool (*CqProtoQuick) (const CqProtoField *field, const CqProtoRaw *raw,
							  const CqProtoTarget *target, CqJsonArena *arena, Datum *value);

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
extern CqProtoQuick cq_proto_value_quick(const CqProtoField *field, const CqProtoTarget *target);

#endif							/* CQ_PROTO_PLAN_H */
