/*
 * sink.c
 *		Which kind of sink a relation is: see sink.h.
 */
#include "postgres.h"

#include "catalog/catalog.h"
#include "catalog/destination.h"
#include "catalog/pg_class.h"
#include "catalog/stream.h"
#include "sink/sink.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

CqSinkKind
cq_sink_kind(Oid sink)
{
	switch (get_rel_relkind(sink))
	{
		case RELKIND_FOREIGN_TABLE:
			if (cq_destination_is(sink))
				return CQ_SINK_OUTBOX;
			if (!cq_stream_is(sink))
				break;
			return cq_stream_get(sink, InvalidOid)->kind == CQ_STREAM_KAFKA ? CQ_SINK_OUTBOX :
				CQ_SINK_TABLE;
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
			if (IsCatalogRelationOid(sink))
				break;
			return CQ_SINK_TABLE;
		default:
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" cannot be the sink of a continuous view", get_rel_name(sink)),
			 errhint("A sink is a foreign table of cq_kafka, cq_log, cq_http or cq_model, or a "
					 "table.")));
}

void
cq_sink_require_insert(Oid sink, Oid owner)
{
	AclResult	result = pg_class_aclcheck(sink, owner, ACL_INSERT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_TABLE, get_rel_name(sink));
}

void
cq_sink_check(const CqSinkTarget *target)
{
	if (cq_sink_kind(target->sink) == CQ_SINK_OUTBOX)
		cq_outbox_check(target);
	else
		cq_table_sink_check(target);
}

CqChangeReceiver *
cq_sink_open(const CqSinkTarget *target)
{
	if (OidIsValid(target->outbox))
		return cq_outbox_open(target);
	return cq_table_sink_open(target);
}
