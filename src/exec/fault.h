/*
 * fault.h
 *		Errors, by whose fault they are.
 */
#ifndef CQ_FAULT_H
#define CQ_FAULT_H

#include "postgres.h"

/* Is it the row's fault? Else the view as a whole cannot go on. */
extern bool cq_fault_is_about_data(int sqlerrcode);

/* Does it pass by itself, so that the whole is better tried again? */
extern bool cq_fault_is_transient(int sqlerrcode);

#endif							/* CQ_FAULT_H */
