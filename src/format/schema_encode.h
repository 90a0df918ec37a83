/*
 * schema_encode.h
 *		From a row to a message of a schema: what formats have in common that write a row as JSON
 *		and then this as a value of the schema.
 *
 * A format's own encoder begins with a CqSchemaEncoder.
 */
#ifndef CQ_SCHEMA_ENCODE_H
#define CQ_SCHEMA_ENCODE_H

#include "postgres.h"

#include "format/format.h"
#include "format/json_token.h"

typedef struct CqSchemaEncoder CqSchemaEncoder;

/* The format's own. */
typedef struct CqSchemaWriting
{
	const CqFormat *format;
	const char *language;		/* as messages say it: "Avro" */

	/* Sets the schema: see CqRegistrySchema. Raises ERROR. */
	void		(*parse) (CqSchemaEncoder *encoder, const CqFormatOptions *options,
						  List *texts, List *names);

	/*
	 * The column's path as the schema spells it, in the server's encoding. Raises ERROR where there
	 * is no such field: one that nobody would write is a mistake.
	 */
	List	   *(*find_path) (const CqSchemaEncoder *encoder, const CqFormatOptions *options,
							  const CqColumn *column);

	/* What comes between the schema's number and the value; NULL: nothing. */
	void		(*append_place) (const CqSchemaEncoder *encoder, StringInfo out);

	/* Appends what a token has as a value of the schema; NULL: it is one. */
	CqReject   *(*write) (const CqSchemaEncoder *encoder, const CqJsonToken *token,
						  StringInfo out);
} CqSchemaWriting;

struct CqSchemaEncoder
{
	const CqSchemaWriting *writing;
	bool		is_framed;
	uint32		id;
	CqEncoder  *json;
	StringInfoData object;		/* of one row */
	MemoryContext context;		/* of one row */
};

/* Raises ERROR where no schema is to be had. */
extern void cq_schema_encode_open(CqSchemaEncoder *encoder, const CqSchemaWriting *writing,
								  const CqFormatOptions *options, const CqColumn *columns,
								  int ncolumns);

/* See encode and encode_change in format.h. */
extern void cq_schema_encode_row(CqEncoder *encoder, const Datum *values, const bool *nulls,
							 StringInfo out);
extern void cq_schema_encode_change(CqEncoder *encoder, const CqChange *change, StringInfo out);

#endif							/* CQ_SCHEMA_ENCODE_H */
