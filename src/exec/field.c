/*
 * field.c
 *		Columns for which no message has a field: most often a name that is spelt in another way.
 *
 * A table says of columns whether their field was seen. Once it was, by whatever worker, it stays
 * so until the stream is altered. It is written after the batch, in a transaction of its own:
 * nobody waits for it, and where it fails it is tried again after the next batch.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "exec/exec.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

static Datum
array_of(const Bitmapset *columns)
{
	int			ncolumns = bms_num_members(columns);
	Datum	   *elements = palloc(sizeof(Datum) * Max(ncolumns, 1));
	int			attno = -1;
	int			i = 0;

	while ((attno = bms_next_member(columns, attno)) >= 0)
		elements[i++] = Int16GetDatum(attno);
	return PointerGetDatum(construct_array(elements, ncolumns, INT2OID, sizeof(int16), true,
										   TYPALIGN_SHORT));
}

static void
write_fields(Oid stream, const Bitmapset *seen, const Bitmapset *unseen)
{
	static const char write[] =
		"INSERT INTO _cq.field AS f (stream, attno, is_seen) "
		"SELECT $1, attno, true FROM unnest($2) AS s (attno) UNION ALL "
		"SELECT $1, attno, false FROM unnest($3) AS u (attno) ORDER BY attno "
		"ON CONFLICT (stream, attno) DO UPDATE SET is_seen = true "
		"WHERE excluded.is_seen AND NOT f.is_seen";
	Oid			types[] = {OIDOID, INT2ARRAYOID, INT2ARRAYOID};
	Datum		args[] = {ObjectIdGetDatum(stream), array_of(seen), array_of(unseen)};

	SPI_connect();
	cq_query_execute(write, SPI_OK_INSERT, lengthof(types), types, args, NULL);
	SPI_finish();
}

static void
give_up(MemoryContext caller)
{
	MemoryContextSwitchTo(caller);
	if (ProcDiePending)
		PG_RE_THROW();
	EmitErrorReport();
	FlushErrorState();
	AbortCurrentTransaction();
}

void
cq_field_note(CqLane *lane)
{
	MemoryContext caller = CurrentMemoryContext;
	Bitmapset  *seen;
	Bitmapset  *unseen;
	bool volatile is_locked = false;

	if (lane->reader == NULL || !cq_decode_fields(lane->reader, &seen, &unseen))
		return;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	PG_TRY();
	{
		/* Who alters or drops the stream forgets what is known. */
		is_locked = ConditionalLockRelationOid(lane->stream, AccessShareLock);
		if (is_locked && get_rel_name(lane->stream) != NULL)
			write_fields(lane->stream, seen, unseen);
		PopActiveSnapshot();
		CommitTransactionCommand();
		if (is_locked)
			cq_decode_fields_told(lane->reader, seen, unseen);
	}
	PG_CATCH();
	{
		give_up(caller);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	bms_free(seen);
	bms_free(unseen);
}
