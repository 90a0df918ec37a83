/*
 * fuzz_test.h
 *		Decoders, given any bytes.
 */
#ifndef FUZZ_TEST_H
#define FUZZ_TEST_H

#include "postgres.h"

#include "source/source.h"

typedef struct FuzzOutcome
{
	int			nrows;
	int			nbad;
} FuzzOutcome;

/* Gives bytes, of which nothing behind their end is there, to a target by its name. */
typedef void (*FuzzTarget) (const char *name, const uint8 *bytes, size_t length, FuzzOutcome *outcome);

extern FuzzTarget fuzz_target(const char *name);

/* ---- fuzz_source.c ---- */

/* What the next fetch of any reader brings. */
extern void fuzz_source_set(CqMessage *messages, int nmessages);

/* ---- fuzz_registry.c ---- */

extern void fuzz_registry(const char *name, const uint8 *bytes, size_t length, FuzzOutcome *outcome);

#ifdef FUZZ
/* ---- fuzz_memory.c ---- */

/* Bytes that the contexts of our own objects have. */
extern size_t fuzz_memory_used;
extern size_t fuzz_memory_limit;	/* of fuzz_memory_used; 0: none. To go beyond is a crash */
#endif

#endif							/* FUZZ_TEST_H */
