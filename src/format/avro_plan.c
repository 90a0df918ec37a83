/*
 * avro_plan.c
 *		The schema of whoever wrote a message, matched with the table's columns: see avro_plan.h.
 *
 * Decides what belongs to a column: the field of its name, or of its path, name by name; else a
 * field that says the name is one of its aliases, so that one which was renamed is found still. A
 * name in a path is that of a field of a record or a key of a map, through unions: in whichever
 * branch it is there. A column whose path is the empty name takes the message as a whole.
 */
#include "postgres.h"

#include "format/avro_plan.h"
#include "format/avro_write.h"

/* A column on its way down the schema. */
typedef struct Seeker
{
	CqAvroTarget *target;
	const ListCell *next;		/* the name that is looked for; NULL: it is here */
} Seeker;

static CqAvroStep *make_step(const CqAvroSchema *schema, const Seeker *seekers, int nseekers);

static const char *
name_of(const Seeker *seeker)
{
	return lfirst(seeker->next);
}

static bool
ignores_case(const CqAvroTarget *target)
{
	return target->base.column.style.ignores_case;
}

static Seeker
advance(const Seeker *seeker)
{
	return (Seeker) {
		.target = seeker->target, .next = lnext(seeker->target->base.path, seeker->next)
	};
}

/* Those that look for this key, one name further. */
static int
advance_to_key(const Seeker *seekers, int nseekers, const char *key, Seeker *advanced)
{
	int			nadvanced = 0;

	for (int i = 0; i < nseekers; i++)
	{
		if (seekers[i].next != NULL && strcmp(name_of(&seekers[i]), key) == 0)
			advanced[nadvanced++] = advance(&seekers[i]);
	}
	return nadvanced;
}

/* Those that look for a field of a record, of which each one's is known. */
static int
advance_to_field(const CqAvroField *field, CqAvroField **fields, const Seeker *seekers,
				 int nseekers, Seeker *advanced)
{
	int			nadvanced = 0;

	for (int i = 0; i < nseekers; i++)
	{
		if (fields[i] == field)
			advanced[nadvanced++] = advance(&seekers[i]);
	}
	return nadvanced;
}

/* The field that each looks for, by its name or by an alias that is no other's name. */
static CqAvroField **
find_fields(const CqAvroSchema *record, const Seeker *seekers, int nseekers)
{
	CqAvroField **fields = palloc0(sizeof(CqAvroField *) * Max(nseekers, 1));

	for (int i = 0; i < nseekers; i++)
	{
		if (seekers[i].next != NULL)
			fields[i] = cq_avro_schema_field_in_case(record, name_of(&seekers[i]),
													 ignores_case(seekers[i].target));
	}
	return fields;
}

static bool
has_inner(CqAvroStep *const *inner, int ninner)
{
	for (int i = 0; i < ninner; i++)
	{
		if (inner[i] != NULL)
			return true;
	}
	return false;
}

static void
enter_record(CqAvroStep *step, const Seeker *seekers, int nseekers, Seeker *advanced)
{
	const CqAvroSchema *schema = step->schema;
	CqAvroField **fields = find_fields(schema, seekers, nseekers);

	step->inner = palloc0(sizeof(CqAvroStep *) * Max(schema->nfields, 1));
	step->ninner = schema->nfields;
	for (int i = 0; i < schema->nfields; i++)
	{
		int			nadvanced = advance_to_field(&schema->fields[i], fields, seekers, nseekers,
												 advanced);

		if (nadvanced > 0)
			step->inner[i] = make_step(schema->fields[i].type, advanced, nadvanced);
	}
	pfree(fields);
}

static void
enter_union(CqAvroStep *step, const Seeker *seekers, int nseekers)
{
	const CqAvroSchema *schema = step->schema;

	step->inner = palloc0(sizeof(CqAvroStep *) * schema->nbranches);
	step->ninner = schema->nbranches;
	for (int i = 0; i < schema->nbranches; i++)
		step->inner[i] = make_step(schema->branches[i], seekers, nseekers);
}

static void
enter_map(CqAvroStep *step, const Seeker *seekers, int nseekers, Seeker *advanced)
{
	step->inner = palloc0(sizeof(CqAvroStep *) * Max(nseekers, 1));
	step->keys = palloc0(sizeof(char *) * Max(nseekers, 1));
	for (int i = 0; i < nseekers; i++)
	{
		bool		is_known = seekers[i].next == NULL;

		for (int j = 0; j < step->ninner && !is_known; j++)
			is_known = strcmp(step->keys[j], name_of(&seekers[i])) == 0;
		if (is_known)
			continue;
		step->keys[step->ninner] = name_of(&seekers[i]);
		step->inner[step->ninner++] =
			make_step(step->schema->items, advanced,
					  advance_to_key(seekers, nseekers, name_of(&seekers[i]), advanced));
	}
}

/* Of a union those who take it are with its branches. */
static void
add_takers(CqAvroStep *step, const Seeker *seekers, int nseekers)
{
	step->takers = palloc(sizeof(CqAvroTaker) * Max(nseekers, 1));
	for (int i = 0; i < nseekers; i++)
	{
		if (seekers[i].next != NULL)
			continue;
		step->takers[step->ntakers].target = seekers[i].target;
		step->takers[step->ntakers++].quick =
			cq_avro_value_quick(step->schema, &seekers[i].target->base);
	}
}

/* NULL where nothing of it is wanted. Goes no deeper than the longest path. */
static CqAvroStep *
make_step(const CqAvroSchema *schema, const Seeker *seekers, int nseekers)
{
	CqAvroStep *step = palloc0(sizeof(CqAvroStep));
	Seeker	   *advanced = palloc(sizeof(Seeker) * Max(nseekers, 1));

	step->schema = schema;
	if (schema->kind == CQ_AVRO_UNION)
		enter_union(step, seekers, nseekers);
	else
	{
		add_takers(step, seekers, nseekers);
		if (step->ntakers < nseekers && schema->kind == CQ_AVRO_RECORD)
			enter_record(step, seekers, nseekers, advanced);
		if (step->ntakers < nseekers && schema->kind == CQ_AVRO_MAP)
			enter_map(step, seekers, nseekers, advanced);
	}
	pfree(advanced);
	if (step->ntakers > 0 || has_inner(step->inner, step->ninner))
		return step;
	return NULL;
}

CqAvroStep *
cq_avro_plan_make(const CqAvroSchema *schema, CqAvroTarget *targets, int ntargets)
{
	Seeker	   *seekers = palloc(sizeof(Seeker) * Max(ntargets, 1));
	CqAvroStep *step;

	for (int i = 0; i < ntargets; i++)
	{
		seekers[i].target = &targets[i];
		seekers[i].next = cq_target_takes_message(&targets[i].base) ? NULL :
			list_head(targets[i].base.path);
	}
	step = make_step(schema, seekers, ntargets);
	if (step == NULL)
	{
		step = palloc0(sizeof(CqAvroStep));
		step->schema = schema;
	}
	return step;
}

CqAvroStep *
cq_avro_plan_value(const CqAvroSchema *schema, CqAvroTarget *target)
{
	Seeker		seeker = {.target = target, .next = NULL};

	return make_step(schema, &seeker, 1);
}

/* Down to the record that holds a field, through unions with null. */
static const CqAvroField *
find_field(const CqAvroSchema *reader, const List *path, bool is_in_any_case)
{
	const CqAvroField *field = NULL;
	ListCell   *cell;

	foreach(cell, path)
	{
		if (field != NULL)
			reader = cq_avro_schema_without_null(field->type);
		if (reader->kind != CQ_AVRO_RECORD)
			return NULL;
		field = cq_avro_schema_field_in_case(reader, lfirst(cell), is_in_any_case);
		if (field == NULL)
			return NULL;
	}
	return field;
}

void
cq_avro_plan_default(const CqAvroSchema *reader, CqAvroTarget *target)
{
	const CqAvroField *field = find_field(reader, target->base.path, ignores_case(target));

	if (field == NULL || field->fallback.kind == CQ_JSON_MISSING)
		return;
	initStringInfo(&target->fallback_value);
	cq_reject_raise(cq_avro_write(field->type, &field->fallback, CQ_AVRO_OF_SCHEMA,
								  &target->fallback_value), NULL);
	target->fallback = cq_avro_plan_value(field->type, target);
}
