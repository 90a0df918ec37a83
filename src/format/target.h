/*
 * target.h
 *		A column while it is decoded: what formats whose fields have names do with each.
 *
 * A format's own target begins with a CqTarget, its decoder has one CqTargets, and what it decodes
 * a message with begins with a CqTargetRow.
 */
#ifndef CQ_TARGET_H
#define CQ_TARGET_H

#include "postgres.h"

#include "format/format.h"
#include "format/json_later.h"

/* What became of a column in the row that is being decoded. */
typedef enum CqTargetOutcome
{
	CQ_TARGET_ABSENT,			/* its field is not there, or what it would be in */
	CQ_TARGET_IS_NULL,
	CQ_TARGET_DEFAULT,			/* its field is not there, which says that it has its default */
	CQ_TARGET_FOUND,			/* where it is is known, and was not looked at yet */
	CQ_TARGET_TAKEN,
	CQ_TARGET_AWAITS,			/* its token is to be converted the slow way */
	CQ_TARGET_REFUSED			/* it has a reject */
} CqTargetOutcome;

/* What each row needs comes first. */
typedef struct CqTarget
{
	Datum	   *values;			/* of the present decode call */
	bool	   *nulls;
	CqJsonConverter *converter; /* NULL: of CQ_COLUMN_PRESENCE */
	CqTargetOutcome outcome;
	bool		is_seen;		/* some message has had the field */
	bool		checks_nulls;	/* null is not simply null to it */
	bool		may_change;		/* its type may be altered: see cq_json_composite_refresh */
	CqJsonToken token;			/* which awaits */
	CqReject   *reject;
	CqColumn	column;
	List	   *path;			/* of char *, as messages write them: UTF-8 */
	List	   *items;			/* within the array that is there: see json_items.h */
} CqTarget;

/* All of a decoder. */
typedef struct CqTargets
{
	char	   *first;			/* the format's own, each of that size */
	Size		size;
	int			ntargets;
	CqJsonLater *later;
	int64		nmessages;		/* so far */
} CqTargets;

/* The row that is being decoded. */
typedef struct CqTargetRow
{
	CqTargets  *targets;
	int			number;
	CqJsonArena arena;
	CqBadCells *bad;
	int			first_bad;		/* of this decode call */
} CqTargetRow;

/* Returns the format's targets, of which only the CqTarget is set. In CurrentMemoryContext. */
extern void *cq_target_open(CqTargets *targets, Size size, const CqColumn *columns, int ncolumns);

/* Is the column's path the empty name, which is that of the message as a whole? */
extern bool cq_target_takes_message(const CqTarget *target);

/* Is text what the column has of the field, padded or not? */
extern bool cq_target_is_text(const CqTarget *target);

/* Around the messages of a decode call. The row is all zeros to begin with. */
extern void cq_target_begin(CqTargets *targets, Datum **values, bool **nulls, CqBadCells *bad,
							CqTargetRow *row);
extern void cq_target_end(CqTargetRow *row, int nmessages);

/* See fields in format.h. */
extern void cq_target_fields(const CqTargets *targets, int64 many, Bitmapset **seen,
							 Bitmapset **unseen);

/* ---- one row ---- */

static inline void
cq_target_set_null(CqTarget *target, int row)
{
	target->values[row] = (Datum) 0;
	target->nulls[row] = true;
	target->outcome = CQ_TARGET_ABSENT;
}

static inline void
cq_target_set_row_null(const CqTargetRow *row)
{
	char	   *target = row->targets->first;

	for (int i = 0; i < row->targets->ntargets; i++, target += row->targets->size)
		cq_target_set_null((CqTarget *) target, row->number);
}

/* Its field is there; whether an item of it is, is seen only with the value. */
static inline void
cq_target_mark_seen(CqTarget *target)
{
	target->is_seen |= target->items == NIL;
}

/* What a column that only asks is of a field that is there. */
static inline void
cq_target_note_presence(const CqTargetRow *row, CqTarget *target)
{
	target->values[row->number] = BoolGetDatum(true);
	target->nulls[row->number] = false;
	target->outcome = CQ_TARGET_TAKEN;
}

/* Why a column that is NOT NULL has no value: its field is null, or else missing. */
extern CqReject *cq_target_reject_null(const CqTarget *target, bool is_null);

/* What may only be told once it is clear that the message is good. */
extern void cq_target_refuse(const CqTargetRow *row, CqTarget *target, CqReject *reject);
extern void cq_target_refuse_fault(const CqTargetRow *row, CqTarget *target, const char *fault);

/* All of the message. */
extern void cq_target_refuse_message(const CqTargetRow *row, CqReject *reject);

/* The token is to be converted the slow way. */
extern void cq_target_await(const CqTargetRow *row, CqTarget *target, const CqJsonToken *token);

/*
 * What a token of JSON is for a column; what only the slow way may know waits until it is clear
 * that the message is good.
 */
extern void cq_target_take_token(CqTargetRow *row, CqTarget *target, const CqJsonToken *token);

/* A column of which the message says nothing, or null, as is_null has it. */
extern void cq_target_take_null(CqTargetRow *row, CqTarget *target, bool is_null);

/* The message is good: tells what was refused, and has what awaits converted by this converter. */
extern void cq_target_settle(const CqTargetRow *row, CqTarget *target,
							 CqJsonConverter *converter);

/* Has a cell converted the slow way. */
extern void cq_target_convert_later(const CqTargetRow *row, CqTarget *target,
									const CqJsonToken *token, CqJsonConverter *converter);

#endif							/* CQ_TARGET_H */
