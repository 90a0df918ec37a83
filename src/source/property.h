/*
 * property.h
 *		Which librdkafka properties may be set, where, by whom, and to what: for the DDL of servers,
 *		streams and user mappings.
 */
#ifndef CQ_PROPERTY_H
#define CQ_PROPERTY_H

#include "postgres.h"

#include "common/reject.h"

/* The catalog object whose option a property is. */
typedef enum CqPropertyPlace
{
	CQ_PROPERTY_SERVER,
	CQ_PROPERTY_TABLE,
	CQ_PROPERTY_USER_MAPPING
} CqPropertyPlace;

/*
 * Checks one property, global or topic-level, by librdkafka's name; '_' may stand for '.'. NULL
 * where the current user may set it so at that place. What is said never holds the value of a
 * secret.
 */
extern CqReject *cq_kafka_property_check(const char *name, const char *value,
										 CqPropertyPlace place);

#endif							/* CQ_PROPERTY_H */
