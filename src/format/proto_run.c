/*
 * proto_run.c
 *		A message along its plan: see proto_run.h.
 */
#include "postgres.h"

#include "format/proto_run.h"
#include "utils/builtins.h"

/*
 * A field that is a column's. A message may come in several parts, and a field that repeats several
 * times: these are looked at together, once all is read.
 */
static inline void
take_field(CqTargetRow *row, const CqProtoTaker *taker, const char *tag, const CqProtoRaw *raw)
{
	CqProtoTarget *target = taker->target;
	CqTarget   *base = &target->base;
	bool		is_one = !taker->field->is_repeated;

	cq_target_mark_seen(base);
	target->taker = taker;
	if (base->converter == NULL)
	{
		cq_target_note_presence(row, base);
		return;
	}
	if (is_one && raw->wire != CQ_PROTO_LENGTH && raw->wire != CQ_PROTO_START)
	{
		target->places.ntags = 0;
		if (taker->quick != NULL && taker->quick(taker->field, raw, base, &row->arena,
												 &base->values[row->number]))
		{
			base->nulls[row->number] = false;
			base->outcome = CQ_TARGET_TAKEN;
			return;
		}
	}
	else if (is_one && !cq_proto_read_is_message(taker->field))
		target->places.ntags = 0;
	cq_proto_json_add_place(&target->places, tag);
	base->nulls[row->number] = true;
	base->outcome = CQ_TARGET_FOUND;
}

static bool run_step(CqTargetRow *row, const CqProtoStep *step, CqProtoInput *in, int depth);

static void
forget_entry(CqTargetRow *row, const CqProtoEntry *entry)
{
	for (int i = 0; i < entry->nbelow; i++)
	{
		CqProtoTarget *target = entry->below[i];

		target->base.outcome = CQ_TARGET_ABSENT;
		target->places.ntags = 0;
		target->base.nulls[row->number] = true;
	}
}

static void run_entry(CqTargetRow *row, const CqProtoEntry *entry, const char *tag,
					  const CqProtoRaw *raw, int depth);

/* Is that the key of an entry of a map? One that is not there is zero, or empty. */
static bool
is_key(const CqProtoField *field, const CqProtoRaw *raw, const char *key)
{
	char		text[MAXINT8LEN + 1];

	if (field->kind == CQ_PROTO_STRING)
		return raw->length == (int64) strlen(key) && memcmp(raw->bytes, key, raw->length) == 0;
	if (field->kind == CQ_PROTO_BOOL)
		return strcmp(key, raw->bits != 0 ? "true" : "false") == 0;
	if (cq_proto_read_is_unsigned_64(field))
		snprintf(text, sizeof(text), UINT64_FORMAT, raw->bits);
	else
		snprintf(text, sizeof(text), INT64_FORMAT, cq_proto_read_integer(field, raw->bits));
	return strcmp(key, text) == 0;
}

/* An entry of a map, for those that want its value by the key. The last one of a key counts. */
static bool
run_map_entry(CqTargetRow *row, const CqProtoEntry *entry, CqProtoInput *in, int depth)
{
	const CqProtoField *fields = entry->field->message->fields;
	CqProtoRaw	key = {.bits = fields[0].bits, .bytes = fields[0].bytes};
	CqProtoRaw	value = {.bits = fields[1].bits, .bytes = fields[1].bytes};
	const char *tag = NULL;

	while (in->at < in->end)
	{
		const char *start = in->at;
		uint32		number;
		CqProtoWire wire;
		CqProtoRaw	raw;

		if (!cq_proto_read_tag(in, &number, &wire) || !cq_proto_read_raw(in, number, wire, &raw))
			return false;
		if (number == 1 && cq_proto_read_fits(&fields[0], wire))
			key = raw;
		if (number != 2 || !cq_proto_read_fits(&fields[1], wire))
			continue;
		value = raw;
		tag = start;
	}
	for (int i = 0; i < entry->nkeys; i++)
	{
		if (!is_key(&fields[0], &key, entry->keys[i]))
			continue;
		forget_entry(row, entry->values[i]);
		if (tag != NULL)
			run_entry(row, entry->values[i], tag, &value, depth);
	}
	return true;
}

static void
refuse_below(CqTargetRow *row, const CqProtoEntry *entry, const char *fault)
{
	for (int i = 0; i < entry->nbelow; i++)
	{
		bool		takes_all = false;

		for (int j = 0; j < entry->ntakers; j++)
			takes_all |= entry->takers[j].target == entry->below[i];
		if (!takes_all)
			cq_target_refuse_fault(row, &entry->below[i]->base, fault);
	}
}

static void
run_entry(CqTargetRow *row, const CqProtoEntry *entry, const char *tag, const CqProtoRaw *raw,
		  int depth)
{
	CqProtoInput in = {.at = raw->bytes, .end = raw->bytes + raw->length};

	for (int i = 0; i < entry->nrivals; i++)
		forget_entry(row, entry->rivals[i]);
	for (int i = 0; i < entry->ntakers; i++)
		take_field(row, &entry->takers[i], tag, raw);
	if (entry->inner != NULL ? !run_step(row, entry->inner, &in, depth + 1)
		: entry->nkeys > 0 && !run_map_entry(row, entry, &in, depth + 1))
		refuse_below(row, entry, in.fault);
}

/* What is not there may say so by its default, now that its message is there. */
static inline void
begin_step(const CqProtoStep *step)
{
	for (int i = 0; i < step->nentries; i++)
	{
		const CqProtoEntry *entry = step->entries[i];

		if (!entry->field->has_default && !entry->field->is_repeated)
			continue;
		for (int j = 0; j < entry->ntakers; j++)
		{
			CqProtoTarget *target = entry->takers[j].target;

			if (target->base.outcome != CQ_TARGET_ABSENT)
				continue;
			target->base.outcome = CQ_TARGET_DEFAULT;
			target->taker = &entry->takers[j];
		}
	}
}

static bool
run_step(CqTargetRow *row, const CqProtoStep *step, CqProtoInput *in, int depth)
{
	if (depth > CQ_PROTO_MAX_DEPTH)
		return cq_proto_read_fault(in, "values are nested too deep");
	begin_step(step);
	while (in->at < in->end)
	{
		const char *tag = in->at;
		const CqProtoEntry *entry;
		uint32		number;
		CqProtoWire wire;
		CqProtoRaw	raw;

		if (!cq_proto_read_tag(in, &number, &wire) || !cq_proto_read_raw(in, number, wire, &raw))
			return false;
		entry = cq_proto_plan_find(step, number);
		if (entry != NULL && cq_proto_read_fits(entry->field, wire))
			run_entry(row, entry, tag, &raw, depth);
	}
	return true;
}

bool
cq_proto_run(CqTargetRow *row, const CqProtoStep *step, CqProtoInput *in)
{
	return run_step(row, step, in, 0);
}
