/*
 * json_encode.h
 *		From a row to a JSON object: the writing half of the format json.
 */
#ifndef CQ_JSON_ENCODE_H
#define CQ_JSON_ENCODE_H

#include "postgres.h"

#include "format/format.h"

extern CqEncoder *cq_json_encode_open(const CqFormatOptions *options, const CqColumn *columns,
									  int ncolumns);
extern void cq_json_encode(CqEncoder *encoder, const Datum *values, const bool *nulls,
						   StringInfo out);

extern void cq_json_encode_change(CqEncoder *encoder, const CqChange *change, StringInfo out);

#endif							/* CQ_JSON_ENCODE_H */
