/*
 * proto_run.h
 *		A message along its plan, in one go: what can be had without a look at anything else is
 *		taken, of all other columns it is noted where they are.
 */
#ifndef CQ_PROTO_RUN_H
#define CQ_PROTO_RUN_H

#include "postgres.h"

#include "format/proto_plan.h"

/*
 * Each of the step's targets, which are absent to begin with, is CQ_TARGET_TAKEN, _FOUND (at its
 * places, by its taker), _DEFAULT (of its taker), _REFUSED, or absent still. False: the message is
 * none, in->fault says why.
 */
extern bool cq_proto_run(CqTargetRow *row, const CqProtoStep *step, CqProtoInput *in);

#endif							/* CQ_PROTO_RUN_H */
