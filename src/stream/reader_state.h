/*
 * reader_state.h
 *		What a reader keeps: shared by reader.c and batch.c.
 */
#ifndef CQ_READER_STATE_H
#define CQ_READER_STATE_H

#include "access/tupdesc.h"
#include "format/registry.h"
#include "stream/reader.h"
#include "utils/relcache.h"

/* One attribute's values, kept from batch to batch. */
typedef struct CqColumnArrays
{
	Datum	   *values;
	bool	   *nulls;
	int			capacity;		/* rows */
} CqColumnArrays;

/* Kept for the columns that it was opened for. */
typedef struct CqKeptDecoder
{
	MemoryContext context;		/* of all of it */
	Bitmapset  *columns;
	bool		is_of_key;
	CqDecoder  *decoder;
} CqKeptDecoder;

/* How a column is computed. */
typedef struct CqGenerated
{
	Node	   *expression;		/* over the table's columns,
		as those of relation 1; NULL: the column is not generated */
	Bitmapset  *inputs;
} CqGenerated;

/* A CHECK constraint. */
typedef struct CqContract
{
	char	   *name;
	Node	   *expression;		/* over the table's columns, as those of relation 1 */
	Bitmapset  *inputs;
} CqContract;

struct CqReader
{
	MemoryContext context;		/* holds the reader */
	CqStream   *stream;
	const CqSourceRoutine *routine;
	CqSource   *source;
	const CqFormat *format;
	CqFormatOptions *format_options;
	const CqFormat *key_format; /* of the key's fields; NULL: there are no columns for them */
	CqFormatOptions *key_options;
	/* see CqFormat; NULL: keys are what they are */
	const char *(*bare_key) (bool is_framed, const char *key, uint32 *length);
	/* as the format sees them, in the order of stream->columns; without meaning for metadata */
	CqColumn   *columns;

	List	   *decoders;		/* of CqKeptDecoder *, the one used last first */
	CqSettingSet *settings;		/* by attribute number - 1: those that have a say in it */
	Bitmapset  *sensitive;		/* columns in whose values some have */
	Bitmapset  *told_seen;		/* columns: see cq_decode_fields */
	Bitmapset  *told_unseen;
	CqGenerated *generated;		/* by attribute number - 1 */
	List	   *contracts;		/* of CqContract * */
	Bitmapset  *contract_inputs;	/* columns that they are about */

	CqColumnArrays *arrays;		/* by attribute number - 1 */
	CqBatch		batch;
	bool		has_batch;
	bool		is_bounded;
	TupleDesc	descriptor;		/* of the foreign table when it was opened */

	/* What was fetched, and cannot be decoded yet: see prepare in format.h. */
	bool		is_held;
	char		awaits[512];	/* what that waits for */
	char		told[512];		/* what somebody has heard of it; empty: nothing */
	TimestampTz held_since;
	MemoryContext question;		/* of one look whether it is there */
};

/* Fills the metadata columns among needed. True where it has added to the batch's bad cells. */
extern bool cq_metadata_fill(CqReader *reader, CqBatch *batch, const Bitmapset *needed);

/* ---- generated.c ---- */

/* Fills reader->generated. */
extern void cq_generated_describe(CqReader *reader, Relation relation);

/* Columns, those that constraints are about, and what is generated of them is computed of. */
extern Bitmapset *cq_generated_with_inputs(const CqReader *reader, const Bitmapset *columns);

/*
 * Computes those that are generated among columns; the others are there. True where it has added
 * to the batch's bad cells.
 */
extern bool cq_generated_fill(CqReader *reader, CqBatch *batch, const Bitmapset *columns);

/* What a source is opened with for this stream; borrows from it. */
extern CqSourceConfig cq_reader_config(const CqStream *stream, bool bounded);
extern const CqSourceRoutine *cq_reader_routine(const CqStream *stream);

/* What the stream says of its messages; borrows from it. In CurrentMemoryContext. */
extern CqFormatOptions *cq_reader_format_options(const CqStream *stream);
extern CqFormatOptions *cq_reader_key_options(const CqStream *stream);

/* The same of what a sink writes. */
extern CqFormatOptions *cq_reader_sink_options(const CqStream *stream);

/* The schema registry of a server, as userid asks it; NULL: it has none. */
extern CqRegistry *cq_reader_server_registry(Oid server, Oid userid);

/* The columns of the stream as the format sees them, in the order of stream->columns. */
extern CqColumn *cq_reader_columns(const CqStream *stream, TupleDesc descriptor);

/* As cq_reader_open, for one statement and with options as userid has them. */
extern CqReader *cq_reader_open_bounded(CqStream *stream, const CqPosition *positions,
										int npositions);

#endif							/* CQ_READER_STATE_H */
