/*
 * fault.h
 *		Errors, by whose fault they are: the one place that decides.
 */
#ifndef CQ_FAULT_H
#define CQ_FAULT_H

#include "postgres.h"

typedef enum CqFault
{
	CQ_FAULT_OF_ROW,			/* it fails on what is in it, and always will: a dead letter */
	CQ_FAULT_UNCERTAIN,			/* the row's if others pass while it fails; else the server's */
	CQ_FAULT_OF_VIEW,			/* no row can be blamed: it stops, so that none is lost */
	CQ_FAULT_OF_SERVER			/* the state that things are in: roll back, try again */
} CqFault;

/*
 * Finds out, of errors that are raised meanwhile, whose code has raised them. Ended by an error as
 * well. What has been caught is then told of it, before anything else is asked about it: without
 * that it counts as the server's.
 */
typedef struct CqFaultWatch
{
	ErrorContextCallback callback;
} CqFaultWatch;

extern void cq_fault_watch(CqFaultWatch *watch);
extern void cq_fault_unwatch(const CqFaultWatch *watch);
extern void cq_fault_note_raiser(ErrorData *error);

extern CqFault cq_fault_of(const ErrorData *error);

/*
 * Of an input function, which was given one value and looks at nothing else: may it be that value's
 * fault?
 */
extern bool cq_fault_is_of_value(const ErrorData *error);

/* Has a function of somebody's raised it, and not the server? */
extern bool cq_fault_is_of_function(const ErrorData *error);

/* Is the whole better tried again? */
extern bool cq_fault_passes(const ErrorData *error);

/*
 * The error's text and its SQLSTATE, for where people look for the reason. Palloc'd. What a
 * function of somebody's has said may quote what others must not read: it is left out of the public
 * text.
 */
extern char *cq_fault_text(const ErrorData *error);
extern char *cq_fault_public_text(const ErrorData *error);

#endif							/* CQ_FAULT_H */
