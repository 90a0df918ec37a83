/*
 * transport.c
 *		Which transport a sink's rows go by: see transport.h.
 */
#include "postgres.h"

#include "sink/transport.h"

const CqTransportMethods *
cq_transport_methods(const CqViewSink *sink)
{
	return &cq_transport_kafka;
}
