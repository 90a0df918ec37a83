/*
 * stream.h
 *		A stream, that is a foreign table of cq_kafka or cq_log, as its catalog options describe it.
 */
#ifndef CQ_CATALOG_STREAM_H
#define CQ_CATALOG_STREAM_H

#include "postgres.h"

#include "access/attnum.h"
#include "common/csv_style.h"
#include "common/reject.h"
#include "common/value_style.h"
#include "nodes/pg_list.h"

typedef enum CqStreamKind
{
	CQ_STREAM_KAFKA,
	CQ_STREAM_LOG
} CqStreamKind;

/* Where a column's value comes from. */
typedef enum CqColumnOrigin
{
	CQ_COLUMN_VALUE,			/* a field of the message's value */
	CQ_COLUMN_TOPIC,
	CQ_COLUMN_PARTITION,
	CQ_COLUMN_OFFSET,
	CQ_COLUMN_TIMESTAMP,
	CQ_COLUMN_KEY,
	CQ_COLUMN_HEADERS,
	CQ_COLUMN_KEY_FIELD,		/* a field of the message's key */
	CQ_COLUMN_GENERATED			/* computed of the others, as the table's definition says */
} CqColumnOrigin;

typedef enum CqTombstone
{
	CQ_TOMBSTONE_ERROR,			/* a message without a value is a dead letter (default) */
	CQ_TOMBSTONE_ROW,			/* a row whose value columns are all null */
	CQ_TOMBSTONE_SKIP
} CqTombstone;

/* What a message means. */
typedef enum CqStreamMode
{
	CQ_MODE_APPEND,				/* a row that is added (default) */
	CQ_MODE_UPSERT,				/* what the row of its key is now; without a value it is gone */
	CQ_MODE_DEBEZIUM			/* what the row of its key was and is, in Debezium's envelope */
} CqStreamMode;

/* Are its rows changed by others with the same key? */
#define cq_mode_changes(mode) ((mode) != CQ_MODE_APPEND)

typedef enum CqOnGap
{
	CQ_ON_GAP_PAUSE,
	CQ_ON_GAP_SKIP
} CqOnGap;

/* Which subject the schema of what is written belongs to. */
typedef enum CqSubjectNames
{
	CQ_SUBJECT_TOPIC,			/* the topic's name and -value, or -key (default) */
	CQ_SUBJECT_RECORD,			/* the name of the record */
	CQ_SUBJECT_TOPIC_RECORD		/* both names */
} CqSubjectNames;

typedef struct CqStreamColumn
{
	AttrNumber	attno;
	char	   *name;			/* of the column */
	CqColumnOrigin origin;
	List	   *path;			/* of char *, for CQ_COLUMN_VALUE and CQ_COLUMN_KEY_FIELD */
	List	   *items;			/* of CqPathStep *, from there on into an array; or NIL */
	bool		has_path;		/* an option says it; else it is the name */
	bool		is_of_envelope; /* path begins beside the row, where mode debezium has one */
	CqValueStyle style;
} CqStreamColumn;

typedef struct CqStream
{
	Oid			relid;
	CqStreamKind kind;
	char	   *name;			/* schema-qualified and quoted, for messages */
	List	   *topics;			/* of char *; or one pattern: see topic_pattern.h */
	char	   *error_topic;	/* gets messages that views cannot process; or NULL */
	char	   *format;
	char	   *key_format;		/* of the key's fields; NULL: keys are bytes, or text */
	char	   *key_schema;		/* as schema, of keys */
	char	   *key_message;	/* as message */
	CqStreamMode mode;
	CqValueStyle style;			/* of columns that say nothing else */
	const char *unavailable;	/* stands for a value that has not changed; NULL: nothing does */
	List	   *deleted_field;	/* path of the field that says that the row is gone; NIL: none */
	CqTombstone tombstone;
	CqOnGap		on_gap;
	AttrNumber	event_time;		/* column with the option's name, or InvalidAttrNumber */
	AttrNumber	key;			/* column with metadata 'key', or InvalidAttrNumber */
	List	   *event_settings; /* of char *, name=value: under which event times are read,
		by whomever */
	int64		watermark_delay;	/* microseconds */
	int64		idle_timeout;	/* microseconds, 0: never idle */
	int64		max_event_lead; /* microseconds */
	int64		retention;		/* microseconds, 0: for ever; of the log */
	bool		skip_bad_rows;	/* a bounded SELECT leaves bad rows out instead of failing */
	CqStreamColumn *columns;	/* one for each live attribute */
	int			ncolumns;
	char	   *schema;			/* the option of that name, or NULL */
	char	   *message;		/* which of the schema's messages it is; NULL: the first */
	bool		is_framed;		/* messages begin with the number of their schema */
	bool		is_wrapped;		/* of JSON: values, and keys, are in Connect's envelope */
	CqCsvStyle	csv;
	char	   *subject;		/* of the schema that is written by; NULL: as subject_names says */
	CqSubjectNames subject_names;
	bool		registers;		/* schemas that are written by, where they are not yet */
	bool		checks_compatibility;	/* before that */
	/* of DefElem: what server and user mapping say of the schema registry */
	List	   *registry;
	bool		registry_is_trusted;	/* a superuser's server says where it is */
	/* of DefElem: server's, then table's, then user mapping's librdkafka properties */
	List	   *properties;
} CqStream;

/*
 * Options by place, which is the catalog that holds them (ForeignTableRelationId and so on). check
 * says whether the name is one of ours (*is_ours; for cq_kafka others are properties) and what is
 * wrong with its value; names lists ours for a hint.
 */
extern CqReject *cq_stream_options_check(CqStreamKind kind, Oid place, const char *name,
										 const char *value, bool *is_ours);
extern char *cq_stream_options_names(CqStreamKind kind, Oid place);

/* The option's parts: topics between commas. */
extern CqReject *cq_stream_options_parse_topics(const char *value, List **topics);

/* The options of userid's mapping, or else of the public one, or else none (of DefElem). */
extern List *cq_stream_mapping_options(Oid server, Oid userid);

/* A server's properties, then those of userid's mapping (of DefElem). */
extern List *cq_stream_server_properties(Oid server, Oid userid);

/* What both say of the schema registry (of DefElem), and whether a superuser says where it is. */
extern List *cq_stream_server_registry(Oid server, Oid userid, bool *is_trusted);

/* Has it several topics, or those that match a pattern? */
extern bool cq_stream_has_many_topics(const CqStream *stream);

/* True for a foreign table of one of the two wrappers. */
extern bool cq_stream_is(Oid relid);

/*
 * Reads the options of relid's server and table, and the user mapping of userid (the table's owner
 * in a worker). In CurrentMemoryContext; within a transaction; raises ERROR for a relation that is
 * no stream.
 */
extern CqStream *cq_stream_get(Oid relid, Oid userid);

/* Raises ERROR where the stream's mode needs for reading what the stream has not. */
extern void cq_stream_require_readable(const CqStream *stream);

/* May messages have fields that no column has, and that have a name? */
extern bool cq_stream_has_named_fields(const CqStream *stream);

/* Are there columns for fields of the key? */
extern bool cq_stream_has_key_fields(const CqStream *stream);

#endif							/* CQ_CATALOG_STREAM_H */
