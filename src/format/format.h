/*
 * format.h
 *		From bytes to columns and back: one routine struct for each format.
 *
 * A format knows messages and types; it knows nothing of topics' servers, of streams as relations,
 * or of views. It never raises an error for what a message holds: a bad message or field becomes a
 * CqBadCell, and the row it stands in is left out by those who need that field.
 */
#ifndef CQ_FORMAT_H
#define CQ_FORMAT_H

#include "postgres.h"

#include "access/attnum.h"
#include "catalog/pg_type_d.h"
#include "common/csv_style.h"
#include "common/reject.h"
#include "common/settings.h"
#include "common/value_style.h"
#include "format/registry.h"
#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"
#include "source/source.h"

/*
 * A column of a stream that comes from the message's value (metadata columns are not the format's).
 */
typedef struct CqColumn
{
	AttrNumber	attno;			/* in the foreign table */
	const char *name;			/* of the column */
	/* of char *: names from the top to a nested field; a one-element list for a plain one */
	List	   *path;
	List	   *items;			/* of CqPathStep *, from there on into an array; or NIL */
	bool		has_path;		/* it is not just the column's name */
	int			place;			/* among the columns of the value, or of the key, from 0 */
	Oid			type;
	int32		typmod;
	Oid			collation;
	bool		is_not_null;	/* a null or missing field is then a bad cell */
	CqValueStyle style;
} CqColumn;

/*
 * The type of a column that only asks whether there is something at its path: true, or else null.
 */
#define CQ_COLUMN_PRESENCE	VOIDOID

/* A field of a row that could not be decoded; attno 0: the whole message. */
typedef struct CqBadCell
{
	int			row;
	AttrNumber	attno;
	CqReject   *reject;
} CqBadCell;

typedef struct CqBadCells
{
	CqBadCell  *cells;			/* ordered by row */
	int			ncells;
	int			capacity;
} CqBadCells;

/*
 * Does an error say nothing of a value: is the server out of something, busy, or told to stop; or
 * may the user not?
 */
extern bool cq_bad_cells_concern_server(int sqlerrcode);

/* The reject of a cell whose value has not changed, and is not in the message: see unavailable. */
extern CqReject cq_bad_cell_unavailable;

extern void cq_bad_cells_add(CqBadCells *cells, int row, AttrNumber attno, CqReject *reject);

/* Puts those from first on in order. */
extern void cq_bad_cells_sort(CqBadCells *cells, int first);

typedef struct CqDecoder CqDecoder;
typedef struct CqEncoder CqEncoder;

/*
 * What a stream says of its messages besides their format. Lives as long as what was opened with
 * it.
 */
typedef struct CqFormatOptions
{
	const char *schema;			/* the option of that name, or NULL */
	const char *message;		/* the option of that name: which one of the schema's, or NULL */
	bool		is_framed;		/* each message begins with the number of its schema */
	CqRegistry *registry;		/* where schemas are, or NULL */
	/* under which name there, for what is written; NULL: of topic and record */
	const char *subject;
	const char *topic;
	bool		is_key;			/* it is keys that are read and written */
	CqMessageHeader header;		/* of messages that are read; NULL: they have none */
	bool		names_topic;	/* the subject has the name of the topic */
	bool		names_record;	/* and that of the record */
	CqRegistryAbsent absent;	/* what is done about a schema that is not registered */
	bool		defers;			/* the number of the schema is put in later: see cq_framing */
	bool		is_enveloped;	/* changes of rows are written: encode_change */
	bool		may_be_wrapped; /* of JSON: values may be in Connect's envelope with a schema */
	bool		is_wrapped;		/* they are */
	const char *unavailable;	/* text in place of a value that has not changed; NULL: none is */
	bool		ignores_case;	/* names of fields are the same if they differ by case only */
	CqCsvStyle	csv;
	/* of all columns of the value, or of the key, in their order: their names, and paths (or NIL) */
	List	   *names;
	List	   *paths;
} CqFormatOptions;

/* A change of a row, in Debezium's terms. */
typedef struct CqChange
{
	const Datum *before;		/* indexed by attno - 1; NULL: there was none */
	const bool *before_nulls;
	const Datum *after;			/* NULL: it is gone */
	const bool *after_nulls;
	int64		milliseconds;	/* since 1970 */
} CqChange;

typedef struct CqFormat
{
	const char *name;			/* as in the table option format */
	bool		is_flat;		/* values have no fields with names, and no envelope */
	const char *schema_type;	/* as the registry says it; NULL: schemas say nothing of columns */

	/*
	 * What is wrong with the stream's options, or with its columns, all of which are given; NULL:
	 * nothing. For CREATE and ALTER. NULL where nothing can be.
	 */
	CqReject   *(*check) (const CqFormatOptions *options, const CqColumn *columns, int ncolumns);

	/*
	 * Prepares to decode just these columns (there may be none). Lives in CurrentMemoryContext;
	 * what is not palloc'd is freed by its reset callback.
	 */
	CqDecoder  *(*decoder_open) (const CqFormatOptions *options, const CqColumn *columns,
								 int ncolumns);

	/*
	 * Asks for what messages cannot be decoded without, and is not here. True: all is there. False:
	 * *awaits says what is not, and *trouble whether, and why, it could not be had so far;
	 * palloc'd. Waits for nothing, and is for outside a transaction. NULL: nothing is ever needed.
	 */
	bool		(*prepare) (const CqFormatOptions *options, const CqMessage *messages,
							int nmessages, char **awaits,
							char **trouble);

	/*
	 * Decodes nmessages into rows first_row…: values[attno - 1][row], nulls[attno - 1][row] for
	 * each of the decoder's columns. By-reference Datums are palloc'd in CurrentMemoryContext (the
	 * batch's). Bad ones are added to bad, in row order, and their cells set to null. Within a
	 * transaction, since types may look at catalogs.
	 */
	void		(*decode) (CqDecoder *decoder, const CqMessage *messages, int nmessages,
						   int first_row,
						   Datum **values, bool **nulls, CqBadCells *bad);

	/*
	 * Of the decoder's columns: those whose fields some message has had since it was opened, and
	 * those of which none has, though there were that many; by attribute number. NULL: not told.
	 */
	void		(*fields) (const CqDecoder *decoder, int64 many, Bitmapset **seen,
						   Bitmapset **unseen);

	/*
	 * A key less what is around it, and may differ where the key is the same. NULL: it is what it
	 * is.
	 */
	const char *(*bare_key) (bool is_framed, const char *key, uint32 *length);

	/* Which settings have a say in what the values of a column are. NULL: none in any. */
	CqSettingSet (*settings) (const CqColumn *column);

	/* NULL where the format cannot write. encode appends one row's value to out. */
	CqEncoder  *(*encoder_open) (const CqFormatOptions *options, const CqColumn *columns,
								 int ncolumns);
	/* indexed by attno - 1 */
	void		(*encode) (CqEncoder *encoder, const Datum *values, const bool *nulls,
						   StringInfo out);

	/*
	 * Of formats whose messages begin with the number of a schema: the one by which rows with these
	 * columns are written, in UTF-8, which is the option's or one made of the columns; and the name
	 * of what it describes. These raise ERROR. NULL: there is none.
	 */
	char	   *(*written_schema) (const CqFormatOptions *options, const CqColumn *columns,
								   int ncolumns);
	char	   *(*described_name) (const CqFormatOptions *options, const char *schema);

	/* The row before and after, of which one may be NULL; with is_enveloped. */
	void		(*encode_change) (CqEncoder *encoder, const CqChange *change, StringInfo out);

	/*
	 * NULL where columns cannot be inferred. Returns CqColumn * with name, type and path, from a
	 * sample of messages, and remarks (of char *, sentences) on what is left out or not as most
	 * are.
	 */
	List	   *(*infer) (const CqMessage *messages, int nmessages, List **remarks);

	/*
	 * The same of a schema of the registry's, of schema_type. One is NOT NULL where every message
	 * of this schema has a value, and whoever wrote by an earlier one has had the field. NIL: the
	 * schema cannot be used, which a remark says.
	 */
	List	   *(*infer_schema) (const CqRegistrySchema *found, List **remarks);
} CqFormat;

extern const CqFormat cq_json_format;
extern const CqFormat cq_avro_format;
extern const CqFormat cq_proto_format;
extern const CqFormat cq_json_sr_format;
extern const CqFormat cq_csv_format;
extern const CqFormat cq_text_format;
extern const CqFormat cq_bytea_format;
extern const CqFormat cq_string_format;
extern const CqFormat cq_boolean_format;
extern const CqFormat cq_short_format;
extern const CqFormat cq_int_format;
extern const CqFormat cq_long_format;
extern const CqFormat cq_float_format;
extern const CqFormat cq_double_format;
extern const CqFormat cq_uuid_format;
extern const CqFormat cq_row_format;	/* the log's own: composite Datums */

/* By name, or NULL. */
extern const CqFormat *cq_format_find(const char *name);

/* The one that infers columns of the registry's schemas of that type, or NULL. */
extern const CqFormat *cq_format_of_schema(const char *type);

#endif							/* CQ_FORMAT_H */
