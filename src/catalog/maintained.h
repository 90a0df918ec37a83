/*
 * maintained.h
 *		Rows of _cq.maintained: tables whose changes count for some view.
 */
#ifndef CQ_CATALOG_MAINTAINED_H
#define CQ_CATALOG_MAINTAINED_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* The stream that a table's changes are written to, or InvalidOid. */
extern Oid	cq_maintained_stream(Oid table);

typedef struct CqMaintained
{
	Oid			table;
	Oid			stream;
} CqMaintained;

/* All of them: of CqMaintained *, by table. */
extern List *cq_maintained_list(void);

extern void cq_maintained_insert(Oid table, Oid stream);
extern void cq_maintained_forget(Oid table);

/* The offset up to which those that read the table have been told. */
extern int64 cq_maintained_version(Oid table);

#endif							/* CQ_CATALOG_MAINTAINED_H */
