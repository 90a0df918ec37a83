/*
 * target.c
 *		A column while it is decoded: see target.h.
 *
 * Decides what a column is where its field is null or missing: null, or a bad cell if the column is
 * NOT NULL, or what the slow way makes of null where its type has a say in that.
 */
#include "postgres.h"

#include "format/json_items.h"
#include "format/json_value_private.h"
#include "format/name_case.h"
#include "format/target.h"
#include "mb/pg_wchar.h"

/* ---- opening ---- */

static List *
utf8_path(const List *path)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, path)
	{
		char	   *name = lfirst(cell);

		result = lappend(result, pg_server_to_any(name, strlen(name), PG_UTF8));
	}
	return result;
}

static CqTarget *
target_at(const CqTargets *targets, int i)
{
	return (CqTarget *) (targets->first + i * targets->size);
}

static void
open_target(CqTarget *target, const CqColumn *column)
{
	target->column = *column;
	target->column.name = pstrdup(column->name);
	target->path = utf8_path(column->path);
	target->items = cq_json_items_copy(column->items);
	if (column->type == CQ_COLUMN_PRESENCE)
		return;
	target->converter = cq_json_value_slow_create(column->type, column->typmod, &column->style);
	target->may_change = cq_json_composite_is_within(target->converter);
	target->checks_nulls = column->is_not_null ||
		cq_json_value_slow_checks_nulls(target->converter);
}

void *
cq_target_open(CqTargets *targets, Size size, const CqColumn *columns, int ncolumns)
{
	targets->first = palloc0(size * Max(ncolumns, 1));
	targets->size = size;
	targets->ntargets = ncolumns;
	targets->later = cq_json_later_create();
	targets->nmessages = 0;
	for (int i = 0; i < ncolumns; i++)
		open_target(target_at(targets, i), &columns[i]);
	return targets->first;
}

bool
cq_target_takes_message(const CqTarget *target)
{
	return list_length(target->path) == 1 && *(const char *) linitial(target->path) == '\0';
}

bool
cq_target_is_text(const CqTarget *target)
{
	Oid			type = target->converter->type;

	return target->items == NIL &&
		(type == TEXTOID || type == VARCHAROID || type == BPCHAROID);
}

/* ---- a decode call ---- */

void
cq_target_begin(CqTargets *targets, Datum **values, bool **nulls, CqBadCells *bad,
				CqTargetRow *row)
{
	row->targets = targets;
	row->bad = bad;
	row->first_bad = bad->ncells;
	cq_json_later_clear(targets->later);
	for (int i = 0; i < targets->ntargets; i++)
	{
		CqTarget   *target = target_at(targets, i);

		target->values = values[target->column.attno - 1];
		target->nulls = nulls[target->column.attno - 1];
		if (target->may_change)
			cq_json_composite_refresh(target->converter);
	}
}

void
cq_target_end(CqTargetRow *row, int nmessages)
{
	cq_json_later_run(row->targets->later, row->bad);
	row->targets->nmessages += nmessages;
	cq_bad_cells_sort(row->bad, row->first_bad);
}

void
cq_target_fields(const CqTargets *targets, int64 many, Bitmapset **seen, Bitmapset **unseen)
{
	for (int i = 0; i < targets->ntargets; i++)
	{
		const CqTarget *target = target_at(targets, i);

		if (target->is_seen)
			*seen = bms_add_member(*seen, target->column.attno);
		else if (targets->nmessages >= many)
			*unseen = bms_add_member(*unseen, target->column.attno);
	}
}

/* ---- one row ---- */

void
cq_target_refuse(const CqTargetRow *row, CqTarget *target, CqReject *reject)
{
	target->outcome = CQ_TARGET_REFUSED;
	target->reject = reject;
	target->nulls[row->number] = true;
}

CqReject *
cq_target_reject_null(const CqTarget *target, bool is_null)
{
	return cq_reject(ERRCODE_NOT_NULL_VIOLATION, "field \"%s\" is %s", target->column.name,
					 is_null ? "null" : "missing");
}

void
cq_target_refuse_fault(const CqTargetRow *row, CqTarget *target, const char *fault)
{
	cq_target_refuse(row, target, cq_reject(ERRCODE_INVALID_BINARY_REPRESENTATION,
											"field \"%s\": %s", target->column.name, fault));
}

void
cq_target_refuse_message(const CqTargetRow *row, CqReject *reject)
{
	cq_target_set_row_null(row);
	cq_bad_cells_add(row->bad, row->number, 0, reject);
}

void
cq_target_await(const CqTargetRow *row, CqTarget *target, const CqJsonToken *token)
{
	target->outcome = CQ_TARGET_AWAITS;
	target->nulls[row->number] = true;
	target->token = *token;
}

static void
take_value(CqTargetRow *row, CqTarget *target, const CqJsonToken *token)
{
	if (token->kind != CQ_JSON_NULL &&
		cq_json_value_convert(target->converter, token, &row->arena, &target->values[row->number]))
	{
		target->outcome = CQ_TARGET_TAKEN;
		target->nulls[row->number] = false;
	}
	else
		cq_target_await(row, target, token);
}

void
cq_target_take_token(CqTargetRow *row, CqTarget *target, const CqJsonToken *token)
{
	CqJsonToken item = *token;

	if (target->items != NIL)
	{
		cq_json_items_follow(target->items, target->column.style.ignores_case, &item);
		target->is_seen |= item.kind != CQ_JSON_MISSING;
	}
	if (item.kind == CQ_JSON_AMBIGUOUS)
	{
		cq_target_refuse(row, target, cq_name_case_twins(target->column.name));
		return;
	}
	if (target->items == NIL || (item.kind != CQ_JSON_MISSING && item.kind != CQ_JSON_NULL))
	{
		take_value(row, target, &item);
		return;
	}
	cq_target_set_null(target, row->number);
	target->outcome = CQ_TARGET_TAKEN;
	cq_target_take_null(row, target, item.kind == CQ_JSON_NULL);
}

void
cq_target_take_null(CqTargetRow *row, CqTarget *target, bool is_null)
{
	static const CqJsonToken null = {.text = "null", .length = 4, .kind = CQ_JSON_NULL};

	if (target->column.is_not_null)
		cq_target_refuse(row, target, cq_target_reject_null(target, is_null));
	else if (target->checks_nulls)
		take_value(row, target, &null);
}

void
cq_target_settle(const CqTargetRow *row, CqTarget *target, CqJsonConverter *converter)
{
	if (target->outcome == CQ_TARGET_REFUSED)
		cq_bad_cells_add(row->bad, row->number, target->column.attno, target->reject);
	else if (target->outcome == CQ_TARGET_AWAITS)
		cq_target_convert_later(row, target, &target->token, converter);
}

void
cq_target_convert_later(const CqTargetRow *row, CqTarget *target, const CqJsonToken *token,
						CqJsonConverter *converter)
{
	CqJsonCell	cell = {
		.token = *token, .converter = converter, .column = &target->column, .row = row->number,
		.value = &target->values[row->number], .is_null = &target->nulls[row->number]
	};

	cq_json_later_add(row->targets->later, &cell, row->bad);
}
