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
#include "format/target.h"

/* A column while it is decoded. */
typedef struct CqAvroTarget
{
	CqTarget	base;
	bool		is_document;	/* json or jsonb: strings keep their quotes */
	CqJsonConverter *documents; /* the same for strings that are the text of one */
	bool		is_text_of_one; /* what awaits */
	struct CqAvroStep *fallback;	/* how the default is read; NULL: there is none */
	StringInfoData fallback_value;
} CqAvroTarget;

/* Converts a value without a look at anything else; false: it cannot, or there is a fault. */
typedef bool (*CqAvroQuick) (CqAvroInput *in, const CqAvroSchema *schema,
							 const CqTarget *target, CqJsonArena *arena, Datum *value);

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
extern CqAvroQuick cq_avro_value_quick(const CqAvroSchema *schema, const CqTarget *target);

#endif							/* CQ_AVRO_PLAN_H */
