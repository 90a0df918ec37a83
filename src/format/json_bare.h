/*
 * json_bare.h
 *		Keys in JSON, less Connect's envelope.
 */
#ifndef CQ_JSON_BARE_H
#define CQ_JSON_BARE_H

#include "postgres.h"

extern const char *cq_json_bare_key(bool is_framed, const char *key, uint32 *length);

#endif							/* CQ_JSON_BARE_H */
