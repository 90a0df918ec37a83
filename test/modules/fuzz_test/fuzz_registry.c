/*
 * fuzz_registry.c
 *		The schema registry, whose answers are any bytes: each answer is what the bytes have next, up
 *		to a zero; the last one goes for all that is asked afterwards. Its first byte says which status
 *		of HTTP it has.
 */
#include "postgres.h"

#include "format/avro_infer.h"
#include "format/avro_schema.h"
#include "format/registry.c"
#include "fuzz_test.h"

static const char *answers;
static const char *answers_end;

struct CqHttpCall
{
	CqHttpResponse response;
};

static int
status_of(char c)
{
	switch (c)
	{
		case '0':
			return 0;
		case '4':
			return 404;
		case '5':
			return 500;
		case '9':
			return 409;
		default:
			return 200;
	}
}

CqHttpCall *
cq_http_start(const CqHttpRequest *request)
{
	CqHttpCall *call = palloc0(sizeof(CqHttpCall));
	const char *end = memchr(answers, '\0', answers_end - answers);
	size_t		length = (end != NULL ? end : answers_end) - answers;

	call->response.url = "http://registry";
	call->response.status = length > 0 ? status_of(answers[0]) : 0;
	call->response.error = "there is nobody";
	if (length > 0)
	{
		/* As HTTP does: with a zero behind. */
		call->response.body = pnstrdup(answers + 1, length - 1);
		call->response.length = length - 1;
	}
	if (end != NULL && end + 1 < answers_end)
		answers = end + 1;
	return call;
}

const CqHttpResponse *
cq_http_response(const CqHttpCall *call)
{
	return &call->response;
}

void
cq_http_free(CqHttpCall *call)
{
}

void
cq_http_advance(void)
{
}

int
cq_http_fd(void)
{
	return -1;
}

bool
cq_http_wait(const CqHttpCall *call, int timeout_ms)
{
	return true;
}

void
cq_http_wait_any(int timeout_ms)
{
}

char *
cq_http_escape(const char *text)
{
	StringInfoData out;

	initStringInfo(&out);
	for (; *text != '\0'; text++)
		appendStringInfo(&out, isalnum((unsigned char) *text) ? "%c" : "%%%02X", (unsigned char) *text);
	return out.data;
}

/* Of a number: what the format avro does with the answers. Then what statements ask for. */
static void
ask_registry(CqRegistry *registry, FuzzOutcome *outcome)
{
	CqRegistrySchema schema;
	const char *trouble;
	CqRegistryState state = CQ_REGISTRY_ASKED;
	List	   *remarks = NIL;
	ListCell   *cell;
	CqAvroNames names = {0};
	CqReject   *reject = NULL;

	/* What it refers to is asked for each time that somebody looks. */
	for (int i = 0; i < 10; i++)
	{
		state = cq_registry_by_id(registry, 1, &schema, &trouble);
		if (state == CQ_REGISTRY_HERE)
			break;
	}
	if (state != CQ_REGISTRY_HERE)
	{
		outcome->nbad++;
		return;
	}
	outcome->nrows++;
	foreach(cell, schema.texts)
	{
		const char *text = lfirst(cell);

		if (cq_avro_schema_parse(text, strlen(text), &names, &reject) == NULL)
			outcome->nbad++;
	}
	if (strcmp(schema.type, "AVRO") == 0)
		(void) cq_avro_infer(&schema, &remarks);
}

/* How much it has to say. These raise what is wrong. */
static int
ask_question(CqRegistry *registry, int question)
{
	CqRegistrySchema schema;
	uint32		id;
	char	   *reason;

	switch (question)
	{
		case 0:
			return list_length(cq_registry_subjects(registry));
		case 1:
			return cq_registry_number(registry, "s", "AVRO", "\"int\"", CQ_REGISTRY_CHECK, &id,
							  &reason);
		default:
			return cq_registry_fetch(registry, "subjects/s/versions/latest", true, &schema);
	}
}

static void
ask_as_statement(CqRegistry *registry, volatile int question, FuzzOutcome *outcome)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		outcome->nrows += ask_question(registry, question);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		if (geterrcode() != ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION)
			PG_RE_THROW();
		FlushErrorState();
		outcome->nbad++;
	}
	PG_END_TRY();
}

void
fuzz_registry(const char *name, const uint8 *bytes, size_t length, FuzzOutcome *outcome)
{
	CqRegistryConfig config = {.urls = list_make1("http://registry")};

	for (volatile int question = -1; question < 3; question++)
	{
		CqRegistry *registry = cq_registry_get(&config);

		answers = (const char *) bytes;
		answers_end = answers + length;
		if (question < 0)
			ask_registry(registry, outcome);
		else
			ask_as_statement(registry, question, outcome);
		registries = NIL;
		MemoryContextDelete(registry->context);
	}
}
