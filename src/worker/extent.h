/*
 * extent.h
 *		How far streams reach that nobody reads now: in _cq.extent, written by the keeper.
 */
#ifndef CQ_EXTENT_H
#define CQ_EXTENT_H

/* A step of it, now and then. run_apart: as cq_note_run. */
extern void cq_extent_run(void (*run_apart) (void (*run) (void *arg), void *arg,
											 char **last_warning));

#endif							/* CQ_EXTENT_H */
