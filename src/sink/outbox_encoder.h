/*
 * outbox_encoder.h
 *		From a change of a view to what is kept in its outbox: one small interface, three
 *		implementations.
 *
 *		message		for a topic of Kafka: topic, partition, timestamp, key, value, headers
 *		request		by HTTP: topic is the method and, after a space, path and query; key is what
 *					keeps order, value the body, headers an object of names and values
 *		model		to a model: topic is whether something is asked, key an object of what comes
 *					back with the answer, value the text that is asked about
 */
#ifndef CQ_OUTBOX_ENCODER_H
#define CQ_OUTBOX_ENCODER_H

#include "executor/tuptable.h"
#include "sink/sink.h"
#include "source/source.h"

typedef struct CqOutboxEncoder CqOutboxEncoder;

struct CqOutboxEncoder
{
	TupleDesc	columns;		/* of the sink */
	const int  *map;			/* from the view's rows to the sink's: see cq_mapping_map */

	/*
	 * Makes something of a change, whose rows are the sink's; one of them may be NULL. False: it is
	 * not to go, and that has been dealt with. What it points to is the slots', or palloc'd in
	 * CurrentMemoryContext.
	 */
	bool		(*encode) (CqOutboxEncoder *self, TupleTableSlot *before, TupleTableSlot *after,
						   CqOutgoing *outgoing);
};

/* In CurrentMemoryContext; target has to last. Raise ERROR where view and sink do not fit. */
extern CqOutboxEncoder *cq_outbox_message_open(const CqSinkTarget *target);
extern CqOutboxEncoder *cq_outbox_request_open(const CqSinkTarget *target);
extern CqOutboxEncoder *cq_outbox_model_open(const CqSinkTarget *target);

/*
 * What has to be right when the view is made, and later holds up the sink alone. Raises ERROR.
 */
extern void cq_outbox_request_check(const CqSinkTarget *target);
extern void cq_outbox_model_check(const CqSinkTarget *target);

/* Raises ERROR: not the rows' fault, but that of how view and sink are made. */
extern void cq_outbox_misfit(const char *message, const char *name, const char *hint);

#endif							/* CQ_OUTBOX_ENCODER_H */
