/*
 * registry.c
 *		The schema registry: see registry.h.
 *
 * What is known is a table of documents, by their path. A document is asked for by a call that goes
 * on by itself; whoever wants it looks whether the call has ended. Only so many are asked for at a
 * time, since a message can name any number.
 */
#include "postgres.h"

#include "common/clock.h"
#include "common/hashfn.h"
#include "format/json_parser.h"
#include "format/json_walk.h"
#include "format/registry.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/memutils.h"

#define TIMEOUT_MS			10000	/* of an attempt */
#define ATTEMPTS			3
#define MAX_RESPONSE		(4 * 1024 * 1024)
#define AT_ONCE				8
#define WAIT_MS				60000	/* of a statement */
#define LONGEST_PAUSE_MS	30000
#define UNKNOWN_FOR			(5 * 60 * USECS_PER_SEC)
#define LONGEST_PATH		768
#define MOST_REFERENCES		1000	/* that a schema leads to */
#define GUIDS				"schemas/guids/"
#define MOST_QUESTIONS		3
#define LONGEST_WORDS		300		/* of the registry's own, in bytes */

/* To another document, by a name that only the one which refers to it has for it. */
typedef struct Reference
{
	char	   *name;
	char	   *path;
} Reference;

typedef struct Document
{
	char		path[LONGEST_PATH]; /* the key */
	CqRegistryState state;
	CqHttpCall *call;			/* or NULL */
	MemoryContext context;		/* of the call */
	int64		since;			/* it is unknown; on the monotonic clock */
	int64		due;			/* to be asked again after trouble */
	int			failures;		/* in a row */
	char	   *trouble;
	char	   *type;
	char	   *text;
	int64		id;
	List	   *references;		/* of Reference * */
	/* of questions that lead to a number, one after another; the key is something else */
	char	   *questions[MOST_QUESTIONS];	/* paths */
	int			nquestions;
	int			question;		/* that is asked */
	char	   *body;			/* of each of them; else NULL */
} Document;

typedef struct Number
{
	uint32		id;				/* the key */
	Document   *document;
} Number;

struct CqRegistry
{
	MemoryContext context;
	CqRegistryConfig config;
	HTAB	   *documents;
	HTAB	   *numbers;
	int			nasked;			/* calls that go on */
};

static List *registries = NIL;

/* ---- configurations ---- */

static bool
is_same(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static bool
is_same_config(const CqRegistryConfig *one, const CqRegistryConfig *other)
{
	ListCell   *left;
	ListCell   *right;

	if (one->is_trusted != other->is_trusted || list_length(one->urls) != list_length(other->urls))
		return false;
	forboth(left, one->urls, right, other->urls)
	{
		if (strcmp(lfirst(left), lfirst(right)) != 0)
			return false;
	}
	return is_same(one->identity.user, other->identity.user) &&
		is_same(one->identity.password, other->identity.password) &&
		is_same(one->identity.token, other->identity.token) &&
		is_same(one->identity.certificate, other->identity.certificate) &&
		is_same(one->identity.key, other->identity.key) &&
		is_same(one->identity.key_password, other->identity.key_password) &&
		is_same(one->identity.authority, other->identity.authority);
}

static const char *
copy(const char *text)
{
	return text != NULL ? pstrdup(text) : NULL;
}

static HTAB *
make_table(const char *name, Size key, Size entry, int flags, MemoryContext context)
{
	HASHCTL		control = {.keysize = key, .entrysize = entry, .hcxt = context};

	return hash_create(name, 64, &control, HASH_ELEM | HASH_CONTEXT | flags);
}

CqRegistry *
cq_registry_get(const CqRegistryConfig *config)
{
	MemoryContext caller;
	CqRegistry *registry;
	ListCell   *cell;

	foreach(cell, registries)
	{
		registry = lfirst(cell);
		if (is_same_config(&registry->config, config))
			return registry;
	}
	caller = MemoryContextSwitchTo(AllocSetContextCreate(TopMemoryContext, "pg_cq schema registry",
														 ALLOCSET_DEFAULT_SIZES));
	registry = palloc0(sizeof(CqRegistry));
	registry->context = CurrentMemoryContext;
	registry->config = *config;
	registry->config.urls = NIL;
	foreach(cell, config->urls)
		registry->config.urls = lappend(registry->config.urls, pstrdup(lfirst(cell)));
	registry->config.identity.user = copy(config->identity.user);
	registry->config.identity.password = copy(config->identity.password);
	registry->config.identity.token = copy(config->identity.token);
	registry->config.identity.certificate = copy(config->identity.certificate);
	registry->config.identity.key = copy(config->identity.key);
	registry->config.identity.key_password = copy(config->identity.key_password);
	registry->config.identity.authority = copy(config->identity.authority);
	registry->documents = make_table("pg_cq schemas", LONGEST_PATH, sizeof(Document), HASH_STRINGS,
									 registry->context);
	registry->numbers = make_table("pg_cq schema numbers", sizeof(uint32), sizeof(Number),
								   HASH_BLOBS, registry->context);
	MemoryContextSwitchTo(TopMemoryContext);
	registries = lappend(registries, registry);
	MemoryContextSwitchTo(caller);
	return registry;
}

const char *
cq_registry_name(const CqRegistry *registry)
{
	return linitial(registry->config.urls);
}

/* ---- asking ---- */

/* In CurrentMemoryContext. */
static CqHttpCall *
start_call(CqRegistry *registry, const char *path, const char *body)
{
	CqHttpRequest request = {
		.method = body != NULL ? "POST" : "GET",
		.body = body,
		.body_length = body != NULL ? strlen(body) : 0,
		.identity = &registry->config.identity,
		.is_trusted = registry->config.is_trusted,
		.is_repeatable = true,	/* a schema that is registered again is the same */
		.attempts = Max(ATTEMPTS, list_length(registry->config.urls)),
		.timeout_ms = TIMEOUT_MS,
		.max_length = MAX_RESPONSE,
	};
	ListCell   *cell;

	foreach(cell, registry->config.urls)
	{
		const char *url = lfirst(cell);
		int			length = strlen(url);

		while (length > 0 && url[length - 1] == '/')
			length--;
		request.urls = lappend(request.urls, psprintf("%.*s/%s", length, url, path));
	}
	request.headers = list_make1("Accept: application/vnd.schemaregistry.v1+json, "
								 "application/json");
	if (body != NULL)
		request.headers = lappend(request.headers,
								  "Content-Type: application/vnd.schemaregistry.v1+json");
	return cq_http_start(&request);
}

static void
end_call(CqRegistry *registry, Document *document)
{
	if (document->call != NULL)
		registry->nasked--;
	document->call = NULL;
	if (document->context != NULL)
		MemoryContextDelete(document->context);
	document->context = NULL;
}

static void
ask(CqRegistry *registry, Document *document)
{
	MemoryContext caller;

	if (registry->nasked >= AT_ONCE || cq_clock_real_monotonic() < document->due)
		return;
	document->context = AllocSetContextCreate(registry->context, "pg_cq schema request",
											  ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(document->context);
	document->call = start_call(registry, document->body != NULL ?
								document->questions[document->question] : document->path,
								document->body);
	registry->nasked++;
	MemoryContextSwitchTo(caller);
}

static void
note_trouble(CqRegistry *registry, Document *document, const char *trouble)
{
	int64		pause = Min(INT64CONST(1000) << Min(document->failures, 10), LONGEST_PAUSE_MS);

	if (document->trouble != NULL)
		pfree(document->trouble);
	document->trouble = MemoryContextStrdup(registry->context, trouble);
	document->failures++;
	document->due = cq_clock_real_monotonic() + pause * 1000;
}

/* ---- answers ---- */

/* The members of an answer that matter. */
enum
{
	SCHEMA, TYPE, ID, REFERENCES, CODE, MESSAGE, IS_COMPATIBLE, MESSAGES, REASON, NMEMBERS
};

static void
free_parser(void *parser)
{
	cq_json_parser_free(parser);
}

/* False: it is no JSON object. Tokens are of the body. In CurrentMemoryContext. */
static bool
parse(const char *body, Size length, CqJsonToken *tokens)
{
	static const char *const names[NMEMBERS] = {"schema", "schemaType", "id", "references",
												"error_code", "message", "is_compatible",
												"messages", "reason"};
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	CqJsonParser *parser = cq_json_parser_create();
	CqJsonShape *shape = cq_json_shape_create(false);
	CqJsonFault fault;

	if (parser == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed to create a JSON parser.")));
	callback->func = free_parser;
	callback->arg = parser;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	for (int i = 0; i < NMEMBERS; i++)
		(void) cq_json_shape_add(shape, list_make1((char *) names[i]));
	if (!cq_json_walk(shape, parser, body, (uint32) length, &fault))
		return false;
	memcpy(tokens, shape->tokens, sizeof(CqJsonToken) * NMEMBERS);
	return true;
}

/* A string's content, UTF-8, or NULL. */
static char *
text_of(const CqJsonToken *token)
{
	const char *reason;
	char	   *text;
	int64		length;

	if (token->kind != CQ_JSON_STRING)
		return NULL;
	text = palloc(token->length + 1);
	length = token->length;
	if (token->is_escaped)
		length = cq_json_token_unescape(token->text, token->length, text, &reason);
	else
		memcpy(text, token->text, length);
	if (length < 0)
		return NULL;
	text[length] = '\0';
	return text;
}

static void
add_reference(CqRegistry *registry, const char *name, const char *path, List **references)
{
	MemoryContext caller = MemoryContextSwitchTo(registry->context);
	Reference  *reference = palloc(sizeof(Reference));

	reference->name = pstrdup(name);
	reference->path = pstrdup(path);
	*references = lappend(*references, reference);
	MemoryContextSwitchTo(caller);
}

static bool
is_named(const CqJsonToken *token, const char *name)
{
	return token->length == strlen(name) && memcmp(token->text, name, token->length) == 0;
}

/*
 * What a schema refers to, in the registry's context; false where that cannot be understood.
 */
static bool
read_references(CqRegistry *registry, const CqJsonToken *array, List **references)
{
	CqJsonToken element;
	uint32		place = 1;

	*references = NIL;
	while (array->kind == CQ_JSON_ARRAY && cq_json_token_next_element(array, &place, &element))
	{
		CqJsonToken member;
		CqJsonToken value;
		uint32		at = 1;
		char	   *name = NULL;
		char	   *subject = NULL;
		int64		version = -1;
		char	   *path;

		while (element.kind == CQ_JSON_OBJECT &&
			   cq_json_token_next_member(&element, &at, &member, &value))
		{
			if (is_named(&member, "subject"))
				subject = text_of(&value);
			else if (is_named(&member, "name"))
				name = text_of(&value);
			else if (is_named(&member, "version") && value.kind == CQ_JSON_INTEGER)
				version = value.integer;
		}
		if (subject == NULL || version < 0 || list_length(*references) == MOST_REFERENCES)
			return false;
		path = psprintf("subjects/%s/versions/" INT64_FORMAT, cq_http_escape(subject), version);
		if (strlen(path) >= LONGEST_PATH)
			return false;
		add_reference(registry, name != NULL ? name : subject, path, references);
	}
	return true;
}

/* What the registry says is wrong, in the server's encoding. */
static char *
words(char *message)
{
	message[pg_encoding_mbcliplen(PG_UTF8, message, strlen(message), LONGEST_WORDS)] = '\0';
	return pg_any_to_server(message, strlen(message), PG_UTF8);
}

static bool
is_incompatible(const CqHttpResponse *response, bool is_json, const CqJsonToken *tokens)
{
	return response->status == 200 && is_json && tokens[IS_COMPATIBLE].kind == CQ_JSON_FALSE;
}

/* Why a schema does not go with the latest one: some registries give a reason, others several. */
static char *
describe_incompatible(const CqHttpResponse *response, const CqJsonToken *tokens)
{
	const CqJsonToken *messages = &tokens[MESSAGES];
	char	   *text = text_of(&tokens[REASON]);
	StringInfoData said;
	CqJsonToken message;
	uint32		place = 1;

	initStringInfo(&said);
	if (text != NULL)
		appendStringInfo(&said, ": %s", text);
	while (messages->kind == CQ_JSON_ARRAY && said.len < LONGEST_WORDS &&
		   cq_json_token_next_element(messages, &place, &message))
	{
		text = text_of(&message);
		if (text != NULL)
			appendStringInfo(&said, "%s%s", said.len > 0 ? "; " : ": ", text);
	}
	return psprintf("%s: it is not compatible with the latest schema%s", response->url,
					words(said.data));
}

/* What an answer that is no schema says. */
static char *
describe(const CqHttpResponse *response, bool is_json, const CqJsonToken *tokens)
{
	char	   *message = is_json ? text_of(&tokens[MESSAGE]) : NULL;

	if (response->status == 0)
		return psprintf("%s: %s", response->url, response->error);
	if (is_incompatible(response, is_json, tokens))
		return describe_incompatible(response, tokens);
	if (response->status == 200)
		return psprintf("%s: the answer is not that of a schema registry", response->url);
	if (message == NULL)
		return psprintf("%s: HTTP status %d", response->url, response->status);
	return psprintf("%s: HTTP status %d: %s", response->url, response->status, words(message));
}

/* What the registry itself says is not there: not whatever else may answer at its address. */
static bool
says_unknown(const CqHttpResponse *response, bool is_json, const CqJsonToken *tokens)
{
	return response->status == 404 && is_json && tokens[CODE].kind == CQ_JSON_INTEGER &&
		tokens[CODE].integer >= 40401 && tokens[CODE].integer <= 40403;
}

/* ---- numbers ---- */

static bool
has_number(const CqHttpResponse *response, bool is_json, const CqJsonToken *tokens)
{
	return response->status == 200 && is_json && tokens[ID].kind == CQ_JSON_INTEGER;
}

/*
 * The next question is asked where the schema is not registered, which is the first one, or where
 * it is compatible with what is: the second.
 */
static bool
leads_on(const CqHttpResponse *response, bool is_json, const CqJsonToken *tokens)
{
	return says_unknown(response, is_json, tokens) ||
		(response->status == 200 && is_json && tokens[IS_COMPATIBLE].kind == CQ_JSON_TRUE);
}

/* True: *document has its number, or there is a further question. */
static bool
take_number(Document *document, const CqHttpResponse *response, bool is_json,
			const CqJsonToken *tokens)
{
	if (has_number(response, is_json, tokens))
	{
		document->id = tokens[ID].integer;
		document->state = CQ_REGISTRY_HERE;
		return true;
	}
	if (document->question + 1 < document->nquestions && leads_on(response, is_json, tokens))
	{
		document->question++;
		return true;
	}
	document->question = 0;
	return false;
}

/* In a context that is reset afterwards. */
static void
take_answer(CqRegistry *registry, Document *document, const CqHttpResponse *response)
{
	CqJsonToken tokens[NMEMBERS];
	bool		is_json = response->status != 0 && parse(response->body, response->length, tokens);
	char	   *text = is_json && response->status == 200 ? text_of(&tokens[SCHEMA]) : NULL;
	char	   *type;
	List	   *references;

	if (document->body != NULL)
	{
		if (!take_number(document, response, is_json, tokens))
		{
			note_trouble(registry, document, describe(response, is_json, tokens));
			return;
		}
	}
	else if (text != NULL && read_references(registry, &tokens[REFERENCES], &references))
	{
		type = text_of(&tokens[TYPE]);
		document->text = MemoryContextStrdup(registry->context, text);
		document->type = MemoryContextStrdup(registry->context, type != NULL ? type : "AVRO");
		document->id = tokens[ID].kind == CQ_JSON_INTEGER ? tokens[ID].integer : 0;
		document->references = references;
		document->state = CQ_REGISTRY_HERE;
	}
	/* Of GUIDs not every registry knows, and one says so in words of its own. */
	else if (says_unknown(response, is_json, tokens) ||
			 (response->status == 404 && strncmp(document->path, GUIDS, strlen(GUIDS)) == 0))
	{
		document->state = CQ_REGISTRY_UNKNOWN;
		document->since = cq_clock_real_monotonic();
	}
	else
	{
		note_trouble(registry, document, describe(response, is_json, tokens));
		return;
	}
	document->failures = 0;
	if (document->trouble != NULL)
		pfree(document->trouble);
	document->trouble = NULL;
}

static Document *
find_document(CqRegistry *registry, const char *path)
{
	bool		is_known;
	Document   *document;
	char		key[LONGEST_PATH];

	strlcpy(key, path, sizeof(key));
	document = hash_search(registry->documents, key, HASH_ENTER, &is_known);
	if (!is_known)
	{
		memset(document, 0, sizeof(Document));
		strlcpy(document->path, path, sizeof(document->path));
	}
	return document;
}

/* Brings a document as far as it can be without waiting. */
static void
look_at(CqRegistry *registry, Document *document)
{
	const CqHttpResponse *response;
	MemoryContext caller;

	if (document->state == CQ_REGISTRY_UNKNOWN && cq_clock_real_monotonic() -
		document->since > UNKNOWN_FOR)
		document->state = CQ_REGISTRY_ASKED;
	if (document->state != CQ_REGISTRY_ASKED)
		return;
	if (document->call == NULL)
		ask(registry, document);
	else
		cq_http_advance();
	response = document->call != NULL ? cq_http_response(document->call) : NULL;
	if (response == NULL)
		return;
	caller = MemoryContextSwitchTo(document->context);
	take_answer(registry, document, response);
	MemoryContextSwitchTo(caller);
	end_call(registry, document);
	if (document->state == CQ_REGISTRY_ASKED)
		ask(registry, document);	/* the next question */
}

/* ---- schemas ---- */

/*
 * Adds the texts of a document, after those of what it refers to. The state of the first that is
 * not here. seen has the documents that were added, so that circles end.
 */
static CqRegistryState
collect(CqRegistry *registry, Document *document, char *name, List **seen,
		CqRegistrySchema *schema, const char **trouble)
{
	ListCell   *cell;

	if (list_member_ptr(*seen, document))
		return CQ_REGISTRY_HERE;
	if (list_length(*seen) > MOST_REFERENCES)
		return CQ_REGISTRY_UNKNOWN;
	check_stack_depth();
	*seen = lappend(*seen, document);
	look_at(registry, document);
	if (document->state == CQ_REGISTRY_ASKED)
		*trouble = document->trouble;
	if (document->state != CQ_REGISTRY_HERE)
		return document->state;
	foreach(cell, document->references)
	{
		const Reference *reference = lfirst(cell);
		CqRegistryState state = collect(registry, find_document(registry, reference->path),
										reference->name, seen, schema, trouble);

		if (state != CQ_REGISTRY_HERE)
			return state;
	}
	schema->texts = lappend(schema->texts, document->text);
	schema->names = lappend(schema->names, name);
	return CQ_REGISTRY_HERE;
}

static CqRegistryState
get_schema(CqRegistry *registry, Document *document, CqRegistrySchema *schema, const char **trouble)
{
	List	   *seen = NIL;
	const char *ignored;
	CqRegistryState state;

	if (trouble == NULL)
		trouble = &ignored;
	*trouble = NULL;
	schema->texts = NIL;
	schema->names = NIL;
	state = collect(registry, document, "", &seen, schema, trouble);
	list_free(seen);
	schema->type = document->type;
	schema->id = document->id;
	return state;
}

CqRegistryState
cq_registry_by_id(CqRegistry *registry, uint32 id, CqRegistrySchema *schema, const char **trouble)
{
	bool		is_known;
	Number	   *number = hash_search(registry->numbers, &id, HASH_FIND, &is_known);

	if (number == NULL)
	{
		Document   *document = find_document(registry, psprintf("schemas/ids/%u", id));

		number = hash_search(registry->numbers, &id, HASH_ENTER, &is_known);
		number->document = document;
	}
	return get_schema(registry, number->document, schema, trouble);
}

CqRegistryState
cq_registry_by_guid(CqRegistry *registry, const char *guid, CqRegistrySchema *schema,
					const char **trouble)
{
	return get_schema(registry, find_document(registry, psprintf("%s%s", GUIDS, guid)), schema,
					  trouble);
}

/* ---- for statements ---- */

static void
raise_trouble(const char *trouble)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
			 errmsg("the schema registry does not answer as it should"),
			 errdetail("%s", trouble)));
}

/* Any call of the document or of those that it refers to: they come one after another. */
static const CqHttpCall *
find_call(CqRegistry *registry, Document *document)
{
	HASH_SEQ_STATUS scan;
	Document   *other;
	const CqHttpCall *call = document->call;

	hash_seq_init(&scan, registry->documents);
	while ((other = hash_seq_search(&scan)) != NULL)
	{
		if (call == NULL)
			call = other->call;
	}
	return call;
}

bool
cq_registry_fetch(CqRegistry *registry, const char *path, bool is_fresh, CqRegistrySchema *schema)
{
	int64		deadline = cq_clock_real_monotonic() + (int64) WAIT_MS * 1000;
	Document   *document = find_document(registry, path);

	if (is_fresh)
	{
		end_call(registry, document);
		document->state = CQ_REGISTRY_ASKED;
	}
	document->due = 0;
	for (;;)
	{
		const char *trouble;
		CqRegistryState state = get_schema(registry, document, schema, &trouble);
		const CqHttpCall *call;

		if (state != CQ_REGISTRY_ASKED)
			return state == CQ_REGISTRY_HERE;
		call = find_call(registry, document);
		if (trouble != NULL && (document->call == NULL || cq_clock_real_monotonic() > deadline))
			raise_trouble(trouble);
		if (call == NULL || !cq_http_wait(call, 100))
			CHECK_FOR_INTERRUPTS();
		if (cq_clock_real_monotonic() > deadline)
			raise_trouble("It takes too long.");
	}
}

/* In CurrentMemoryContext, where the response stays. */
static const CqHttpResponse *
request(CqRegistry *registry, const char *path, const char *body)
{
	CqHttpCall *call = start_call(registry, path, body);
	const CqHttpResponse *response;

	if (!cq_http_wait(call, WAIT_MS))
		raise_trouble("It takes too long.");
	response = cq_http_response(call);
	if (response->status == 0)
		raise_trouble(psprintf("%s: %s", response->url, response->error));
	return response;
}

/* The paths of what is asked to have a schema's number; returns how many. palloc'd. */
static int
make_questions(const char *subject, CqRegistryAbsent absent, char **questions)
{
	char	   *escaped = cq_http_escape(subject);
	char	   *looks_up = psprintf("subjects/%s", escaped);
	char	   *registers = psprintf("subjects/%s/versions", escaped);
	int			nquestions = 0;

	if (absent != CQ_REGISTRY_REGISTER)
		questions[nquestions++] = looks_up;
	if (absent == CQ_REGISTRY_CHECK)
		questions[nquestions++] =
			psprintf("compatibility/subjects/%s/versions/latest?verbose=true", escaped);
	if (absent != CQ_REGISTRY_LEAVE)
		questions[nquestions++] = registers;
	return nquestions;
}

static char *
body_of_schema(const char *type, const char *text)
{
	StringInfoData body;

	initStringInfo(&body);
	appendStringInfoString(&body, "{\"schema\":");
	escape_json(&body, text);
	/* Older registries know Avro alone, and not this. */
	if (strcmp(type, "AVRO") != 0)
		appendStringInfo(&body, ",\"schemaType\":\"%s\"", type);
	appendStringInfoChar(&body, '}');
	return body.data;
}

CqRegistryState
cq_registry_ask_number(CqRegistry *registry, const char *subject, const char *type,
					   const char *text, CqRegistryAbsent absent, uint32 *id,
					   const char **trouble)
{
	uint64		hash = DatumGetUInt64(hash_any_extended((const unsigned char *) text, strlen(text),
														absent));
	Document   *document = find_document(registry, psprintf(UINT64_FORMAT " %s", hash, subject));

	if (document->body == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(registry->context);

		document->nquestions = make_questions(subject, absent, document->questions);
		document->body = body_of_schema(type, text);
		MemoryContextSwitchTo(caller);
	}
	look_at(registry, document);
	*trouble = document->state == CQ_REGISTRY_ASKED ? document->trouble : NULL;
	*id = (uint32) document->id;
	return document->state;
}

bool
cq_registry_number(CqRegistry *registry, const char *subject, const char *type, const char *text,
				   CqRegistryAbsent absent, uint32 *id, char **reason)
{
	char	   *questions[MOST_QUESTIONS];
	int			nquestions = make_questions(subject, absent, questions);
	char	   *body = body_of_schema(type, text);
	const CqHttpResponse *response;
	CqJsonToken tokens[NMEMBERS];
	bool		is_json;
	int			question = 0;

	do
	{
		response = request(registry, questions[question], body);
		is_json = parse(response->body, response->length, tokens);
		if (has_number(response, is_json, tokens))
		{
			*id = (uint32) tokens[ID].integer;
			return true;
		}
	} while (++question < nquestions && leads_on(response, is_json, tokens));
	/* Not found, in conflict with what is there, or not valid: the schema's fault. */
	if (response->status != 404 && response->status != 409 && response->status != 422 &&
		!is_incompatible(response, is_json, tokens))
		raise_trouble(describe(response, is_json, tokens));
	*reason = describe(response, is_json, tokens);
	return false;
}

List *
cq_registry_subjects(CqRegistry *registry)
{
	const CqHttpResponse *response = request(registry, "subjects", NULL);
	char	   *wrapped = psprintf("{\"schema\":%s}", response->body);
	CqJsonToken tokens[NMEMBERS];
	CqJsonToken subject;
	uint32		place = 1;
	List	   *subjects = NIL;

	if (response->status != 200 || !parse(wrapped, strlen(wrapped), tokens) ||
		tokens[SCHEMA].kind != CQ_JSON_ARRAY)
		raise_trouble(describe(response, parse(response->body, response->length, tokens), tokens));
	while (cq_json_token_next_element(&tokens[SCHEMA], &place, &subject))
	{
		char	   *text = text_of(&subject);

		if (text != NULL)
			subjects = lappend(subjects, text);
	}
	return subjects;
}
