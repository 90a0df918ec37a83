/*
 * framing.h
 *		The numbers of schemas in messages on their way out: known only after the registry has been
 *		asked, for which a transaction cannot wait.
 */
#ifndef CQ_FRAMING_H
#define CQ_FRAMING_H

#include "catalog/stream.h"
#include "source/source.h"

typedef struct CqFraming CqFraming;

/*
 * For what a sink writes; in CurrentMemoryContext. NULL: it has no numbers. Within a transaction.
 */
extern CqFraming *cq_framing_make(const CqStream *stream);

/*
 * Are the numbers here? Else they have been asked for; *trouble is why not, or NULL. Waits for
 * nothing.
 */
extern bool cq_framing_is_known(CqFraming *framing, const char **trouble);

/* Puts them into a message, in place of the marks. Raises ERROR for a message of another schema. */
extern void cq_framing_apply(const CqFraming *framing, CqMessage *message);

/* What they depend on, as text. */
extern char *cq_framing_describe(const CqFraming *framing);

#endif							/* CQ_FRAMING_H */
