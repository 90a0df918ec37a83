/*
 * format.c
 *		The formats by name: see format.h.
 */
#include "postgres.h"

#include "format/format.h"

const CqFormat *
cq_format_find(const char *name)
{
	if (strcmp(name, cq_json_format.name) == 0)
		return &cq_json_format;
	return NULL;
}
