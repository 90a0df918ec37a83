/*
 * json_later.h
 *		Cells that only the slow way can convert, put off until there are many, so that one
 *		subtransaction serves them all.
 */
#ifndef CQ_JSON_LATER_H
#define CQ_JSON_LATER_H

#include "postgres.h"

#include "format/format.h"
#include "format/json_value.h"

typedef struct CqJsonLater CqJsonLater;

extern CqJsonLater *cq_json_later_create(void);

/* Where one cell goes. */
typedef struct CqJsonCell
{
	CqJsonToken token;
	CqJsonConverter *converter;
	const CqColumn *column;
	int			row;
	Datum	   *value;
	bool	   *is_null;
} CqJsonCell;

/*
 * Notes a cell; converts all that were noted if that makes too many. The token's message must stay
 * where it is until then.
 */
extern void cq_json_later_add(CqJsonLater *later, const CqJsonCell *cell, CqBadCells *bad);

/* Converts what was noted; what cannot be is set to null and added to bad, not in order. */
extern void cq_json_later_run(CqJsonLater *later, CqBadCells *bad);

/* Forgets what was noted, as after an error. */
extern void cq_json_later_clear(CqJsonLater *later);

#endif							/* CQ_JSON_LATER_H */
