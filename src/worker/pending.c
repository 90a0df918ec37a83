/*
 * pending.c
 *		Weak stand-ins for what has not landed yet, so that the module loads; goes away with the last of them.
 */
#include "postgres.h"

#include "stats/stats.h"
#include "stream/batch.h"
#include "stream/reader.h"
#include "worker/slots.h"

#define PENDING() ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s is not there yet", __func__)))

#pragma weak cq_stream_is
bool cq_stream_is(Oid relid) { return false; }
#pragma weak cq_batch_bind
void cq_batch_bind(const CqBinding *binding) { PENDING(); }
#pragma weak cq_batch_unbind
void cq_batch_unbind(void) { }
#pragma weak cq_batch_needed_columns
Bitmapset *cq_batch_needed_columns(struct PlannedStmt *plan, Oid stream) { return NULL; }
#pragma weak cq_batch_decode
void cq_batch_decode(CqBatch *batch, const Bitmapset *needed) { PENDING(); }
#pragma weak cq_reader_fetch
CqBatch *cq_reader_fetch(CqReader *reader, int max_messages, Size max_bytes, int timeout_ms) { return NULL; }
#pragma weak cq_reader_release
void cq_reader_release(CqReader *reader) { }
#pragma weak cq_reader_close
void cq_reader_close(CqReader *reader) { }
#pragma weak cq_reader_fetches_in_transaction
bool cq_reader_fetches_in_transaction(const CqReader *reader) { return false; }
#pragma weak cq_stats_view_batch
void cq_stats_view_batch(Oid view, const CqBatchStats *batch) { }
#pragma weak cq_stats_view_error
void cq_stats_view_error(Oid view, const char *message) { }
#pragma weak cq_catalog_changed
void cq_catalog_changed(void) { }
