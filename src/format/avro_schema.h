/*
 * avro_schema.h
 *		A schema of Avro as a tree of types, read from its JSON.
 *
 * Named types that are used again are the same node again, so the tree may have circles, through
 * arrays, maps and unions alone: a record that always holds itself is refused. What the
 * specification does not know (other logical types, other attributes) is passed over, as it asks
 * for.
 */
#ifndef CQ_AVRO_SCHEMA_H
#define CQ_AVRO_SCHEMA_H

#include "postgres.h"

#include "common/reject.h"
#include "format/json_token.h"
#include "nodes/pg_list.h"

/* Of the text of a schema, in bytes, and of a schema with all that it refers to, in types. */
#define CQ_AVRO_MAX_SCHEMA	(1024 * 1024)
#define CQ_AVRO_MAX_TYPES	5000

typedef enum CqAvroKind
{
	CQ_AVRO_NULL,
	CQ_AVRO_BOOLEAN,
	CQ_AVRO_INT,
	CQ_AVRO_LONG,
	CQ_AVRO_FLOAT,
	CQ_AVRO_DOUBLE,
	CQ_AVRO_BYTES,
	CQ_AVRO_STRING,
	CQ_AVRO_FIXED,
	CQ_AVRO_ENUM,
	CQ_AVRO_ARRAY,
	CQ_AVRO_MAP,
	CQ_AVRO_UNION,
	CQ_AVRO_RECORD
} CqAvroKind;

typedef enum CqAvroLogical
{
	CQ_AVRO_PLAIN,
	CQ_AVRO_DECIMAL,
	CQ_AVRO_DATE,
	CQ_AVRO_TIME,				/* in units: see CqAvroSchema */
	CQ_AVRO_TIMESTAMP,
	CQ_AVRO_LOCAL_TIMESTAMP,
	CQ_AVRO_UUID,
	CQ_AVRO_DURATION,
	CQ_AVRO_DOCUMENT			/* a string that is the text of a JSON document */
} CqAvroLogical;

typedef struct CqAvroSchema CqAvroSchema;

typedef struct CqAvroField
{
	const char *name;			/* UTF-8 */
	List	   *aliases;		/* of char * */
	const char *doc;			/* or NULL */
	CqAvroSchema *type;
	CqJsonToken fallback;		/* the default; of kind CQ_JSON_MISSING where there is none */
} CqAvroField;

struct CqAvroSchema
{
	CqAvroKind	kind;
	CqAvroLogical logical;
	int			per_second;		/* of times: how many units */
	int			precision;		/* of decimals */
	int			scale;
	const char *name;			/* of named types, in full; UTF-8 */
	int64		min_size;		/* no value has fewer bytes */

	int64		size;			/* of fixed */
	int			nsymbols;
	const char **symbols;		/* of an enum; UTF-8 */
	CqAvroSchema *items;		/* of arrays, and the values of maps */
	int			nbranches;
	CqAvroSchema **branches;
	int			nfields;
	CqAvroField *fields;
};

/* What schemas refer to by name: of CqAvroSchema *. */
typedef struct CqAvroNames
{
	List	   *types;
	int			ntypes;			/* of all kinds, that have been made */
} CqAvroNames;

/*
 * Reads a schema, and adds its named types to names, which has those that it may refer to. In
 * CurrentMemoryContext; text is not needed afterwards. NULL: *reject says why not. Raises ERROR
 * only where there is no memory.
 */
extern CqAvroSchema *cq_avro_schema_parse(const char *text, Size length, CqAvroNames *names,
										  CqReject **reject);

/*
 * The same of a text in the server's encoding, only to see whether it is one: NULL, or what is
 * wrong.
 */
extern CqReject *cq_avro_schema_check(const char *text, bool ignores_case);

/* "long", "union", or the name of a named type. */
extern const char *cq_avro_schema_name(const CqAvroSchema *schema);

/* The field of that name, or that has it among its aliases; NULL: none. */
extern CqAvroField *cq_avro_schema_field(const CqAvroSchema *schema, const char *name);

/* The same, without regard to case: then no alias is the name of another field so, either. */
extern CqAvroField *cq_avro_schema_field_in_case(const CqAvroSchema *schema, const char *name,
												 bool ignores_case);

/* Of records that have fields whose names are one without regard to case; NULL: there are none. */
extern CqReject *cq_avro_schema_check_case(const CqAvroNames *names);

/* Of a union of null and one other type: that type. Any other schema: itself. */
extern CqAvroSchema *cq_avro_schema_without_null(CqAvroSchema *schema);

#endif							/* CQ_AVRO_SCHEMA_H */
