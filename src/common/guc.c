/*
 * guc.c
 *		The settings cq.….
 */
#include "postgres.h"

#include <limits.h>

#include "common/guc.h"
#include "miscadmin.h"
#include "utils/guc.h"

bool		cq_extended_grammar = true;
bool		cq_enabled = true;
int			cq_workers = 1;
int			cq_batch_rows = 100000;
int			cq_batch_bytes = 65536;
int			cq_linger = 3;
bool		cq_synchronous_commit = false;
int			cq_work_mem = 65536;
int			cq_group_cache_size = 65536;
int			cq_error_payload_limit = 1024;
int			cq_max_errors = 10000;
int			cq_max_events = 10000;
int			cq_max_errors_size = 262144;
int			cq_error_retention = 43200;
int			cq_view_memory = 1048576;
int			cq_view_timeout = 30000;
int			cq_max_views = 1000;
int			cq_usage_retention = 400;
int			cq_pool_idle_timeout = 60;
int			cq_max_global_rows = 100000;
int			cq_max_outbox_rows = 1000000;
double		cq_max_notify_queue = 0.5;
int			cq_max_kafka_buffer = 131072;
double		cq_clock = 0;
double		cq_clock_step = 0;

void
cq_guc_init(void)
{
	DefineCustomBoolVariable("cq.extended_grammar",
							 "Accepts CREATE, ALTER and DROP CONTINUOUS VIEW as statements.",
							 "The WITH (continuous) form works either way.",
							 &cq_extended_grammar, true, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("cq.enabled",
							 "Runs the workers that keep continuous views up to date.",
							 NULL, &cq_enabled, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("cq.workers",
							"Number of ingest workers for each database; partitions are shared out "
							"among them.",
							NULL, &cq_workers, 1, 1, 64, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("cq.batch_rows",
							"Largest number of messages in one batch, which is one transaction.",
							NULL, &cq_batch_rows, 100000, 1, 10000000, PGC_SIGHUP, 0, NULL, NULL,
							NULL);
	DefineCustomIntVariable("cq.batch_size",
							"Largest total size of the messages in one batch.",
							NULL, &cq_batch_bytes, 65536, 64, INT_MAX / 1024, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("cq.linger",
							"How long a worker waits for more messages before it commits the few "
							"it has.",
							"Bounds the number of transactions under light load.",
							&cq_linger, 3, 0, 10000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomBoolVariable("cq.synchronous_commit",
							 "Makes the workers' own commits wait until they are flushed.",
							 "A commit lost in a crash is done again from the same positions, so "
							 "off is exactly once as well.",
							 &cq_synchronous_commit, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("cq.work_mem",
							"Memory in which a worker groups, sorts or joins one batch for one "
							"view before it uses files.",
							"Takes the place of work_mem in the workers.",
							&cq_work_mem, 65536, 64, MAX_KILOBYTES, PGC_SIGHUP, GUC_UNIT_KB, NULL,
							NULL, NULL);
	DefineCustomIntVariable("cq.group_cache_size",
							"Memory in which a worker remembers where the groups of one view are "
							"stored.",
							NULL, &cq_group_cache_size, 65536, 64, INT_MAX / 1024, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("cq.error_payload_limit",
							"How much of a rejected message's payload is kept in cq.errors.",
							NULL, &cq_error_payload_limit, 1024, 0, INT_MAX / 1024, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("cq.max_errors",
							"Largest number of rejected messages that are kept in cq.errors for "
							"each view; the newest are.",
							"All are counted in cq.stat_views. -1 keeps all.",
							&cq_max_errors, 10000, -1, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("cq.max_events",
							"How many events cq.events keeps; the newest are.",
							"-1 keeps all.",
							&cq_max_events, 10000, -1, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("cq.max_errors_size",
							"Largest size of the messages that are kept in cq.errors for each "
							"view; the newest are.",
							"The same holds for cq.late. -1 sets no limit.",
							&cq_max_errors_size, 262144, -1, MAX_KILOBYTES, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("cq.error_retention",
							"How long rejected messages are kept in cq.errors.",
							"The same holds for cq.late. -1 keeps them for good.",
							&cq_error_retention, 43200, -1, INT_MAX / 60, PGC_SIGHUP,
							GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("cq.view_memory",
							"Most memory that a view's part of a batch may take.",
							"It then goes on by itself with fewer rows, and fails if a single row "
							"takes more. It is looked at ten times a second. -1 sets no limit.",
							&cq_view_memory, 1048576, -1, MAX_KILOBYTES, PGC_SIGHUP, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("cq.view_timeout",
							"Longest time that a view's part of a batch may take.",
							"It then goes on by itself with fewer rows, and fails if a single row "
							"takes longer. 0 sets no limit.",
							&cq_view_timeout, 30000, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("cq.max_global_rows",
							"Largest number of kept rows that a view may read anew for each batch.",
							"Where no key says which of them are needed; with more the view "
							"stops. -1 sets no limit.",
							&cq_max_global_rows, 100000, -1, INT_MAX, PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("cq.max_outbox_rows",
							"Largest number of rows of one view that wait to be sent to a topic; "
							"with more the view is blocked.",
							"It goes on when half of them have been sent. -1 sets no limit.",
							&cq_max_outbox_rows, 1000000, -1, INT_MAX, PGC_SIGHUP, 0, NULL, NULL,
							NULL);
	DefineCustomRealVariable("cq.max_notify_queue",
							 "Largest part of the server's queue of NOTIFY that may be in use.",
							 "With more, views with the option notify are blocked until half of "
							 "that is free.",
							 &cq_max_notify_queue, 0.5, 0, 1, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("cq.pool_idle_timeout",
							"How long the last worker of a compute pool with min_workers = 0 stays "
							"without messages.",
							NULL, &cq_pool_idle_timeout, 60, 1, 86400, PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("cq.usage_retention",
							"Days for which cq.usage is kept.",
							"Of minutes two days are kept at most, of hours 31.",
							&cq_usage_retention, 400, 0, 36500, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("cq.max_kafka_buffer",
							"Largest size that librdkafka's properties may give a queue or a "
							"message.",
							"Options of streams that ask for more are refused, or cut to it.",
							&cq_max_kafka_buffer, 131072, 32768, INT_MAX / 1024, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomRealVariable("cq.clock",
							 "What time it is, in seconds since 1970, where event times are "
							 "compared with the wall clock.",
							 "For tests. 0 means the time it is.",
							 &cq_clock, 0, 0, 1e11, PGC_SIGHUP, GUC_NOT_IN_SAMPLE, NULL, NULL,
							 NULL);
	DefineCustomRealVariable("cq.clock_step",
							 "By how many seconds the wall clock is off.",
							 "For tests.",
							 &cq_clock_step, 0, -1e9, 1e9, PGC_SIGHUP, GUC_NOT_IN_SAMPLE,
							 NULL, NULL, NULL);
	/* Sizes shared memory, of which there is none where the module is loaded later. */
	if (process_shared_preload_libraries_in_progress)
		DefineCustomIntVariable("cq.max_views",
								"Largest number of continuous views and streams, over all "
								"databases, that statistics are kept of.",
								NULL, &cq_max_views, 1000, 10, 1000000, PGC_POSTMASTER, 0, NULL,
								NULL, NULL);
	MarkGUCPrefixReserved("cq");
}
