/*
 * version.h
 *		The library and the extension's objects in a database are of the same version, or nothing of
 *		ours runs there.
 *
 * They differ after a new package was installed: until the server is restarted the old library is
 * loaded, and until ALTER EXTENSION UPDATE the old objects are there. The last number of a version
 * does not count: it changes no objects.
 */
#ifndef CQ_VERSION_H
#define CQ_VERSION_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"

/* Raises ERROR where they differ, saying what to do. Needs a transaction. */
extern void cq_version_require(void);

/* The same as a question; where they differ, told once to the server's log. */
extern bool cq_version_matches(void);

/* When the version may have changed: everybody looks again once this transaction commits. */
extern void cq_version_changed(void);

/* The first n columns of a row of the catalog, which may have more; ERROR where it has fewer. */
extern void cq_version_deform(HeapTuple tuple, TupleDesc descriptor, int n,
							  Datum *values, bool *nulls);

/* A row of the catalog; ERROR where it has not just n columns. */
extern HeapTuple cq_version_form(TupleDesc descriptor, int n,
								 const Datum *values, const bool *nulls);

#endif							/* CQ_VERSION_H */
