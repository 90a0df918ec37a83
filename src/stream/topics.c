/*
 * topics.c
 *		Functions in SQL over the topics of a server: which there are, and a new one.
 *
 * With the rights that Kafka gives to whom the user mapping names, for whoever may use the server.
 */
#include "postgres.h"

#include "catalog/pg_foreign_server.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "common/version.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "stream/reader_state.h"
#include "stream/topics.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define LONGEST_TIMEOUT_MS (60 * 60 * 1000)

PG_FUNCTION_INFO_V1(cq_topics_list);
PG_FUNCTION_INFO_V1(cq_topics_create);

ForeignServer *
cq_topics_server(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, false);
	AclResult	may = object_aclcheck(ForeignServerRelationId, server->serverid, GetUserId(),
									  ACL_USAGE);

	if (may != ACLCHECK_OK)
		aclcheck_error(may, OBJECT_FOREIGN_SERVER, name);
	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, "cq_kafka") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not one of the foreign data wrapper cq_kafka", name)));
	return server;
}

int
cq_topics_timeout(const Interval *timeout)
{
	double		ms = ((timeout->month * 30.0 + timeout->day) * USECS_PER_DAY + timeout->time) / 1000;

	if (ms < 1 || ms > LONGEST_TIMEOUT_MS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid timeout"),
				 errhint("It is from one millisecond to one hour.")));
	return (int) ms;
}

static CqSourceConfig
config_of(const ForeignServer *server)
{
	return (CqSourceConfig) {
		.stream_name = server->servername,
		.properties = cq_stream_server_properties(server->serverid, GetUserId()),
		.bounded = true
	};
}

/* cq.topics(server text, timeout interval) */
Datum
cq_topics_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	CqSourceConfig config;
	List	   *topics;
	List	   *npartitions;
	ListCell   *topic;
	ListCell   *number;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	config = config_of(cq_topics_server(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	topics = cq_kafka_source.list_topics(&config, cq_topics_timeout(PG_GETARG_INTERVAL_P(1)),
										 &npartitions);
	forboth(topic, topics, number, npartitions)
	{
		Datum		values[] = {
			CStringGetTextDatum(lfirst(topic)), Int32GetDatum(lfirst_int(number))
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static char **
strings_of(ArrayType *array, int *nstrings)
{
	Datum	   *elements;
	bool	   *nulls;
	char	  **strings;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, nstrings);
	strings = palloc(sizeof(char *) * Max(*nstrings, 1));
	for (int i = 0; i < *nstrings; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("settings of a topic cannot be null")));
		strings[i] = TextDatumGetCString(elements[i]);
	}
	return strings;
}

/*
 * _cq.create_topic(server text, topic text, partitions integer, replicas integer, names text[],
 * settings text[], timeout interval)
 */
Datum
cq_topics_create(PG_FUNCTION_ARGS)
{
	CqNewTopic	plan = {.npartitions = -1, .nreplicas = -1};
	CqSourceConfig config;
	int			nvalues;

	cq_version_require();
	for (int i = 0; i < PG_NARGS(); i++)
	{
		if (PG_ARGISNULL(i) && i != 2 && i != 3)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("server, topic, settings and timeout cannot be null")));
	}
	config = config_of(cq_topics_server(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	plan.name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!PG_ARGISNULL(2))
		plan.npartitions = PG_GETARG_INT32(2);
	if (!PG_ARGISNULL(3))
		plan.nreplicas = PG_GETARG_INT32(3);
	if ((!PG_ARGISNULL(2) && plan.npartitions < 1) || (!PG_ARGISNULL(3) && plan.nreplicas < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a topic has at least one partition, and one replica")));
	plan.names = strings_of(PG_GETARG_ARRAYTYPE_P(4), &plan.nsettings);
	plan.values = strings_of(PG_GETARG_ARRAYTYPE_P(5), &nvalues);
	if (nvalues != plan.nsettings)
		elog(ERROR, "settings without values");
	cq_kafka_source.create_topic(&config, &plan, cq_topics_timeout(PG_GETARG_INTERVAL_P(6)));
	PG_RETURN_VOID();
}
