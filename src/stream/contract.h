/*
 * contract.h
 *		CHECK constraints of a stream, held against each message that is read.
 */
#ifndef CQ_CONTRACT_H
#define CQ_CONTRACT_H

#include "stream/reader_state.h"

/* Fills reader->contracts, and contract_inputs: the columns that they are about. */
extern void cq_contract_describe(CqReader *reader, Relation relation);

/* Makes bad messages of those that break one. All that they are about has been decoded. */
extern void cq_contract_hold(CqReader *reader, CqBatch *batch);

#endif							/* CQ_CONTRACT_H */
