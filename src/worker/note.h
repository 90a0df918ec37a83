/*
 * note.h
 *		What the keeper writes into cq.events.
 */
#ifndef CQ_NOTE_H
#define CQ_NOTE_H

#include "postgres.h"

/*
 * Looks whether there is something to write down, if it is time to. run_apart does something in a
 * transaction of its own, and logs what it fails with when that is new.
 */
extern void cq_note_run(void (*run_apart) (void (*run) (void *arg), void *arg,
										   char **last_warning));

#endif							/* CQ_NOTE_H */
