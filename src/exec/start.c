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

static void
seek(TimestampTz time, Oid stream, CqPosition *positions, int npositions)
{
	cq_stream_seek_time(stream, cq_owner_of_relation(stream), time, positions, npositions, SEEK_TIMEOUT_MS);
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

/* Sets the offset where the object names the partition. */
static void
apply_offset(JsonbContainer *object, CqPosition *position)
{
	JsonbValue *value = member(object, psprintf("%d", position->partition));

	if (value == NULL)
		return;
	if (value->type != jbvNumeric)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("offset of partition %d is not a number", position->partition)));
	position->offset = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
}

/* Partitions that are not named begin at their beginning. */
static void
apply_offsets(const char *start, CqPosition *positions, int npositions)
{
	Jsonb	   *offsets = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(start)));

	for (int i = 0; i < npositions; i++)
	{
		JsonbValue *topic = member(&offsets->root, positions[i].topic);

		if (topic != NULL && topic->type == jbvBinary && JsonContainerIsObject(topic->val.binary.data))
			apply_offset(topic->val.binary.data, &positions[i]);
		else
			apply_offset(&offsets->root, &positions[i]);
	}
}

CqPosition *
cq_start_positions(const char *start, TimestampTz created_at, Oid stream, const List *extents)
{
	int			npositions = list_length(extents);
	CqPosition *positions = palloc(sizeof(CqPosition) * Max(npositions, 1));
	ListCell   *cell;

	foreach(cell, extents)
	{
		const CqExtent *extent = lfirst(cell);

		positions[foreach_current_index(cell)] = (CqPosition) {extent->topic, extent->partition, extent->begin};
	}
	if (npositions == 0 || strcmp(start, "earliest") == 0)
		return positions;
	if (strcmp(start, "latest") == 0)
		seek(created_at, stream, positions, npositions);
	else if (start[0] == '{')
		apply_offsets(start, positions, npositions);
	else
		seek(DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(start),
													 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))),
			 stream, positions, npositions);
	return positions;
}
