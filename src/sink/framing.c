/*
 * framing.c
 *		The numbers of schemas in messages on their way out: see framing.h.
 *
 *		batch: encode, with a mark ──► outbox ──► emitter: the mark is this schema's? ──► its number
 *
 * The mark is a hash of the schema's text, so that a row is never sent under the number of another
 * schema than the one that it was written by: where the stream's columns or options have changed
 * meanwhile. What this process has known of earlier schemas of the stream still counts.
 */
#include "postgres.h"

#include "access/table.h"
#include "format/schema_number.h"
#include "port/pg_bswap.h"
#include "sink/framing.h"
#include "stream/reader_state.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define FRAME_LENGTH 5

typedef struct Frame
{
	CqRegistry *registry;
	char	   *subject;
	const char *type;			/* of the schema */
	char	   *text;
	CqRegistryAbsent absent;
	uint32		mark;
	bool		is_known;
	uint32		id;
} Frame;

struct CqFraming
{
	Frame	   *value;
	Frame	   *key;			/* NULL: keys have none */
};

/* What was known before, of any stream: of Frame *, in TopMemoryContext. */
static List *known = NIL;

/* NULL: its messages have no numbers. */
static const CqFormat *
framed_format(const CqStream *stream, const char *name)
{
	const CqFormat *format = name != NULL ? cq_format_find(name) : NULL;

	return format != NULL && format->written_schema != NULL && stream->is_framed ? format : NULL;
}

static Frame *
make_frame(const CqStream *stream, const CqFormat *format, CqFormatOptions *options,
		   CqColumnOrigin origin)
{
	Relation	relation = table_open(stream->relid, AccessShareLock);
	CqColumn   *columns = cq_reader_columns(stream, RelationGetDescr(relation));
	Frame	   *frame;
	int			ncolumns = 0;

	table_close(relation, NoLock);
	if (options->registry == NULL)
		return NULL;
	for (int i = 0; i < stream->ncolumns; i++)
	{
		if (stream->columns[i].origin == origin && !stream->columns[i].is_of_envelope)
			columns[ncolumns++] = columns[i];
	}
	frame = palloc0(sizeof(Frame));
	frame->registry = options->registry;
	frame->type = format->schema_type;
	frame->text = format->written_schema(options, columns, ncolumns);
	frame->subject = cq_schema_number_subject(format, options, frame->text);
	frame->absent = options->absent;
	frame->mark = cq_schema_number_mark(frame->text);
	return frame;
}

CqFraming *
cq_framing_make(const CqStream *stream)
{
	CqFraming  *framing = palloc0(sizeof(CqFraming));
	const CqFormat *format = framed_format(stream, stream->format);
	const CqFormat *key_format = framed_format(stream, stream->key_format);

	if (format != NULL)
		framing->value = make_frame(stream, format, cq_reader_sink_options(stream),
									CQ_COLUMN_VALUE);
	if (key_format != NULL && cq_stream_has_key_fields(stream))
		framing->key = make_frame(stream, key_format, cq_reader_key_options(stream),
								  CQ_COLUMN_KEY_FIELD);
	return framing->value != NULL || framing->key != NULL ? framing : NULL;
}

static void
remember(const Frame *frame)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	Frame	   *kept = palloc(sizeof(Frame));

	*kept = *frame;
	kept->subject = pstrdup(frame->subject);
	kept->text = pstrdup(frame->text);
	known = lappend(known, kept);
	MemoryContextSwitchTo(caller);
}

static bool
is_frame_known(Frame *frame, const char **trouble)
{
	const char *reason = NULL;

	if (frame == NULL || frame->is_known)
		return true;
	frame->is_known = cq_registry_ask_number(frame->registry, frame->subject, frame->type,
											 frame->text, frame->absent, &frame->id,
											 &reason) == CQ_REGISTRY_HERE;
	if (reason != NULL)
		*trouble = psprintf("subject \"%s\": %s", frame->subject, reason);
	if (frame->is_known)
		remember(frame);
	return frame->is_known;
}

bool
cq_framing_is_known(CqFraming *framing, const char **trouble)
{
	bool		is_value_known = is_frame_known(framing->value, trouble);

	return is_frame_known(framing->key, trouble) && is_value_known;
}

/* The number for a mark. */
static uint32
find_id(const Frame *frame, uint32 mark)
{
	ListCell   *cell;

	if (mark == frame->mark)
		return frame->id;
	foreach(cell, known)
	{
		const Frame *other = lfirst(cell);

		if (other->mark == mark && other->registry == frame->registry &&
			strcmp(other->subject, frame->subject) == 0)
			return other->id;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("rows of the outbox were written by another schema than that of the sink"),
			 errdetail("The columns or options of the sink have changed since, and the schema was "
					   "not "
					   "known to the registry before."),
			 errhint("Set them back until the rows are sent, or begin again with CREATE OR REPLACE "
					 "CONTINUOUS VIEW.")));
}

static const char *
apply_frame(const Frame *frame, const char *bytes, uint32 length)
{
	char	   *framed;
	uint32		mark;
	uint32		id;

	if (frame == NULL || bytes == NULL)
		return bytes;
	if (length < FRAME_LENGTH || bytes[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a row of the outbox has no place for the number of its schema")));
	memcpy(&mark, bytes + 1, sizeof(mark));
	id = pg_hton32(find_id(frame, pg_ntoh32(mark)));
	framed = memcpy(palloc(length), bytes, length);
	memcpy(framed + 1, &id, sizeof(id));
	return framed;
}

void
cq_framing_apply(const CqFraming *framing, CqMessage *message)
{
	message->value = apply_frame(framing->value, message->value, message->value_length);
	message->key = apply_frame(framing->key, message->key, message->key_length);
}

char *
cq_framing_describe(const CqFraming *framing)
{
	const Frame *value = framing->value;
	const Frame *key = framing->key;

	return psprintf("%s %s %d %s %s", value ? value->subject : "", value ? value->text : "",
					value ? value->absent : 0, key ? key->subject : "", key ? key->text : "");
}
