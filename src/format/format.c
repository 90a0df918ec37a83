/*
 * format.c
 *		The formats by name: see format.h.
 */
#include "postgres.h"

#include "format/format.h"

const CqFormat *
cq_format_find(const char *name)
{
	static const CqFormat *const formats[] = {&cq_json_format, &cq_avro_format, &cq_row_format};

	for (int i = 0; i < (int) lengthof(formats); i++)
	{
		if (strcmp(name, formats[i]->name) == 0)
			return formats[i];
	}
	return NULL;
}
