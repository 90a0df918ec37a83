/*
 * state_type.h
 *		_cq.state: the type of stored states whose aggregate keeps them as a pointer.
 *
 * What an aggregate has serialized it takes back on trust: from bytes that somebody made up its
 * functions would read where they should not. But everybody may call cq.finish, and state tables
 * belong to the views' owners. So a value of this type cannot be made from text or bytes, except by
 * a superuser, who restores a dump; and it says whose state it is, so that it is given to no other
 * aggregate.
 */
#ifndef CQ_STATE_TYPE_H
#define CQ_STATE_TYPE_H

#include "postgres.h"

/*
 * What a state is of: the function that reads it, and the physical types of the aggregate's
 * arguments. The same after a restore.
 */
extern uint64 cq_state_type_kind(Oid deserial, const Oid *argtypes, int nargs);

/*
 * From bytea to _cq.state and back, in CurrentMemoryContext. Raises ERROR where the state is of
 * another kind.
 */
extern Datum cq_state_pack(uint64 kind, Datum serialized);
extern Datum cq_state_unpack(uint64 kind, Datum stored);

#endif							/* CQ_STATE_TYPE_H */
