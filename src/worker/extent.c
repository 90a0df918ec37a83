/*
 * extent.c
 *		How far streams reach that nobody reads now, so that the lag of a view that is paused or
 *		blocked, or has failed, is known.
 *
 * The keeper asks the brokers, of all these streams at once, and comes back for the answers: it
 * waits for none, and no transaction is open meanwhile. Of who does not answer in time nothing is
 * known.
 */
#include "postgres.h"

#include "catalog/identity.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/attempt.h"
#include "common/clock.h"
#include "common/owner.h"
#include "exec/exec.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "worker/extent.h"

#define ASK_US			(5 * USECS_PER_SEC)		/* after the last time */
#define GIVE_UP_US		(8 * USECS_PER_SEC)
#define ANSWER_MS		5000	/* of a broker */

typedef struct Question
{
	Oid			stream;
	CqInquiry  *inquiry;
	bool		is_answered;
} Question;

static List *questions = NIL;	/* of Question *, in TopMemoryContext */
static int64 asked_at = 0;

static void
ask_about(const List *streams)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	ListCell   *cell;

	foreach(cell, streams)
	{
		Question   *question = palloc0(sizeof(Question));

		question->stream = lfirst_oid(cell);
		question->inquiry = cq_kafka_extent_begin(TopMemoryContext);
		questions = lappend(questions, question);
	}
	MemoryContextSwitchTo(caller);
}

/* Which streams they are. What is known of others is known better by who reads them. */
static void
look_for_streams(void *arg)
{
	static const char read[] =
		"SELECT DISTINCT i.stream::oid FROM _cq.input i WHERE i.is_started AND NOT EXISTS "
		"(SELECT FROM _cq.input o JOIN _cq.view v USING (view) "
		"WHERE o.stream = i.stream AND v.status = 'running') ORDER BY 1";
	static const char forget[] =
		"DELETE FROM _cq.extent WHERE stream::oid <> ALL ($1)";
	Oid			types[] = {OIDARRAYOID};
	Datum		args[1];
	List	   *streams;

	if (!cq_identity_matches())
		return;
	SPI_connect();
	cq_query_execute(read, SPI_OK_SELECT, 0, NULL, NULL, NULL);
	streams = cq_query_take_oids(CurrentMemoryContext, 1);
	args[0] = cq_query_oids(streams);
	cq_query_execute(forget, SPI_OK_DELETE, lengthof(types), types, args, NULL);
	ask_about(streams);
	SPI_finish();
}

static Datum
array_of(Datum *values, int nvalues, Oid type, int16 length, bool is_by_value, char align)
{
	return PointerGetDatum(construct_array(values, nvalues, type, length, is_by_value, align));
}

static void
write_down(Oid stream, const List *extents)
{
	static const char write[] =
		"INSERT INTO _cq.extent (stream, topic, partition, end_offset) "
		"SELECT $1, o.topic, o.partition, o.end_offset "
		"FROM unnest($2, $3, $4) o (topic, partition, end_offset) "
		"ON CONFLICT (stream, topic, partition) DO UPDATE "
		"SET end_offset = excluded.end_offset, asked_at = excluded.asked_at "
		/* Where nothing happens little is written; cq.positions believes it for a minute. */
		"WHERE extent.end_offset <> excluded.end_offset "
		"OR extent.asked_at < excluded.asked_at - interval '30 s' "
		"OR extent.asked_at > excluded.asked_at";
	int			n = list_length(extents);
	Datum	   *topics = palloc(sizeof(Datum) * n);
	Datum	   *partitions = palloc(sizeof(Datum) * n);
	Datum	   *ends = palloc(sizeof(Datum) * n);
	Oid			types[] = {OIDOID, TEXTARRAYOID, INT4ARRAYOID, INT8ARRAYOID};
	Datum		args[lengthof(types)];
	ListCell   *cell;

	foreach(cell, extents)
	{
		const CqExtent *extent = lfirst(cell);
		int			i = foreach_current_index(cell);

		topics[i] = CStringGetTextDatum(extent->topic);
		partitions[i] = Int32GetDatum(extent->partition);
		ends[i] = Int64GetDatum(extent->end);
	}
	args[0] = ObjectIdGetDatum(stream);
	args[1] = array_of(topics, n, TEXTOID, -1, false, TYPALIGN_INT);
	args[2] = array_of(partitions, n, INT4OID, sizeof(int32), true, TYPALIGN_INT);
	args[3] = array_of(ends, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	cq_query_execute(write, SPI_OK_INSERT, lengthof(types), types, args, NULL);
}

static void
ask(void *arg)
{
	Question   *question = arg;
	List	   *extents = NIL;

	if (!cq_reader_extents(question->stream, cq_owner_of_relation(question->stream),
						   question->inquiry, ANSWER_MS, &extents))
		return;
	question->is_answered = true;
	SPI_connect();
	write_down(question->stream, extents);
	SPI_finish();
}

static void
forget(Oid stream)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream)};

	SPI_connect();
	cq_query_execute("DELETE FROM _cq.extent WHERE stream = $1", SPI_OK_DELETE, lengthof(types),
					 types, args, NULL);
	SPI_finish();
}

/* What speaks against it is said where a view reads the stream. */
static void
ask_quietly(void *arg)
{
	Question   *question = arg;
	ErrorData  *error = cq_attempt(ask, question);

	if (error != NULL)
		FreeErrorData(error);
	if (error == NULL && !question->is_answered &&
		cq_clock_real_monotonic() - asked_at < GIVE_UP_US)
		return;
	if (error != NULL || !question->is_answered)
		forget(question->stream);
	question->is_answered = true;
}

void
cq_extent_run(void (*run_apart) (void (*run) (void *arg), void *arg, char **last_warning))
{
	static char *last_warning = NULL;
	ListCell   *cell;

	if (questions == NIL && cq_clock_real_monotonic() - asked_at >= ASK_US)
	{
		asked_at = cq_clock_real_monotonic();
		run_apart(look_for_streams, NULL, &last_warning);
	}
	foreach(cell, questions)
	{
		Question   *question = lfirst(cell);

		if (cq_kafka_extent_is_open(question->inquiry) &&
			cq_clock_real_monotonic() - asked_at < GIVE_UP_US)
			continue;
		run_apart(ask_quietly, question, &last_warning);
		if (!question->is_answered)
			continue;
		cq_kafka_extent_end(question->inquiry);
		questions = foreach_delete_current(questions, cell);
		pfree(question);
	}
}
