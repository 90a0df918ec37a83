/*
 * event.h
 *		What has happened to views and workers: rows of _cq.event, for people to read in cq.events.
 *
 * What happens by a change of a view's row is written down by triggers on it (schema/event.sql);
 * here is the rest.
 */
#ifndef CQ_EVENT_H
#define CQ_EVENT_H

#include "postgres.h"

/* view may be InvalidOid, detail NULL. Within a transaction; acts as the catalog's owner. */
extern void cq_event_note(Oid view, const char *what, const char *detail);

#endif							/* CQ_EVENT_H */
