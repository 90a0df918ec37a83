/*
 * avro_encode.h
 *		From a row to a message of Avro: the writing half of the format avro.
 */
#ifndef CQ_AVRO_ENCODE_H
#define CQ_AVRO_ENCODE_H

#include "postgres.h"

#include "format/format.h"

extern CqEncoder *cq_avro_encode_open(const CqFormatOptions *options, const CqColumn *columns,
									  int ncolumns);
extern void cq_avro_encode(CqEncoder *encoder, const Datum *values, const bool *nulls,
						   StringInfo out);

extern void cq_avro_encode_change(CqEncoder *encoder, const CqChange *change, StringInfo out);

/*
 * The schema by which rows with these columns are written, in UTF-8: the option's, or one made of
 * the columns. Raises ERROR.
 */
extern char *cq_avro_encode_schema(const CqFormatOptions *options, const CqColumn *columns,
								   int ncolumns);

/* The subject that this belongs to in the registry. */
extern char *cq_avro_encode_subject(const CqFormatOptions *options, const char *schema);

/* What stands in place of the schema's number where that is put in later. */
extern uint32 cq_avro_encode_mark(const char *schema);

#endif							/* CQ_AVRO_ENCODE_H */
