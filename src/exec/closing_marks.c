/*
 * closing_marks.c
 *		How far the windows of a view are closed: see closing_marks.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "exec/closing_marks.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

static TimestampTz
mark(int number)
{
	bool		is_null;
	Datum		value = cq_query_column(0, number, &is_null);

	return is_null ? DT_NOBEGIN : DatumGetTimestampTz(value);
}

CqClosingMarks
cq_closing_marks_read(Oid view)
{
	static SPIPlanPtr plan = NULL;
	CqClosingMarks marks = {DT_NOBEGIN, DT_NOBEGIN, DT_NOBEGIN, DT_NOBEGIN};
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};

	SPI_connect();
	cq_query_run(&plan, "SELECT closed_through, emitted_through, next_close, expired_through FROM "
				 "_cq.closing WHERE view = $1", lengthof(types), types, args, SPI_OK_SELECT);
	if (SPI_processed > 0)
		marks = (CqClosingMarks) {mark(1), mark(2), mark(3), mark(4)};
	SPI_finish();
	return marks;
}

void
cq_closing_marks_write(Oid view, const CqClosingMarks *marks)
{
	static const char write[] =
		"INSERT INTO _cq.closing (view, closed_through, emitted_through, next_close, "
		"expired_through) VALUES ($1, $2, $3, $4, $5) "
		"ON CONFLICT (view) DO UPDATE SET closed_through = $2, emitted_through = $3, next_close = "
		"$4, expired_through = $5";
	Oid			types[] = {OIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		args[] = {
		ObjectIdGetDatum(view), TimestampTzGetDatum(marks->closed_through),
		TimestampTzGetDatum(marks->emitted_through),
		TimestampTzGetDatum(marks->next_close), TimestampTzGetDatum(marks->expired_through)
	};

	SPI_connect();
	cq_query_execute(write, SPI_OK_INSERT, lengthof(types), types, args, NULL);
	SPI_finish();
}
