/*
 * identity.h
 *		Whether this database is the one that the catalog's positions belong to.
 *
 * A restored dump or a copy made with CREATE DATABASE … TEMPLATE carries the views and positions of
 * the original, and would read on and emit a second time. So the catalog says whose it is (the
 * cluster's system identifier and the database's oid), and nothing runs elsewhere until
 * cq.resume_all() makes it ours.
 */
#ifndef CQ_CATALOG_IDENTITY_H
#define CQ_CATALOG_IDENTITY_H

#include "postgres.h"

/*
 * True where the catalog is this database's own, or is nobody's yet and has no views. Within a
 * transaction.
 */
extern bool cq_identity_matches(void);

/*
 * True where it is this database's own: there has been a continuous view, and no dump is just being
 * restored.
 */
extern bool cq_identity_is_own(void);

/* Makes a catalog that is nobody's ours: with the first continuous view. Within a transaction. */
extern void cq_identity_claim(void);

/*
 * Makes the catalog ours whosever it was; with keep_prefix the names by which Kafka knows us go
 * with it. Within a transaction.
 */
extern void cq_identity_take(bool keep_prefix);

/*
 * What names of this database's consumer groups and transactional ids begin with; palloc'd. It
 * stays what it was through cq.resume_all(keep_ids => true), and is new otherwise.
 */
extern char *cq_identity_prefix(void);

#endif							/* CQ_CATALOG_IDENTITY_H */
