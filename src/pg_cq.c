/*
 * pg_cq.c
 *		Module entry: calls each room's init, nothing else.
 */
#include "postgres.h"

#include "fmgr.h"

#include "common/clock.h"
#include "common/guc.h"
#include "ddl/ddl.h"
#include "http/http.h"
#include "source/source.h"
#include "stats/reading.h"
#include "stats/node_stats.h"
#include "stats/sink_stats.h"
#include "stats/stats.h"
#include "stats/usage.h"
#include "worker/slots.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	cq_http_guard_init();		/* before the prefix of all settings is reserved */
	cq_guc_init();
	cq_clock_init();
	cq_grammar_init();
	cq_utility_init();
	cq_kafka_source_init();
	cq_stats_init();
	cq_node_stats_init();
	cq_sink_stats_init();
	cq_usage_init();
	cq_reading_init();
	cq_launcher_init();
}
