/*
 * proto_plan.c
 *		The schema of whoever wrote a message, matched with the table's columns: see proto_plan.h.
 *
 * Decides what belongs to a column: the field of its name, or of its path, name by name. A name in
 * a path is that of a field, or a key of a map or of a Struct. A column whose path is the empty
 * name takes the message as a whole.
 */
#include "postgres.h"

#include "format/name_case.h"
#include "format/proto_plan.h"

/* A column on its way down the schema. */
typedef struct Seeker
{
	CqProtoTarget *target;
	const ListCell *next;		/* the name that is looked for; NULL: it is here */
	bool		is_by_key;		/* messages say whether there is such a thing, schemas do not */
} Seeker;

static CqProtoStep *make_step(const CqProtoMessage *message, const Seeker *seekers, int nseekers);

static const char *
name_of(const Seeker *seeker)
{
	return lfirst(seeker->next);
}

/* Those that look for this name, one name further. */
static int
advance(const Seeker *seekers, int nseekers, const char *name, bool is_by_key, Seeker *advanced)
{
	int			nadvanced = 0;

	for (int i = 0; i < nseekers; i++)
	{
		bool		ignores_case = !is_by_key && seekers[i].target->base.column.style.ignores_case;

		if (seekers[i].next == NULL ||
			!cq_name_case_same(name_of(&seekers[i]), name, ignores_case))
			continue;
		advanced[nadvanced] = seekers[i];
		advanced[nadvanced].next = lnext(seekers[i].target->base.path, seekers[i].next);
		advanced[nadvanced++].is_by_key |= is_by_key;
	}
	return nadvanced;
}

static void
add_takers(CqProtoEntry *entry, const Seeker *seekers, int nseekers)
{
	entry->takers = palloc0(sizeof(CqProtoTaker) * Max(nseekers, 1));
	for (int i = 0; i < nseekers; i++)
	{
		CqProtoTaker *taker = &entry->takers[entry->ntakers];

		if (seekers[i].next != NULL)
			continue;
		taker->target = seekers[i].target;
		taker->field = entry->field;
		if (!entry->field->is_repeated)
			taker->quick = cq_proto_value_quick(entry->field, &taker->target->base);
		if (!seekers[i].is_by_key)
			cq_target_mark_seen(&taker->target->base);
		entry->ntakers++;
	}
}

static CqProtoEntry *make_entry(const CqProtoField *field, const Seeker *seekers, int nseekers);

static void
add_keys(CqProtoEntry *entry, const Seeker *seekers, int nseekers)
{
	const CqProtoField *value = &entry->field->message->fields[1];
	Seeker	   *advanced = palloc(sizeof(Seeker) * nseekers);

	entry->keys = palloc(sizeof(char *) * nseekers);
	entry->values = palloc(sizeof(CqProtoEntry *) * nseekers);
	for (int i = 0; i < nseekers; i++)
	{
		bool		is_known = seekers[i].next == NULL;

		for (int j = 0; j < entry->nkeys && !is_known; j++)
			is_known = strcmp(entry->keys[j], name_of(&seekers[i])) == 0;
		if (is_known)
			continue;
		entry->keys[entry->nkeys] = name_of(&seekers[i]);
		entry->values[entry->nkeys++] =
			make_entry(value, advanced,
					   advance(seekers, nseekers, name_of(&seekers[i]), true, advanced));
	}
	pfree(advanced);
}

/* Goes no deeper than the longest path. */
static CqProtoEntry *
make_entry(const CqProtoField *field, const Seeker *seekers, int nseekers)
{
	CqProtoEntry *entry = palloc0(sizeof(CqProtoEntry));

	entry->field = field;
	add_takers(entry, seekers, nseekers);
	if (entry->ntakers < nseekers && field->is_map)
		add_keys(entry, seekers, nseekers);
	else if (entry->ntakers < nseekers && !field->is_repeated && cq_proto_read_is_message(field))
		entry->inner = make_step(field->message, seekers, nseekers);
	entry->below = palloc(sizeof(CqProtoTarget *) * Max(nseekers, 1));
	entry->nbelow = nseekers;
	for (int i = 0; i < nseekers; i++)
		entry->below[i] = seekers[i].target;
	return entry;
}

static void
add_entry(CqProtoStep *step, CqProtoEntry *entry)
{
	step->entries[step->nentries++] = entry;
	if (entry->field->number < CQ_PROTO_LOW_NUMBERS)
		step->low[entry->field->number] = entry;
}

/* By oneof: is there a column of one of its fields? */
static bool *
find_wanted(const CqProtoMessage *message, const Seeker *seekers, int nseekers, Seeker *advanced)
{
	bool	   *wanted = palloc0(sizeof(bool) * Max(message->noneofs, 1));

	for (int i = 0; i < message->nfields; i++)
	{
		const CqProtoField *field = &message->fields[i];

		if (field->oneof >= 0 && advance(seekers, nseekers, field->name, false, advanced) > 0)
			wanted[field->oneof] = true;
	}
	return wanted;
}

static void
add_rivals(CqProtoStep *step)
{
	for (int i = 0; i < step->nentries; i++)
	{
		CqProtoEntry *entry = step->entries[i];

		entry->rivals = palloc(sizeof(CqProtoEntry *) * step->nentries);
		for (int j = 0; j < step->nentries && entry->field->oneof >= 0; j++)
		{
			if (j != i && step->entries[j]->field->oneof == entry->field->oneof &&
				step->entries[j]->nbelow > 0)
				entry->rivals[entry->nrivals++] = step->entries[j];
		}
	}
}

static void
enter_fields(CqProtoStep *step, const Seeker *seekers, int nseekers)
{
	const CqProtoMessage *message = step->message;
	Seeker	   *advanced = palloc(sizeof(Seeker) * Max(nseekers, 1));
	bool	   *wanted = find_wanted(message, seekers, nseekers, advanced);

	step->entries = palloc(sizeof(CqProtoEntry *) * Max(message->nfields, 1));
	for (int i = 0; i < message->nfields; i++)
	{
		const CqProtoField *field = message->by_number[i];
		int			nadvanced = advance(seekers, nseekers, field->name, false, advanced);

		if (nadvanced > 0)
			add_entry(step, make_entry(field, advanced, nadvanced));
		else if (field->oneof >= 0 && wanted[field->oneof])
			add_entry(step, make_entry(field, NULL, 0));
	}
	add_rivals(step);
	pfree(wanted);
	pfree(advanced);
}

/* Of a Struct the names are keys of its only field, of a Value those of the Struct in it. */
static void
enter_known(CqProtoStep *step, const Seeker *seekers, int nseekers)
{
	const CqProtoMessage *message = step->message;
	Seeker	   *further = palloc(sizeof(Seeker) * nseekers);
	int			nfurther = 0;
	const CqProtoField *field = message->known == CQ_PROTO_STRUCT ? &message->fields[0] :
		cq_proto_read_named(message, "struct_value");

	for (int i = 0; i < nseekers; i++)
	{
		if (seekers[i].next != NULL)
			further[nfurther++] = seekers[i];
	}
	step->entries = palloc(sizeof(CqProtoEntry *));
	if (nfurther > 0 && field != NULL)
		add_entry(step, make_entry(field, further, nfurther));
	add_rivals(step);
}

static CqProtoStep *
make_step(const CqProtoMessage *message, const Seeker *seekers, int nseekers)
{
	CqProtoStep *step = palloc0(sizeof(CqProtoStep));

	step->message = message;
	if (message->known == CQ_PROTO_STRUCT || message->known == CQ_PROTO_VALUE)
		enter_known(step, seekers, nseekers);
	else
		enter_fields(step, seekers, nseekers);
	return step;
}

CqProtoStep *
cq_proto_plan_make(const CqProtoMessage *message, CqProtoTarget *targets, int ntargets)
{
	Seeker	   *seekers = palloc0(sizeof(Seeker) * Max(ntargets, 1));
	CqProtoTarget **takers = palloc(sizeof(CqProtoTarget *) * Max(ntargets, 1));
	int			nseekers = 0;
	int			ntakers = 0;
	CqProtoStep *step;

	for (int i = 0; i < ntargets; i++)
	{
		if (cq_target_takes_message(&targets[i].base))
		{
			cq_target_mark_seen(&targets[i].base);
			takers[ntakers++] = &targets[i];
			continue;
		}
		seekers[nseekers].target = &targets[i];
		seekers[nseekers++].next = list_head(targets[i].base.path);
	}
	step = make_step(message, seekers, nseekers);
	step->takers = takers;
	step->ntakers = ntakers;
	return step;
}
