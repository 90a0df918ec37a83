/*
 * outbox.c
 *		Changes of a view on their way out of the database: encoded (outbox_encoder.h), and kept
 *		in a table until they are sent.
 *
 *		changes ──► message, or request ──► outbox, in the transaction of the changes ─ ─ ─► emitter
 *
 * Whoever writes here holds the lock of the view to the end of the transaction.
 */
#include "postgres.h"

#include "catalog/destination.h"
#include "executor/executor.h"
#include "sink/outbox_encoder.h"
#include "sink/outbox_write.h"

typedef struct Outbox
{
	CqChangeReceiver pub;
	CqOutboxEncoder *encoder;
	TupleTableSlot *before;		/* rows of the sink */
	TupleTableSlot *after;
	CqOutboxWriter *writer;
	MemoryContext row_context;
} Outbox;

/* ---- what goes there ---- */

void
cq_outbox_misfit(const char *message, const char *name, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg(message, name),
			 errhint("%s", hint)));
}

/* By where the sink's rows go. */
static const struct
{
	CqOutboxEncoder *(*open) (const CqSinkTarget *target);
	void		(*check) (const CqSinkTarget *target);
}			encoders[CQ_DESTINATION_NKINDS] = {
	[CQ_DESTINATION_NONE] = {cq_outbox_message_open, NULL},
	[CQ_DESTINATION_REQUEST] = {cq_outbox_request_open, cq_outbox_request_check},
	[CQ_DESTINATION_MODEL] = {cq_outbox_model_open, cq_outbox_model_check},
};

static CqOutboxEncoder *
open_encoder(const CqSinkTarget *target)
{
	cq_sink_require_insert(target->sink, target->owner);
	return encoders[cq_destination_kind(target->sink)].open(target);
}

void
cq_outbox_check(const CqSinkTarget *target)
{
	CqDestinationKind kind = cq_destination_kind(target->sink);

	(void) open_encoder(target);
	if (encoders[kind].check != NULL)
		encoders[kind].check(target);
}

/* ---- rows ---- */

static void
put_into_outbox(CqChangeReceiver *self, TupleTableSlot *row_before, TupleTableSlot *row_after)
{
	Outbox	   *outbox = (Outbox *) self;
	CqOutboxEncoder *encoder = outbox->encoder;
	TupleTableSlot *before = row_before ? outbox->before : NULL;
	TupleTableSlot *after = row_after ? outbox->after : NULL;
	MemoryContext caller = MemoryContextSwitchTo(outbox->row_context);
	CqOutgoing	outgoing;

	if (before != NULL)
		cq_mapping_map_row(encoder->map, row_before, before);
	if (after != NULL)
		cq_mapping_map_row(encoder->map, row_after, after);
	if (encoder->encode(encoder, before, after, &outgoing))
		cq_outbox_write_row(outbox->writer, &outgoing);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(outbox->row_context);
}

static void
finish_outbox(CqChangeReceiver *self)
{
	Outbox	   *outbox = (Outbox *) self;

	cq_outbox_write_end(outbox->writer);
	ExecDropSingleTupleTableSlot(outbox->before);
	ExecDropSingleTupleTableSlot(outbox->after);
	MemoryContextDelete(outbox->row_context);
}

CqChangeReceiver *
cq_outbox_open(const CqSinkTarget *target)
{
	Outbox	   *outbox = palloc0(sizeof(Outbox));

	outbox->encoder = open_encoder(target);
	outbox->before = MakeSingleTupleTableSlot(outbox->encoder->columns, &TTSOpsVirtual);
	outbox->after = MakeSingleTupleTableSlot(outbox->encoder->columns, &TTSOpsVirtual);
	outbox->pub.take = put_into_outbox;
	outbox->pub.finish = finish_outbox;
	outbox->row_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq outbox",
												ALLOCSET_DEFAULT_SIZES);
	outbox->writer = cq_outbox_write_begin(target->view, target->outbox, false);
	return &outbox->pub;
}
