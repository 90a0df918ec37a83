/*
 * json_infer.h
 *		Which columns a sample of messages suggests.
 */
#ifndef CQ_JSON_INFER_H
#define CQ_JSON_INFER_H

#include "postgres.h"

#include "format/format.h"

/*
 * Of CqColumn *, in CurrentMemoryContext. Messages that are no JSON objects say nothing. Remarks,
 * of char *, are sentences about what is not as somebody may expect.
 */
extern List *cq_json_infer(const CqMessage *messages, int nmessages, List **remarks);

#endif							/* CQ_JSON_INFER_H */
