/*
 * avro_encode.h
 *		From a row to a message of Avro: the writing half of the format avro.
 */
#ifndef CQ_AVRO_ENCODE_H
#define CQ_AVRO_ENCODE_H

#include "postgres.h"

#include "format/format.h"

extern CqEncoder *cq_avro_encoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns);
extern void cq_avro_encode(CqEncoder *encoder, const Datum *values, const bool *nulls, StringInfo out);

#endif							/* CQ_AVRO_ENCODE_H */
