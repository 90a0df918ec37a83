/*
 * flat.h
 *		Messages whose parts have no names: a column is the part at its place. What csv, text,
 *		bytea and the primitive formats share.
 */
#ifndef CQ_FLAT_H
#define CQ_FLAT_H

#include "postgres.h"

#include "format/format.h"
#include "format/json_later.h"

/* A column while it is decoded. */
typedef struct CqFlatTarget
{
	CqColumn	column;
	int			place;			/* of its part, from 0 */
	CqJsonConverter *converter;
	Oid			type;			/* of a domain: the type it is over */
	bool		checks_nulls;	/* null is not simply null to it */
	bool		may_change;		/* see cq_json_composite_refresh */
	Datum	   *values;			/* of the present decode call */
	bool	   *nulls;
} CqFlatTarget;

/* What decoders of such messages begin with. */
typedef struct CqFlat
{
	const CqFormatOptions *options;
	CqFlatTarget *targets;
	int			ntargets;
	CqJsonLater *later;
	CqJsonArena arena;
	CqBadCells *bad;			/* of the present decode call */
	int			first_bad;
	/* takes the columns' values from a message, or refuses it */
	void		(*decode_message) (struct CqFlat *flat, const CqMessage *message, int row);
} CqFlat;

/*
 * In CurrentMemoryContext. is_text: parts are text as the types' input functions take it. Sets all
 * but decode_message.
 */
extern void cq_flat_open(CqFlat *flat, const CqFormatOptions *options, const CqColumn *columns,
						 int ncolumns, bool is_text);

/* See decode in format.h. */
extern void cq_flat_decode(CqDecoder *decoder, const CqMessage *messages, int nmessages,
						   int first_row, Datum **values, bool **nulls, CqBadCells *bad);

/* Room for a part's text, which a zero byte has to follow. */
extern char *cq_flat_room(CqFlat *flat, Size length);

/*
 * A column's value: of a token; of text, UTF-8, in such room; null. What is a string to a token is
 * text as it stands.
 */
extern void cq_flat_take(CqFlat *flat, CqFlatTarget *target, int row, const CqJsonToken *token);
extern void cq_flat_take_text(CqFlat *flat, CqFlatTarget *target, int row, const char *text,
							  Size length);
extern void cq_flat_take_null(CqFlat *flat, CqFlatTarget *target, int row);

/* A message that is a bad one, for a reason. */
extern void cq_flat_refuse(CqFlat *flat, int row, CqReject *reject);

/* What is wrong with text that is to be UTF-8 without zero bytes; NULL: nothing. */
extern const char *cq_flat_text_fault(const char *text, Size length);

/* The place, from 0, of what has that path, or stands there among the columns; -1: it says none. */
extern int	cq_flat_place(const List *path, int place);

/* What is wrong with the paths of columns; and where a format has one part, whose path is "". */
extern CqReject *cq_flat_check(const CqColumn *columns, int ncolumns);
extern CqReject *cq_flat_check_whole(const char *format, const CqColumn *columns, int ncolumns);

/* The text of a column's value, in the server's encoding; under cq_settings_begin_transmission. */
extern char *cq_flat_text_of(const CqColumn *column, Datum value);

#endif							/* CQ_FLAT_H */
