/*
 * avro_write.h
 *		Writes values of Avro, from JSON: rows on their way out, and the defaults of schemas.
 */
#ifndef CQ_AVRO_WRITE_H
#define CQ_AVRO_WRITE_H

#include "postgres.h"

#include "format/avro_schema.h"
#include "lib/stringinfo.h"

/* How JSON stands for a value. */
typedef enum CqAvroManner
{
	CQ_AVRO_OF_ROW,				/* as values are read as JSON: times in ISO 8601, bytes in hex */
	/* as schemas write defaults: times as numbers, bytes as the characters of their codes */
	CQ_AVRO_OF_SCHEMA
} CqAvroManner;

/*
 * Appends a value, whose JSON is valid. What a record does not have is its field's default, or
 * null. NULL: done. Else the reason why not, palloc'd; out has what was written until then. May
 * raise ERROR for a text that the server's own input of a type refuses.
 */
extern CqReject *cq_avro_write(const CqAvroSchema *schema, const CqJsonToken *token,
							   CqAvroManner manner, StringInfo out);

extern void cq_avro_write_long(int64 value, StringInfo out);

#endif							/* CQ_AVRO_WRITE_H */
