/*
 * proto_write.h
 *		Writes messages of Protobuf, from JSON: rows on their way out.
 */
#ifndef CQ_PROTO_WRITE_H
#define CQ_PROTO_WRITE_H

#include "postgres.h"

#include "common/reject.h"
#include "format/json_token.h"
#include "format/proto_parser.h"
#include "lib/stringinfo.h"

/*
 * Appends a message, from a JSON object as values are read as JSON. NULL: done. Else the reason why
 * not, palloc'd; out has what was written until then. May raise ERROR for a text that the server's
 * own input of a type refuses.
 */
extern CqReject *cq_proto_write(const CqProtoMessage *message, const CqJsonToken *token,
								StringInfo out);

#endif							/* CQ_PROTO_WRITE_H */
