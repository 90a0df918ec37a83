/*
 * closing_marks.h
 *		How far the windows of a view are closed: its row of _cq.closing.
 *
 * All is DT_NOBEGIN where nothing is, or where there is no such row yet.
 */
#ifndef CQ_CLOSING_MARKS_H
#define CQ_CLOSING_MARKS_H

#include "datatype/timestamp.h"

typedef struct CqClosingMarks
{
	TimestampTz closed_through; /* rows of windows that end up to here come too late */
	TimestampTz emitted_through;	/* what is to be done with them is done */
	TimestampTz next_close;		/* before the watermark is there, there is nothing to decide */
	TimestampTz expired_through;	/* where closed windows are amended: they are not any more */
} CqClosingMarks;

/* Within a transaction, as a user who may read, and write, the catalog. */
extern CqClosingMarks cq_closing_marks_read(Oid view);
extern void cq_closing_marks_write(Oid view, const CqClosingMarks *marks);

#endif							/* CQ_CLOSING_MARKS_H */
