/*
 * fdw.c
 *		The two foreign data wrappers, cq_kafka and cq_log: handlers, and validators of their
 *		options.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "catalog/stream.h"
#include "catalog/stream_options.h"
#include "commands/defrem.h"
#include "common/closest.h"
#include "common/options.h"
#include "common/topic_pattern.h"
#include "fmgr.h"
#include "source/property.h"
#include "stream/modify.h"
#include "stream/sample.h"
#include "stream/scan.h"

PG_FUNCTION_INFO_V1(cq_kafka_handler);
PG_FUNCTION_INFO_V1(cq_kafka_validator);
PG_FUNCTION_INFO_V1(cq_log_handler);
PG_FUNCTION_INFO_V1(cq_log_validator);

static FdwRoutine *
make_routine(void)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	cq_scan_plan_init(routine);
	cq_scan_init(routine);
	cq_explain_init(routine);
	cq_modify_init(routine);
	cq_analyze_init(routine);
	return routine;
}

Datum
cq_log_handler(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(make_routine());
}

Datum
cq_kafka_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = make_routine();

	cq_import_init(routine);
	PG_RETURN_POINTER(routine);
}

/* What may have been meant, of the names with commas between. */
static const char *
closest_of(const char *names, const char *name)
{
	char	   *rest = pstrdup(names);
	CqClosest	closest;

	cq_closest_init(&closest, name);
	for (char *one = strtok(rest, ", "); one != NULL; one = strtok(NULL, ", "))
		cq_closest_try(&closest, one);
	return cq_closest_hint(&closest);
}

static CqReject *
reject_unknown(CqStreamKind kind, Oid place, const char *name)
{
	CqReject   *reject = cq_reject(ERRCODE_FDW_OPTION_NAME_NOT_FOUND, "invalid option \"%s\"",
								   name);
	char	   *names = cq_stream_options_names(kind, place);
	bool		is_of_kafka = false;

	if (names[0] == '\0')
		return cq_reject_hint(reject, "There are no valid options here.");
	(void) cq_stream_options_check(CQ_STREAM_KAFKA, place, name, "", &is_of_kafka);
	return cq_reject_hint(reject, "%sValid options: %s.", is_of_kafka ?
						  "It is of messages of Kafka, which come as bytes. " :
						  closest_of(names, name), names);
}

/* Options of the wrapper that are none of ours are librdkafka's, except on columns. */
static CqReject *
check_property(Oid place, const char *name, const char *value)
{
	CqReject   *reject = NULL;

	if (cq_stream_options_is_of_registry(name))
		return cq_reject_hint(cq_reject(ERRCODE_FDW_INVALID_OPTION_NAME,
										"option \"%s\" cannot be set here", name),
							  "Options of the server are schema_registry and schema_registry_ca; "
							  "the others that "
							  "begin so are secrets, and belong into a user mapping.");
	if (place == ForeignServerRelationId)
		reject = cq_kafka_property_check(name, value, CQ_PROPERTY_SERVER);
	else if (place == UserMappingRelationId)
		reject = cq_kafka_property_check(name, value, CQ_PROPERTY_USER_MAPPING);
	else if (place == ForeignTableRelationId)
		reject = cq_kafka_property_check(name, value, CQ_PROPERTY_TABLE);
	else
		return reject_unknown(CQ_STREAM_KAFKA, place, name);
	if (reject != NULL && reject->sqlerrcode == ERRCODE_FDW_OPTION_NAME_NOT_FOUND &&
		place == ForeignTableRelationId)
	{
		char	   *names = cq_stream_options_names(CQ_STREAM_KAFKA, place);

		return cq_reject_hint(reject, "%sOptions of a stream are %s; besides these there are "
									  "librdkafka's properties. %s",
							  closest_of(names, name), names, reject->hint);
	}
	return reject;
}

static void
validate(CqStreamKind kind, List *options, Oid place)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);
		const char *value = defGetString(option);
		bool		is_ours;
		CqReject   *reject = cq_stream_options_check(kind, place, option->defname, value, &is_ours);

		if (!is_ours)
			reject = kind == CQ_STREAM_KAFKA ? check_property(place, option->defname, value) :
				reject_unknown(kind, place, option->defname);
		cq_reject_raise(reject, NULL);
	}
}

/* What fails would come back, and fail again. */
static void
refuse_error_loop(const char *topic, const char *error_topic)
{
	List	   *topics;
	ListCell   *cell;

	cq_reject_raise(cq_stream_options_parse_topics(topic, &topics), NULL);
	foreach(cell, topics)
	{
		const char *one = lfirst(cell);

		if (cq_topic_pattern_is(one) ? cq_topic_pattern_matches(one, error_topic) :
			strcmp(one, error_topic) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("error_topic \"%s\" is a topic of the stream itself", error_topic),
					 errdetail("What fails would be read, and would fail, again and again.")));
	}
}

Datum
cq_log_validator(PG_FUNCTION_ARGS)
{
	validate(CQ_STREAM_LOG, untransformRelOptions(PG_GETARG_DATUM(0)), PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

Datum
cq_kafka_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			place = PG_GETARG_OID(1);

	validate(CQ_STREAM_KAFKA, options, place);
	if (place == AttributeRelationId && cq_options_value(options, "path") != NULL &&
		cq_options_value(options, "metadata") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("options \"path\" and \"metadata\" exclude each other"),
				 errdetail("A column is a field of the message or something that Kafka knows of "
						   "it.")));
	if (place == ForeignTableRelationId && cq_options_value(options, "topic") == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"topic\" is required"),
				 errhint("It names the topic of the stream, or several topics with commas "
						 "between.")));
	if (place == ForeignTableRelationId && cq_options_value(options, "error_topic") != NULL)
		refuse_error_loop(cq_options_value(options, "topic"), cq_options_value(options, "error_topic"));
	PG_RETURN_VOID();
}
