/*
 * guc.h
 *		The settings cq.…: one variable each, documented in guc.c and in docs/reference/settings.md.
 */
#ifndef CQ_GUC_H
#define CQ_GUC_H

#include "postgres.h"

extern bool cq_extended_grammar;	/* cq.extended_grammar */
extern bool cq_enabled;			/* cq.enabled */
extern int	cq_workers;			/* cq.workers: ingest workers per database */
extern int	cq_batch_rows;		/* cq.batch_rows */
extern int	cq_batch_bytes;		/* cq.batch_size, in kB */
extern int	cq_linger;			/* cq.linger, in ms */
extern bool cq_synchronous_commit;	/* cq.synchronous_commit, for the workers' own transactions */
extern int	cq_work_mem;			/* cq.work_mem, in kB, for each operation of a batch */
extern int	cq_group_cache_size;	/* cq.group_cache_size, in kB, for each view and worker */
extern int	cq_error_payload_limit; /* cq.error_payload_limit, in kB */
extern int	cq_view_memory;	/* cq.view_memory, in kB; -1: no limit */
extern int	cq_view_timeout;	/* cq.view_timeout, in ms; 0: none */
extern int	cq_max_global_rows;	/* cq.max_global_rows, of an input; -1: no limit */
extern int	cq_max_errors;		/* cq.max_errors, for each view; -1: all */
extern int	cq_max_events;		/* cq.max_events; -1: all */
extern int	cq_max_errors_size; /* cq.max_errors_size, for each view, in kB; -1: no limit */
extern int	cq_error_retention; /* cq.error_retention, in minutes; -1: for good */
extern int	cq_max_views;		/* cq.max_views: views and streams that are counted */
extern int	cq_pool_idle_timeout;	/* cq.pool_idle_timeout: seconds */
extern int	cq_usage_retention; /* cq.usage_retention: days */
extern int	cq_max_outbox_rows;	/* cq.max_outbox_rows, for each view; -1: no limit */
extern double cq_max_notify_queue; /* cq.max_notify_queue: of 1 */
extern int	cq_max_kafka_buffer;	/* kilobytes */
extern double cq_clock;			/* cq.clock, in seconds since 1970; 0: the time it is */
extern double cq_clock_step;		/* cq.clock_step, in seconds */

extern void cq_guc_init(void);

#endif							/* CQ_GUC_H */
