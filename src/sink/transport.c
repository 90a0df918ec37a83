/*
 * transport.c
 *		Which transport a sink's rows go by: see transport.h.
 */
#include "postgres.h"

#include "catalog/destination.h"
#include "sink/transport.h"

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
