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
	return cq_destination_is(sink->sink) ? &cq_transport_http : &cq_transport_kafka;
}
