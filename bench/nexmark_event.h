/*
 * nexmark_event.h
 *		The events of the Nexmark benchmark, an auction house, as JSON.
 *
 * Of fifty events in a row, one is a person, three are auctions and 46 are bids. An event depends on the model and its
 * own number alone, so that any range of them can be made again, in any order, by anybody.
 */
#ifndef NEXMARK_EVENT_H
#define NEXMARK_EVENT_H

#include <stddef.h>
#include <stdint.h>

typedef enum NexmarkKind
{
	NEXMARK_PERSON,
	NEXMARK_AUCTION,
	NEXMARK_BID
} NexmarkKind;

#define NEXMARK_KINDS 3
#define NEXMARK_MAX_SIZE 4096	/* of one event as text */

typedef struct NexmarkModel
{
	uint64_t	seed;
	double		events_per_second;	/* of event time */
	int64_t		distinct_auctions;	/* bids go to this many auctions, evenly; 0: the usual hot ones */
} NexmarkModel;

extern const char *const nexmark_kind_names[NEXMARK_KINDS];

/* Makes the tables that events are made from; once, before all else. */
extern void nexmark_init(void);

extern NexmarkKind nexmark_kind(int64_t number);

/* The event's own time, in milliseconds since 1970: event 0 happens as 2025 begins. */
extern int64_t nexmark_time(const NexmarkModel *model, int64_t number);

/* Writes the event, as happening at `time`, to `out`, which holds NEXMARK_MAX_SIZE; returns its size. */
extern size_t nexmark_write(const NexmarkModel *model, int64_t number, int64_t time, char *out);

#endif
