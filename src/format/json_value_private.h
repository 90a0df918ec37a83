/*
 * json_value_private.h
 *		What the quick way (json_value.c) and the slow way (json_value_slow.c) share.
 */
#ifndef CQ_JSON_VALUE_PRIVATE_H
#define CQ_JSON_VALUE_PRIVATE_H

#include "postgres.h"

#include "fmgr.h"
#include "format/json_time.h"
#include "format/json_value.h"

typedef bool (*CqJsonQuick) (CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value);

struct CqJsonConverter
{
	Oid			type;			/* of a domain: the type it is over */
	int32		typmod;
	CqJsonQuick quick;			/* NULL: there is none for this type */
	bool		takes_utf8;		/* text needs no conversion to the server's encoding */
	CqJsonClock clock;

	FmgrInfo	input;
	Oid			typioparam;
	bool		is_composite;
	FmgrInfo	populate;		/* of a composite type: json_populate_record */

	Oid			domain;			/* or InvalidOid */
	void	   *domain_checks;	/* domain_check's own */
	MemoryContext context;		/* where that lives */

	CqJsonConverter *element;	/* of an array type */
	Oid			element_type;
	int16		element_length;
	bool		element_byval;
	char		element_align;
};

extern CqJsonQuick cq_json_value_quick(Oid type, int32 typmod, bool is_array);

/*
 * An array from a JSON array. Not slowly: gives up, returning false, where an element has no quick way; slowly:
 * raises an error for what is wrong.
 */
extern bool cq_json_array_build(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, bool slowly,
								Datum *value);

#endif							/* CQ_JSON_VALUE_PRIVATE_H */
