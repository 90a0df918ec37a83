/*
 * floor_json.h
 *		Takes three fields out of a bid, with simdjson: the least that a windowed query has to know of it.
 */
#ifndef FLOOR_JSON_H
#define FLOOR_JSON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FloorBid
{
	int64_t		auction;
	int64_t		price;
	size_t		time_length;	/* of the text of dateTime */
} FloorBid;

/* 0, or -1 where the text is no bid. */
extern int	floor_json_parse(const char *text, size_t size, FloorBid *bid);

#ifdef __cplusplus
}
#endif

#endif
