/*
 * pending.c
 *		Weak stand-ins for what has not landed yet, so that the module loads; goes away with the last of them.
 */
#include "postgres.h"

#include "stats/stats.h"
#include "worker/slots.h"

#pragma weak cq_stats_view_batch
void cq_stats_view_batch(Oid view, const CqBatchStats *batch) { }
#pragma weak cq_stats_view_error
void cq_stats_view_error(Oid view, const char *message) { }
#pragma weak cq_catalog_changed
void cq_catalog_changed(void) { }
