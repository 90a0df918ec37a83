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
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "worker/session.h"

/*
 * Locks have a timeout since anybody may lock what is theirs, such as a table that a view looks up, for as long as they like: that stream or
 * view is put off, and the others go on.
 */
static const char *const settings[][2] = {
	{"role", "none"},
	{"search_path", ""},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"row_security", "on"},
	{"lock_timeout", "3s"},
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

static void
apply_common(void)
{
	raise_descriptor_limit();
	for (int i = 0; i < (int) lengthof(settings); i++)
		set(settings[i][0], settings[i][1]);
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

/* Outboxes are short, and are read and deleted from at one end: what their statistics say is never so. */
void
cq_session_apply_emitter_settings(void)
{
	apply_common();
	set("enable_seqscan", "off");
}
