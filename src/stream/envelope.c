/*
 * envelope.c
 *		Debezium's envelope: see envelope.h.
 *
 * A message is applied by its key: what `before` holds is not looked at, since under the default
 * replica identity it is null on an update, and has the key alone on a delete. So messages that are
 * repeated do no harm.
 *
 *		op		the row of the message's key
 *		c, r, u	is what `after` holds
 *		d		is gone, as with a message that has no value
 *		t		and those of all other keys are gone; the message has no key
 *		m		is as it was: the message is no row's
 *
 * A heartbeat, or the beginning and end of a transaction, which go to topics of their own, has a
 * time and neither op nor source: it is no row's, either.
 *
 * Flattened, as by Debezium's transform ExtractNewRecordState, a message is the row itself, which
 * may have a field that says that the row is gone: of that message no other field counts.
 *
 * A large value that has not changed, and that the source's log therefore does not have, is one
 * text that stands for it. The value is that of the message before of the same key: of the batch,
 * or else what is stored (plan/cut_latest.c) or was read before (latest.c). Where the key is gone
 * in between, as where a row gets the key of another one, it is not known, and the row is bad.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "format/schema_frame.h"
#include "stream/envelope.h"
#include "utils/builtins.h"

/* From the number of the table's columns on. */
enum
{
	OP,
	AFTER,
	SOURCE,
	TIME
};

/* The only one, where messages are flattened. */
#define DELETED 0

/* ---- what is decoded ---- */

int
cq_envelope_columns(const CqStream *stream)
{
	if (stream->mode == CQ_MODE_DEBEZIUM)
		return CQ_ENVELOPE_COLUMNS;
	return stream->deleted_field != NIL ? 1 : 0;
}

void
cq_envelope_place(const CqStream *stream, const CqStreamColumn *described, CqColumn *column)
{
	/* A row that is gone has no values, which is settled only afterwards. */
	column->is_not_null = false;
	if (stream->mode == CQ_MODE_DEBEZIUM && !described->is_of_envelope)
		column->path = lcons("after", list_copy(column->path));
}

static CqColumn
hidden_column(const CqReader *reader, int number, List *path, Oid type)
{
	return (CqColumn) {
		.attno = reader->batch.natts + 1 + number,
		.name = llast(path),
		.path = path,
		.type = type,
		.typmod = -1
	};
}

int
cq_envelope_add_columns(const CqReader *reader, CqColumn *columns, int ncolumns)
{
	static const struct
	{
		const char *name;
		Oid			type;
	}			fields[CQ_ENVELOPE_COLUMNS] = {
		[OP] = {"op", TEXTOID},
		[AFTER] = {"after", CQ_COLUMN_PRESENCE},
		[SOURCE] = {"source", CQ_COLUMN_PRESENCE},
		[TIME] = {"ts_ms", CQ_COLUMN_PRESENCE}
	};

	if (reader->stream->deleted_field != NIL)
		columns[ncolumns++] = hidden_column(reader, DELETED, reader->stream->deleted_field,
											TEXTOID);
	for (int i = 0; i < CQ_ENVELOPE_COLUMNS && reader->stream->mode == CQ_MODE_DEBEZIUM; i++)
		columns[ncolumns++] = hidden_column(reader, i, list_make1(pstrdup(fields[i].name)),
											fields[i].type);
	return ncolumns;
}

/* ---- what a message means ---- */

static bool
has_field(const CqBatch *batch, int row, int field)
{
	return !batch->nulls[batch->natts + field][row];
}

static CqReject *
reject_message(CqBatch *batch, int row, const char *reason)
{
	CqReject   *reject = cq_reject(ERRCODE_INVALID_TEXT_REPRESENTATION,
								   "invalid message of Debezium: %s", reason);

	cq_bad_cells_add(&batch->bad, row, 0, reject);
	return reject;
}

/* Without all of the envelope's fields it is flattened, probably. */
static void
reject_without_op(CqBatch *batch, int row)
{
	CqReject   *reject = reject_message(batch, row, "it has no op");

	if (!has_field(batch, row, AFTER) && !has_field(batch, row, SOURCE))
		cq_reject_hint(reject, "Where the connector flattens its messages, as by "
					   "ExtractNewRecordState, the stream has mode 'upsert' and "
					   "values 'debezium'.");
}

/*
 * By its field, which takes what a boolean does, and the codes of Debezium's operations: its own
 * field is "true" or "false". Returns whether there is a row.
 */
static bool
settle_flattened(const CqStream *stream, CqBatch *batch, int row)
{
	char	   *said;
	bool		is_deleted = false;

	if (!has_field(batch, row, DELETED))
		return true;
	said = text_to_cstring(DatumGetTextPP(batch->values[batch->natts + DELETED][row]));
	if (strcmp(said, "d") == 0)
		is_deleted = true;
	else if (strlen(said) != 1 || strchr("cru", *said) == NULL)
	{
		if (!parse_bool(said, &is_deleted))
		{
			cq_bad_cells_add(&batch->bad, row, 0,
							 cq_reject(ERRCODE_INVALID_TEXT_REPRESENTATION,
									   "field \"%s\" does not say whether the row is deleted",
									   (char *) llast(stream->deleted_field)));
			return false;
		}
	}
	if (is_deleted)
		batch->gone = bms_add_member(batch->gone, row);
	return !is_deleted;
}

/* Returns whether there is a row. */
static bool
settle_message(CqBatch *batch, int row)
{
	const text *op = has_field(batch, row, OP) ?
		DatumGetTextPP(batch->values[batch->natts + OP][row]) : NULL;

	if (op == NULL && has_field(batch, row, TIME) && !has_field(batch, row, SOURCE) &&
		!has_field(batch, row, AFTER))
	{
		batch->absent = bms_add_member(batch->absent, row);
		return false;
	}
	switch (op != NULL && VARSIZE_ANY_EXHDR(op) == 1 ? *VARDATA_ANY(op) : '\0')
	{
		case 'c':
		case 'r':
		case 'u':
			if (has_field(batch, row, AFTER))
				return true;
			reject_message(batch, row, "it does not say what is after");
			return false;
		case 'd':
			batch->gone = bms_add_member(batch->gone, row);
			return false;
		case 't':
			batch->gone = bms_add_member(batch->gone, row);
			batch->truncating = bms_add_member(batch->truncating, row);
			return false;
		case 'm':
			batch->absent = bms_add_member(batch->absent, row);
			return false;
		default:
			if (op == NULL)
				reject_without_op(batch, row);
			else
				reject_message(batch, row, "its op is none that is known");
			return false;
	}
}

static void
add_lacking(CqBatch *batch, int row, AttrNumber attno)
{
	if (batch->lacking == NULL)
		batch->lacking = palloc0(sizeof(Bitmapset *) * batch->natts);
	batch->lacking[attno - 1] = bms_add_member(batch->lacking[attno - 1], row);
}

/* Takes bad cells that are none: of values left out, and of messages that are no rows. */
static void
sort_out_cells(CqBatch *batch, int first_bad, const Bitmapset *no_rows)
{
	int			nkept = first_bad;

	for (int i = first_bad; i < batch->bad.ncells; i++)
	{
		CqBadCell	cell = batch->bad.cells[i];

		if (cell.attno != 0 && bms_is_member(cell.row, no_rows))
			continue;
		if (cell.reject == &cq_bad_cell_unavailable && cell.attno <= batch->natts)
			add_lacking(batch, cell.row, cell.attno);
		else
			batch->bad.cells[nkept++] = cell;
	}
	batch->bad.ncells = nkept;
}

/* The rows in which a column is bad, or left out. */
static Bitmapset *
rows_without(const CqBatch *batch, AttrNumber attno, int first_bad)
{
	Bitmapset  *rows = batch->lacking != NULL ? bms_copy(batch->lacking[attno - 1]) : NULL;

	for (int i = first_bad; i < batch->bad.ncells; i++)
	{
		if (batch->bad.cells[i].attno == attno)
			rows = bms_add_member(rows, batch->bad.cells[i].row);
	}
	return rows;
}

static void
reject_nulls(CqBatch *batch, const CqColumn *column, int first, int end, int first_bad,
			 const Bitmapset *no_rows)
{
	Bitmapset  *without = rows_without(batch, column->attno, first_bad);

	for (int row = first; row < end; row++)
	{
		if (batch->nulls[column->attno - 1][row] && !bms_is_member(row, no_rows) &&
			!bms_is_member(row, without))
			cq_bad_cells_add(&batch->bad, row, column->attno,
							 cq_reject(ERRCODE_NOT_NULL_VIOLATION,
									   "field \"%s\" is null or missing", column->name));
	}
	bms_free(without);
}

static void
settle_envelopes(CqReader *reader, CqBatch *batch, const Bitmapset *columns, int first, int end,
				 int first_bad)
{
	Bitmapset  *no_rows = NULL;

	for (int i = first_bad; i < batch->bad.ncells; i++)
	{
		if (batch->bad.cells[i].attno == 0)
			no_rows = bms_add_member(no_rows, batch->bad.cells[i].row);
	}
	for (int row = first; row < end; row++)
	{
		if (!bms_is_member(row, no_rows) &&
			!(reader->stream->mode == CQ_MODE_DEBEZIUM ? settle_message(batch, row) :
			  settle_flattened(reader->stream, batch, row)))
			no_rows = bms_add_member(no_rows, row);
	}
	sort_out_cells(batch, first_bad, no_rows);
	for (int i = 0; i < reader->stream->ncolumns; i++)
	{
		if (reader->columns[i].is_not_null && bms_is_member(reader->columns[i].attno, columns) &&
			reader->stream->columns[i].origin == CQ_COLUMN_VALUE)
			reject_nulls(batch, &reader->columns[i], first, end, first_bad, no_rows);
	}
	bms_free(no_rows);
}

void
cq_envelope_settle(CqReader *reader, CqBatch *batch, const Bitmapset *columns, int first, int end,
				   int first_bad)
{
	if (cq_envelope_columns(reader->stream) > 0)
		settle_envelopes(reader, batch, columns, first, end, first_bad);
	else
		sort_out_cells(batch, first_bad, NULL);
}

/* ---- values that are left out ---- */

typedef struct Key
{
	int32		slice;
	uint32		length;
	const char *bytes;
} Key;

typedef struct KeyRow
{
	Key			key;
	uint32		status;			/* simplehash's own */
	int			row;			/* the last one so far; -1: the key is gone */
} KeyRow;

static inline bool
same_key(const Key a, const Key b)
{
	return a.slice == b.slice && a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

#define SH_PREFIX keyrow
#define SH_ELEMENT_TYPE KeyRow
#define SH_KEY_TYPE Key
#define SH_KEY key
#define SH_HASH_KEY(tb, k) hash_bytes((const unsigned char *) (k).bytes, (k).length)
#define SH_EQUAL(tb, a, b) same_key(a, b)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* One column while values that it lacks are looked for. */
typedef struct Search
{
	CqBatch    *batch;
	AttrNumber	attno;
	const char *name;
	Bitmapset  *bad;			/* rows in which it, or all of the message, is bad */
} Search;

static void
reject_unknown(Search *search, int row)
{
	CqReject   *reject = cq_reject(ERRCODE_DATA_EXCEPTION,
								   "field \"%s\" has not changed, and its value is not known",
								   search->name);

	cq_reject_hint(reject, "A large value is in the message only where it has changed. With "
						   "REPLICA "
				   "IDENTITY FULL the source has it in each message.");
	cq_bad_cells_add(&search->batch->bad, row, search->attno, reject);
}

/* A row takes its value from the one before of its key; -1: which is gone. */
static void
take_from(Search *search, int row, int before)
{
	CqBatch    *batch = search->batch;
	int			index = search->attno - 1;

	if (before >= 0 && bms_is_member(before, batch->lacking[index]))
		return;					/* both are to be had of what was there before the batch */
	batch->lacking[index] = bms_del_member(batch->lacking[index], row);
	if (before < 0 || bms_is_member(before, search->bad))
	{
		search->bad = bms_add_member(search->bad, row);
		reject_unknown(search, row);
		return;
	}
	batch->values[index][row] = batch->values[index][before];
	batch->nulls[index][row] = batch->nulls[index][before];
}

static void
search_column(Search *search)
{
	CqBatch    *batch = search->batch;
	keyrow_hash *keys = keyrow_create(CurrentMemoryContext, batch->nrows, NULL);

	for (int row = 0; row < batch->nrows; row++)
	{
		Key			key = {.slice = batch->fetch.messages[row].slice};
		KeyRow	   *known;
		bool		is_known;

		key.bytes = cq_envelope_key(batch, row, &key.length);
		if (key.bytes == NULL || bms_is_member(row, batch->absent))
			continue;
		known = keyrow_insert(keys, key, &is_known);
		if (is_known && bms_is_member(row, batch->lacking[search->attno - 1]))
			take_from(search, row, known->row);
		known->row = bms_is_member(row, batch->gone) ? -1 : row;
	}
	keyrow_destroy(keys);
}

void
cq_envelope_fill(CqReader *reader, CqBatch *batch, const Bitmapset *columns)
{
	for (int i = 0; i < reader->stream->ncolumns && batch->lacking != NULL; i++)
	{
		Search		search = {
			.batch = batch, .attno = reader->columns[i].attno, .name = reader->columns[i].name
		};

		if (!bms_is_member(search.attno, columns) ||
			bms_is_empty(batch->lacking[search.attno - 1]))
			continue;
		for (int j = 0; j < batch->bad.ncells; j++)
		{
			if (batch->bad.cells[j].attno == 0 || batch->bad.cells[j].attno == search.attno)
				search.bad = bms_add_member(search.bad, batch->bad.cells[j].row);
		}
		search_column(&search);
		bms_free(search.bad);
	}
}

/* ---- keys ---- */

const char *
cq_envelope_key(const CqBatch *batch, int row, uint32 *length)
{
	const CqMessage *message = &batch->fetch.messages[row];
	const CqStream *stream = batch->reader->stream;
	bool		is_framed;

	*length = message->key_length;
	if (message->key == NULL || bms_is_member(row, batch->truncating))
		return NULL;
	if (batch->reader->bare_key == NULL)
		return message->key;
	is_framed = stream->is_framed && *length > 0 && *message->key == '\0' &&
		!cq_schema_frame_is_header(batch->reader->routine->header, message, true);
	return batch->reader->bare_key(is_framed, message->key, length);
}
