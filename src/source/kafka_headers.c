/*
 * kafka_headers.c
 *		Headers of messages as jsonb, and back: an array of {"key": …, "value": …}.
 *
 * Kafka's headers are an ordered list in which a key may come twice, and a value is bytes or null.
 * A value that is no text of this database stands under "base64" instead of "value", so that
 * nothing is lost on the way there and back.
 */
#include "postgres.h"

#include "common/base64.h"
#include "mb/pg_wchar.h"
#include "source/kafka.h"
#include "utils/jsonb.h"

static bool
is_text(const char *bytes, size_t length)
{
	if (memchr(bytes, '\0', length) != NULL)
		return false;
	if (GetDatabaseEncoding() == PG_UTF8)
		return pg_verify_mbstr(PG_UTF8, bytes, length, true);
	/* Headers are UTF-8 by custom; what both encodings agree on is enough. */
	for (size_t i = 0; i < length; i++)
		if (IS_HIGHBIT_SET(bytes[i]))
			return false;
	return true;
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *bytes, size_t length)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = (char *) bytes;
	value.val.string.len = (int) length;
	(void) pushJsonbValue(state, token, &value);
}

static void
push_base64(JsonbParseState **state, const char *bytes, size_t length)
{
	int			capacity = pg_b64_enc_len((int) length);
	char	   *encoded = palloc(capacity + 1);
	int			encoded_length = pg_b64_encode((const void *) bytes, (int) length, encoded,
											   capacity);

	push_string(state, WJB_VALUE, encoded, encoded_length);
}

static void
push_header(JsonbParseState **state, const char *key, const char *value, size_t length)
{
	char	   *printable = pstrdup(key);
	JsonbValue	null = {.type = jbvNull};

	if (!is_text(key, strlen(key)))
		for (char *c = printable; *c != '\0'; c++)
			if (IS_HIGHBIT_SET(*c))
				*c = '?';
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	push_string(state, WJB_KEY, "key", strlen("key"));
	push_string(state, WJB_VALUE, printable, strlen(printable));
	if (value != NULL && !is_text(value, length))
	{
		push_string(state, WJB_KEY, "base64", strlen("base64"));
		push_base64(state, value, length);
	}
	else
	{
		push_string(state, WJB_KEY, "value", strlen("value"));
		if (value != NULL)
			push_string(state, WJB_VALUE, value, length);
		else
			(void) pushJsonbValue(state, WJB_VALUE, &null);
	}
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* See CqSourceRoutine.headers. */
bool
cq_kafka_headers_read(CqSource *source, const CqMessage *message, Datum *headers)
{
	rd_kafka_headers_t *list;
	JsonbParseState *state = NULL;
	const char *key;
	const void *value;
	size_t		length;

	/* The list belongs to the message. */
	if (rd_kafka_message_headers(message->origin, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (size_t i = 0; rd_kafka_header_get_all(list, i, &key, &value,
											   &length) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
		push_header(&state, key, value, length);
	*headers = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
	return true;
}

/* See CqMessageHeader. */
bool
cq_kafka_headers_find(const CqMessage *message, const char *name, const char **bytes,
					  size_t *length)
{
	rd_kafka_headers_t *list;
	const void *value;

	if (rd_kafka_message_headers(message->origin, &list) != RD_KAFKA_RESP_ERR_NO_ERROR ||
		rd_kafka_header_get(list, 0, name, &value, length) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	*bytes = value;
	return value != NULL;
}

pg_noreturn static void raise_bad_headers(const char *detail);

static void
raise_bad_headers(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid headers of a Kafka message"),
			 errdetail("%s", detail),
			 errhint("Headers are a jsonb array of objects, each with \"key\" and \"value\" (or "
					 "\"base64\").")));
}

static JsonbValue *
get_field(JsonbContainer *header, const char *name)
{
	return getKeyJsonValueFromContainer(header, name, (int) strlen(name), NULL);
}

static char *
to_utf8(const JsonbValue *value)
{
	char	   *text = pnstrdup(value->val.string.val, value->val.string.len);

	return pg_server_to_any(text, value->val.string.len, PG_UTF8);
}

static void
parse_base64(const JsonbValue *value, CqKafkaHeader *out)
{
	int			capacity = pg_b64_dec_len(value->val.string.len);
	int			length;

	out->value = palloc(capacity + 1);
	length = pg_b64_decode(value->val.string.val, value->val.string.len, (void *) out->value,
						   capacity);
	if (length < 0)
		raise_bad_headers("A \"base64\" is not valid base64.");
	out->length = length;
}

static void
parse_header(JsonbContainer *header, CqKafkaHeader *out)
{
	JsonbValue *key = get_field(header, "key");
	JsonbValue *value = get_field(header, "value");
	JsonbValue *base64 = get_field(header, "base64");

	if (key == NULL || key->type != jbvString)
		raise_bad_headers("A \"key\" is missing or is not a string.");
	out->key = to_utf8(key);
	if (base64 != NULL && base64->type == jbvString)
		parse_base64(base64, out);
	else if (value == NULL || value->type == jbvNull)
		out->value = NULL;
	else if (value->type == jbvString)
	{
		out->value = to_utf8(value);
		out->length = strlen(out->value);
	}
	else
		raise_bad_headers("A \"value\" is neither a string nor null.");
}

/*
 * Reads headers to be sent; raises ERROR for what is none. palloc'd, with bytes in UTF-8. Returns
 * how many.
 */
int
cq_kafka_headers_parse(Datum headers, CqKafkaHeader **result)
{
	Jsonb	   *json = DatumGetJsonbP(headers);
	int			nheaders = JB_ROOT_COUNT(json);

	if (!JB_ROOT_IS_ARRAY(json) || JB_ROOT_IS_SCALAR(json))
		raise_bad_headers("It is not an array.");
	*result = palloc0(sizeof(CqKafkaHeader) * Max(nheaders, 1));
	for (int i = 0; i < nheaders; i++)
	{
		JsonbValue *header = getIthJsonbValueFromContainer(&json->root, i);

		if (header->type != jbvBinary || !JsonContainerIsObject(header->val.binary.data))
			raise_bad_headers("An element is not an object.");
		parse_header(header->val.binary.data, &(*result)[i]);
	}
	return nheaders;
}
