/*
 * avro_plan.h
 *		How messages of one schema become columns: the schema of whoever wrote them, matched with
 *		the table's columns by name.
 *
 * A plan is a tree beside the schema's, of just those values in which some column is, or within
 * which one is. All others are passed over.
 */
#ifndef CQ_AVRO_PLAN_H
#define CQ_AVRO_PLAN_H

#include "postgres.h"

#include "format/avro_read.h"
#include "format/format.h"
#include "format/json_later.h"

/* What became of a column in the row that is being decoded. */
typedef enum CqAvroOutcome
{
	CQ_AVRO_ABSENT,				/* its field is not there */
	CQ_AVRO_IS_NULL,
	CQ_AVRO_TAKEN,
	CQ_AVRO_AWAITS,				/* its token is to be converted the slow way */
	CQ_AVRO_REFUSED				/* it has a reject */
} CqAvroOutcome;

/* A column while it is decoded. */
typedef struct CqAvroTarget
{
	CqColumn	column;
	List	   *path;			/* of char *, UTF-8 */
	CqJsonConverter *converter; /* NULL: of CQ_COLUMN_PRESENCE */
	bool		is_document;	/* json or jsonb: strings keep their quotes */
	CqJsonConverter *documents; /* the same for strings that are the text of one */
	bool		is_text_of_one; /* what awaits */
	bool		checks_nulls;	/* null is not simply null to it */
	bool		may_change;		/* see cq_json_composite_refresh */
	bool		is_seen;		/* some message has had the field */
	CqAvroOutcome outcome;
	CqJsonToken token;
	CqReject   *reject;
	struct CqAvroStep *fallback;	/* how the default is read; NULL: there is none */
	StringInfoData fallback_value;
	Datum	   *values;			/* of the present decode call */
	bool	   *nulls;
} CqAvroTarget;

/* Converts a value without a look at anything else; false: it cannot, or there is a fault. */
typedef bool (*CqAvroQuick) (CqAvroInput *in, const CqAvroSchema *schema,
							 const CqAvroTarget *target, CqJsonArena *arena,
							 Datum *value);

/* A column that takes a value as a whole. */
typedef struct CqAvroTaker
{
	CqAvroTarget *target;
	CqAvroQuick quick;			/* NULL: by way of JSON */
} CqAvroTaker;

typedef struct CqAvroStep CqAvroStep;

struct CqAvroStep
{
	const CqAvroSchema *schema;
	int			ntakers;
	CqAvroTaker *takers;
	int			ninner;
	/*
	 * of a record: for each field, NULL: passed over; of a union: for each branch; of a map: for
	 * each key
	 */
	CqAvroStep **inner;
	const char **keys;			/* of a map */
};

/* In CurrentMemoryContext. */
extern CqAvroStep *cq_avro_plan_make(const CqAvroSchema *schema, CqAvroTarget *targets,
									 int ntargets);

/* The same for one value that is the target's as a whole. */
extern CqAvroStep *cq_avro_plan_value(const CqAvroSchema *schema, CqAvroTarget *target);

/* Sets the target's default, as reader, the schema of whoever reads, has it. */
extern void cq_avro_plan_default(const CqAvroSchema *reader, CqAvroTarget *target);

/* ---- avro_value.c ---- */

/* The quick way from a schema, no union, to a column's type; NULL: there is none. */
extern CqAvroQuick cq_avro_value_quick(const CqAvroSchema *schema, const CqAvroTarget *target);

#endif							/* CQ_AVRO_PLAN_H */
