/*
 * bad_cells.c
 *		The list of cells that could not be decoded: see format.h.
 */
#include "postgres.h"

#include "format/format.h"

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
