/*
 * stream_path.h
 *		Where in a message a column's field is: the option path.
 *
 *		customer.address[0].city	names between dots, items of arrays in brackets, from 0
 *		"a.b"."c[0]"				a name that holds a dot, a bracket or a quote, in double quotes
 */
#ifndef CQ_STREAM_PATH_H
#define CQ_STREAM_PATH_H

#include "postgres.h"

#include "common/reject.h"
#include "nodes/pg_list.h"

/*
 * name: the option whose value it is. path: of char *, the names up to the first item; items: of
 * CqPathStep *, from that on, NIL where there is none.
 */
extern CqReject *cq_stream_path_parse(const char *name, const char *value, List **path,
									  List **items);

#endif							/* CQ_STREAM_PATH_H */
