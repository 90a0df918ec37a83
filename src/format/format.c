/*
 * format.c
 *		The formats by name: see format.h.
 */
#include "postgres.h"

#include "format/format.h"

static const CqFormat *const formats[] = {
	&cq_json_format, &cq_json_sr_format, &cq_avro_format, &cq_proto_format, &cq_csv_format,
	&cq_text_format, &cq_bytea_format, &cq_string_format, &cq_boolean_format, &cq_short_format,
	&cq_int_format, &cq_long_format, &cq_float_format, &cq_double_format, &cq_uuid_format,
	&cq_row_format
};

const CqFormat *
cq_format_find(const char *name)
{
	for (int i = 0; i < (int) lengthof(formats); i++)
	{
		if (strcmp(name, formats[i]->name) == 0)
			return formats[i];
	}
	return NULL;
}

const CqFormat *
cq_format_of_schema(const char *type)
{
	for (int i = 0; i < (int) lengthof(formats); i++)
	{
		if (formats[i]->infer_schema != NULL && strcmp(type, formats[i]->schema_type) == 0)
			return formats[i];
	}
	return NULL;
}
