/*
 * session.c
 *		The settings of our own processes: see session.h.
 */
#include "postgres.h"

#include <sys/resource.h>

#include "common/guc.h"
#include "libpq/pqsignal.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/proc.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "worker/session.h"

#define MOST_OTHERS_MS	6000		/* of deadlock_timeout: enough for anybody */

static const char *const settings[][2] = {
	{"role", "none"},
	{"search_path", ""},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"row_security", "on"},
	{"statement_timeout", "0"},
	{"transaction_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
	{"jit", "off"},				/* plans are run over and over */
};

static void
set(const char *name, const char *value)
{
	/* Some are not known to older servers. */
	if (GetConfigOption(name, true, false) != NULL)
		SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * Kafka clients have descriptors of their own, beside those that the server counts: as many as
 * there may be.
 */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		ereport(LOG,
				(errmsg("could not raise the limit of open files: %m")));
}

/*
 * Locks have a timeout since anybody may lock what is theirs, such as a table that a view looks up,
 * for as long as they like: that stream or view is put off, and the others go on.
 *
 * Nor is anybody's DROP to end in a deadlock with us. Who waits for us looks for one after
 * deadlock_timeout: by then we have given up, if we waited first; if they did, we find it before.
 */
static void
set_lock_timeouts(void)
{
	static int	others = 0;			/* as this process found it */

	if (others == 0)
		others = DeadlockTimeout;
	set("lock_timeout", psprintf("%dms", Max(Min(others, MOST_OTHERS_MS) / 2, 1)));
	set("deadlock_timeout", "10ms");
}

static void
apply_common(void)
{
	raise_descriptor_limit();
	for (int i = 0; i < (int) lengthof(settings); i++)
		set(settings[i][0], settings[i][1]);
	set_lock_timeouts();
}

void
cq_session_show(void)
{
	pgstat_report_appname(MyBgworkerEntry->bgw_name);
	pgstat_report_activity(STATE_RUNNING, NULL);
}

void
cq_session_watch_configuration(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	/* Until now the server has ignored it: what was changed since it was forked may be missing. */
	ConfigReloadPending = true;
}

bool
cq_session_reload(void)
{
	if (!ConfigReloadPending)
		return false;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	return true;
}

void
cq_session_apply_settings(void)
{
	apply_common();
	set("synchronous_commit", cq_synchronous_commit ? "on" : "off");
	set("work_mem", psprintf("%dkB", cq_work_mem));
}

/*
 * Outboxes are short, and are read and deleted from at one end: what their statistics say is never
 * so.
 */
void
cq_session_apply_emitter_settings(void)
{
	apply_common();
	set("enable_seqscan", "off");
}
