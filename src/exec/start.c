/*
 * start.c
 *		Where a view that has not started begins to read: see start.h.
 */
#include "postgres.h"

#include "common/owner.h"
#include "exec/start.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#define SEEK_TIMEOUT_MS	5000

static bool
seek(TimestampTz time, Oid stream, CqInquiry *inquiry, CqPosition *positions, int npositions)
{
	return cq_reader_seek_time(stream, cq_owner_of_relation(stream), inquiry, time, positions,
							   npositions, SEEK_TIMEOUT_MS);
}

/* The member of an object, or NULL; palloc'd. */
static JsonbValue *
member(JsonbContainer *object, const char *key)
{
	JsonbValue	wanted = {.type = jbvString};

	wanted.val.string.val = unconstify(char *, key);
	wanted.val.string.len = strlen(key);
	return findJsonbValueFromContainer(object, JB_FOBJECT, &wanted);
}

static Jsonb *
offsets_of(const char *start)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(start)));
}

/*
 * The offset that is named for a partition; false where none is. What it looks like was checked
 * when it was given.
 */
static bool
find_offset(Jsonb *offsets, const char *topic, int32 partition, int64 *offset)
{
	JsonbContainer *object = &offsets->root;
	JsonbValue *value = member(object, topic);

	if (value != NULL && value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data))
		object = value->val.binary.data;
	value = member(object, psprintf("%d", partition));
	if (value == NULL || value->type != jbvNumeric)
		return false;
	*offset = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
	return true;
}

/* Partitions that are not named begin at their beginning. */
static void
apply_offsets(const char *start, CqPosition *positions, int npositions)
{
	Jsonb	   *offsets = offsets_of(start);

	for (int i = 0; i < npositions; i++)
		(void) find_offset(offsets, positions[i].topic, positions[i].partition,
						   &positions[i].offset);
}

static bool
has_string(const List *strings, const char *string)
{
	ListCell   *cell;

	foreach(cell, strings)
	{
		if (strcmp(lfirst(cell), string) == 0)
			return true;
	}
	return false;
}

/* A name of a partition, or of a topic, that no extent has; NULL: there is none. */
static char *
find_stranger(JsonbContainer *object, const char *topic, const List *extents,
			  const List *other_topics)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbValue	key;
	JsonbValue	value;

	(void) JsonbIteratorNext(&iterator, &key, true);	/* the object begins */
	while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
	{
		char	   *name = pnstrdup(key.val.string.val, key.val.string.len);
		bool		is_topic;
		bool		is_known = false;
		ListCell   *cell;

		(void) JsonbIteratorNext(&iterator, &value, true);
		is_topic = value.type == jbvBinary;
		foreach(cell, extents)
		{
			const CqExtent *extent = lfirst(cell);

			if (is_topic ? strcmp(extent->topic, name) == 0 :
				atoi(name) == extent->partition &&
				(topic == NULL || strcmp(extent->topic, topic) == 0))
				is_known = true;
		}
		if (!is_known && is_topic && has_string(other_topics, name))
			continue;
		if (!is_known)
			return is_topic ? psprintf("topic \"%s\"", name) :
				topic != NULL ? psprintf("partition %s of topic \"%s\"", name, topic) :
					psprintf("partition %s", name);
		if (is_topic)
		{
			char	   *stranger = find_stranger(value.val.binary.data, name, extents, NIL);

			if (stranger != NULL)
				return stranger;
		}
	}
	return NULL;
}

char *
cq_start_fault(const char *start, const List *extents, const List *other_topics)
{
	Jsonb	   *offsets;
	char	   *stranger;
	ListCell   *cell;

	if (start[0] != '{')
		return NULL;
	offsets = offsets_of(start);
	stranger = find_stranger(&offsets->root, NULL, extents, other_topics);
	if (stranger != NULL)
		return psprintf("option start names %s, which the stream does not have", stranger);
	foreach(cell, extents)
	{
		const CqExtent *extent = lfirst(cell);
		int64		offset;

		if (find_offset(offsets, extent->topic, extent->partition, &offset) && offset > extent->end)
			return psprintf("option start names offset " INT64_FORMAT " of topic \"%s\" "
							"partition %d, which ends at " INT64_FORMAT,
							offset, extent->topic, extent->partition, extent->end);
	}
	return NULL;
}

CqPosition *
cq_start_positions(const char *start, TimestampTz created_at, Oid stream, const List *extents,
				   CqInquiry *inquiry)
{
	bool		is_known = true;
	int			npositions = list_length(extents);
	CqPosition *positions = palloc(sizeof(CqPosition) * Max(npositions, 1));
	ListCell   *cell;

	foreach(cell, extents)
	{
		const CqExtent *extent = lfirst(cell);

		positions[foreach_current_index(cell)] = (CqPosition) {extent->topic, extent->partition,
			extent->begin, 0};
	}
	if (npositions == 0 || strcmp(start, "earliest") == 0)
		return positions;
	if (strcmp(start, "latest") == 0)
		is_known = seek(created_at, stream, inquiry, positions, npositions);
	else if (start[0] == '{')
		apply_offsets(start, positions, npositions);
	else
		is_known = seek(DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
																CStringGetDatum(start),
																ObjectIdGetDatum(InvalidOid),
																Int32GetDatum(-1))),
						stream, inquiry, positions, npositions);
	return is_known ? positions : NULL;
}
