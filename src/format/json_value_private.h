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

typedef struct CqJsonComposite CqJsonComposite;

typedef bool (*CqJsonQuick) (CqJsonConverter *converter, const CqJsonToken *token,
							 CqJsonArena *arena, Datum *value);

struct CqJsonConverter
{
	Oid			type;			/* of a domain: the type it is over */
	int32		typmod;
	CqJsonQuick quick;			/* NULL: there is none for this type */
	bool		takes_utf8;		/* text needs no conversion to the server's encoding */
	CqJsonClock clock;
	CqValueStyle style;

	FmgrInfo	input;
	Oid			typioparam;
	bool		is_hstore;
	bool		holds_times;	/* is a time, or has times for its bounds */
	bool		holds_offsets;	/* is a timetz, or has some for its bounds */
	CqJsonComposite *composite; /* of a composite type */

	Oid			domain;			/* or InvalidOid */
	void	   *domain_checks;	/* domain_check's own */
	MemoryContext context;		/* where that lives */

	CqJsonConverter *element;	/* of an array type */
	Oid			element_type;
	int16		element_length;
	bool		element_byval;
	char		element_align;
};

extern CqJsonQuick cq_json_value_quick(const CqJsonConverter *converter);

/*
 * An array from a JSON array. Not slowly: gives up, returning false, where an element has no quick
 * way; slowly: raises an error for what is wrong.
 */
extern bool cq_json_value_slow_build_array(CqJsonConverter *converter, const CqJsonToken *token,
										   CqJsonArena *arena, bool slowly,
								Datum *value);

/* ---- json_style.c ---- */

/* The quick way for what the converter's style says of its type; NULL: it says nothing. */
extern CqJsonQuick cq_json_style_quick(const CqJsonConverter *converter);

/* The slow way of the same. False: the style says nothing of such a token. May raise ERROR. */
extern bool cq_json_style_convert(CqJsonConverter *converter, const CqJsonToken *token,
								  Datum *value);

/*
 * A time as a number or text, palloc'd, where the style says so of the type, which is no domain;
 * NULL: it does not. What is finer than the style's unit is a fraction of seconds, else it is cut.
 */
extern char *cq_json_style_write(const CqValueStyle *style, Oid type, Datum value);

/* The bytes of a string in base64, palloc'd; NULL where it is none. */
extern bytea *cq_json_value_base64(const CqJsonToken *token);

/* ---- json_composite.c ---- */

/* In CurrentMemoryContext. */
extern CqJsonComposite *cq_json_composite_create(Oid type, const CqValueStyle *style);

/* A row from a JSON object; slowly as above. */
extern bool cq_json_composite_build(CqJsonConverter *converter, const CqJsonToken *token,
									CqJsonArena *arena,
									bool slowly, Datum *value);

/* Is it so of an attribute? */
extern bool cq_json_composite_any(const CqJsonComposite *composite,
								  bool (*is_so) (const CqJsonConverter *converter));

/* ---- json_hstore.c ---- */

/* Is it the type of the extension hstore? By its input function, whatever the schema. */
extern bool cq_json_hstore_is(Oid input);

/* An object as hstore writes it, in the server's encoding. */
extern char *cq_json_hstore_text(const CqJsonToken *object);

/*
 * A token's own text, in the server's encoding, palloc'd: a string without quotes and escapes.
 * Raises ERROR.
 */
extern char *cq_json_value_slow_text(const CqJsonToken *token);

#endif							/* CQ_JSON_VALUE_PRIVATE_H */
