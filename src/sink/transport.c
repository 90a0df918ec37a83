/*
 * transport.c
 *		Which transport a sink's rows go by: see transport.h.
 */
#include "postgres.h"

#include "catalog/destination.h"
#include "commands/defrem.h"
#include "nodes/parsenodes.h"
#include "sink/transport.h"
#include "utils/builtins.h"

const CqTransportMethods *
cq_transport_methods(const CqViewSink *sink)
{
	static const CqTransportMethods *const methods[CQ_DESTINATION_NKINDS] = {
		[CQ_DESTINATION_NONE] = &cq_transport_kafka,
		[CQ_DESTINATION_REQUEST] = &cq_transport_http,
		[CQ_DESTINATION_MODEL] = &cq_transport_model,
	};

	return methods[cq_destination_kind(sink->sink)];
}

void
cq_transport_describe(StringInfo text, const List *options)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		appendStringInfo(text, " %s=%s", option->defname,
						 quote_literal_cstr(defGetString(option)));
	}
}
