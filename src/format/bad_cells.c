/*
 * bad_cells.c
 *		The list of cells that could not be decoded: see format.h.
 */
#include "postgres.h"

#include "format/format.h"

CqReject	cq_bad_cell_unavailable = {
	.sqlerrcode = ERRCODE_DATA_EXCEPTION,
	.message = "the value has not changed, and is not in the message",
	.location = -1
};

void
cq_bad_cells_add(CqBadCells *cells, int row, AttrNumber attno, CqReject *reject)
{
	if (cells->ncells == cells->capacity)
	{
		cells->capacity = Max(16, cells->capacity * 2);
		if (cells->cells == NULL)
			cells->cells = palloc(sizeof(CqBadCell) * cells->capacity);
		else
			cells->cells = repalloc_huge(cells->cells, sizeof(CqBadCell) * cells->capacity);
	}
	cells->cells[cells->ncells].row = row;
	cells->cells[cells->ncells].attno = attno;
	cells->cells[cells->ncells].reject = reject;
	cells->ncells++;
}

static int
compare_bad_cells(const void *a, const void *b)
{
	const CqBadCell *left = a;
	const CqBadCell *right = b;

	if (left->row != right->row)
		return left->row < right->row ? -1 : 1;
	return left->attno < right->attno ? -1 : left->attno > right->attno;
}

void
cq_bad_cells_sort(CqBadCells *cells, int first)
{
	if (cells->ncells > first)
		qsort(cells->cells + first, cells->ncells - first, sizeof(CqBadCell), compare_bad_cells);
}

bool
cq_bad_cells_concern_server(int sqlerrcode)
{
	if (sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		return true;
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_TRANSACTION_ROLLBACK:
			return true;
		default:
			return false;
	}
}
