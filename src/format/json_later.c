/*
 * json_later.c
 *		Cells that only the slow way can convert: see json_later.h.
 *
 * An input function says by an error that a value is wrong, and an error may only be caught in a
 * subtransaction. One for each value would cost more than the value. So cells are collected, and
 * one subtransaction converts them until one fails; that one becomes a bad cell, the subtransaction
 * is rolled back, and a new one goes on with the cell after it. What was converted before stays: it
 * is memory of the batch, and no state of the database.
 *
 * Where the server runs a parallel plan it allows no subtransaction; errors then go through to the
 * statement.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "common/fault.h"
#include "format/json_later.h"
#include "utils/resowner.h"

#define CELLS_AT_ONCE	1024

struct CqJsonLater
{
	CqJsonCell	cells[CELLS_AT_ONCE];
	int			ncells;
};

CqJsonLater *
cq_json_later_create(void)
{
	CqJsonLater *later = palloc(sizeof(CqJsonLater));

	later->ncells = 0;
	return later;
}

void
cq_json_later_clear(CqJsonLater *later)
{
	later->ncells = 0;
}

void
cq_json_later_add(CqJsonLater *later, const CqJsonCell *cell, CqBadCells *bad)
{
	if (later->ncells == CELLS_AT_ONCE)
		cq_json_later_run(later, bad);
	later->cells[later->ncells++] = *cell;
}

/* Converts cells from *next on; *next is always the one being converted. */
static void
convert_from(CqJsonLater *later, volatile int *next)
{
	for (; *next < later->ncells; (*next)++)
	{
		CqJsonCell *cell = &later->cells[*next];
		bool		is_null;

		*cell->value = cq_json_convert_slowly(cell->converter, &cell->token, &is_null);
		*cell->is_null = is_null;
	}
}

/* Makes a bad cell of the error that converting it has raised. */
static void
reject_cell(const CqJsonCell *cell, const ErrorData *error, CqBadCells *bad)
{
	CqReject   *reject = cq_reject(error->sqlerrcode, "field \"%s\": %s", cell->column->name,
								   error->message);

	cq_reject_constraint(reject, error->constraint_name);
	if (error->detail != NULL)
		cq_reject_detail(reject, "%s", error->detail);
	if (error->hint != NULL)
		cq_reject_hint(reject, "%s", error->hint);
	*cell->value = (Datum) 0;
	*cell->is_null = true;
	cq_bad_cells_add(bad, cell->row, cell->column->attno, reject);
}

void
cq_json_later_run(CqJsonLater *later, CqBadCells *bad)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile int next = 0;

	if (IsInParallelMode())
		convert_from(later, &next);
	while (next < later->ncells)
	{
		BeginInternalSubTransaction(NULL);
		MemoryContextSwitchTo(context);
		PG_TRY();
		{
			convert_from(later, &next);
			ReleaseCurrentSubTransaction();
		}
		PG_CATCH();
		{
			ErrorData  *error;

			MemoryContextSwitchTo(context);
			error = CopyErrorData();
			FlushErrorState();
			RollbackAndReleaseCurrentSubTransaction();
			MemoryContextSwitchTo(context);
			CurrentResourceOwner = owner;
			if (!cq_fault_is_of_value(error))
				ReThrowError(error);
			reject_cell(&later->cells[next], error, bad);
			FreeErrorData(error);
			next++;
		}
		PG_END_TRY();
		MemoryContextSwitchTo(context);	/* where the subtransaction was left in the orderly way */
		CurrentResourceOwner = owner;
	}
	later->ncells = 0;
}
