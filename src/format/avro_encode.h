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

/* See written_schema and described_name in format.h. */
extern char *cq_avro_encode_schema(const CqFormatOptions *options, const CqColumn *columns,
								   int ncolumns);
extern char *cq_avro_encode_name(const CqFormatOptions *options, const char *schema);

#endif							/* CQ_AVRO_ENCODE_H */
