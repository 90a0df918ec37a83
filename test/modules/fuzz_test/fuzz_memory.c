/*
 * fuzz_memory.c
 *		Memory contexts each of whose chunks is malloc'd, so that ASAN sees a byte beside it. All that
 *		our own objects create is one of these. Of PostgreSQL 15, which finds a chunk's context in the
 *		word before the chunk.
 */
#include "postgres.h"

#include "fuzz_test.h"
#include "lib/ilist.h"
#include "nodes/memnodes.h"
#include "utils/memutils.h"

#if PG_VERSION_NUM >= 160000
#error "of PostgreSQL 15 alone"
#endif

typedef struct Chunk
{
	dlist_node	node;
	Size		size;
	MemoryContext context;		/* right before what the caller gets */
} Chunk;

typedef struct Context
{
	MemoryContextData header;
	dlist_head	chunks;
} Context;

size_t		fuzz_memory_used = 0;
size_t		fuzz_memory_limit = 0;

static void
add_used(Size size)
{
	fuzz_memory_used += size;
	if (fuzz_memory_limit != 0 && fuzz_memory_used > fuzz_memory_limit)
	{
		write_stderr("more than %zu bytes of memory are used\n", fuzz_memory_limit);
		abort();
	}
}

static void *
enter(Context *context, Chunk *chunk, Size size)
{
	if (chunk == NULL)
		return NULL;
	chunk->size = size;
	chunk->context = (MemoryContext) context;
	context->header.mem_allocated += size;
	dlist_push_tail(&context->chunks, &chunk->node);
	add_used(size);
	return chunk + 1;
}

static Chunk *
leave(Context *context, void *pointer)
{
	Chunk	   *chunk = (Chunk *) pointer - 1;

	dlist_delete(&chunk->node);
	context->header.mem_allocated -= chunk->size;
	fuzz_memory_used -= chunk->size;
	return chunk;
}

static void *
allocate(MemoryContext context, Size size)
{
	return enter((Context *) context, malloc(sizeof(Chunk) + size), size);
}

static void
free_chunk(MemoryContext context, void *pointer)
{
	free(leave((Context *) context, pointer));
}

/* Always elsewhere: who keeps the old address is seen. */
static void *
reallocate(MemoryContext context, void *pointer, Size size)
{
	Size		before = ((Chunk *) pointer - 1)->size;
	void	   *moved = allocate(context, size);

	memcpy(moved, pointer, Min(before, size));
	free_chunk(context, pointer);
	return moved;
}

static void
reset(MemoryContext context)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &((Context *) context)->chunks)
		free_chunk(context, dlist_container(Chunk, node, iter.cur) + 1);
}

static void
delete_context(MemoryContext context)
{
	reset(context);
	free(context);
}

static Size
chunk_space(MemoryContext context, void *pointer)
{
	return ((Chunk *) pointer - 1)->size + sizeof(Chunk);
}

static bool
is_empty(MemoryContext context)
{
	return dlist_is_empty(&((Context *) context)->chunks);
}

static void
stats(MemoryContext context, MemoryStatsPrintFunc print, void *passthru, MemoryContextCounters *totals,
	  bool to_stderr)
{
}

/* In place of the server's, for our own objects. */
MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name, Size min, Size initial, Size max)
{
	static const MemoryContextMethods methods = {
		.alloc = allocate, .free_p = free_chunk, .realloc = reallocate, .reset = reset,
		.delete_context = delete_context, .get_chunk_space = chunk_space, .is_empty = is_empty, .stats = stats
	};
	Context    *context = malloc(sizeof(Context));

	dlist_init(&context->chunks);
	MemoryContextCreate((MemoryContext) context, T_AllocSetContext, &methods, parent, name);
	return (MemoryContext) context;
}
