/*
 * destination.h
 *		A destination of requests, that is a foreign table of cq_http, as its catalog options
 *		describe it: where requests go, how they are made of rows, and how they are delivered.
 */
#ifndef CQ_DESTINATION_H
#define CQ_DESTINATION_H

#include "postgres.h"

#include "access/attnum.h"
#include "catalog/stream.h"
#include "common/reject.h"
#include "nodes/pg_list.h"

/* What a column makes of a request. */
typedef enum CqRequestPart
{
	CQ_PART_FIELD,				/* a field of the JSON body (default) */
	CQ_PART_PATH,
	CQ_PART_QUERY,
	CQ_PART_HEADER,
	CQ_PART_BODY				/* the body as it is */
} CqRequestPart;

typedef struct CqRequestColumn
{
	AttrNumber	attno;
	char	   *column;
	char	   *name;			/* of the field, parameter or header */
	CqRequestPart part;
	Oid			type;
	int32		typmod;
	Oid			collation;
} CqRequestColumn;

/* How requests are delivered: options of the server. Times in microseconds. */
typedef struct CqDelivery
{
	int64		timeout;
	int64		connect_timeout;
	int			concurrency;
	double		rate;			/* requests a second; 0: any */
	int			attempts;		/* that may have arrived; 0: any number */
	int64		backoff;		/* before the second attempt, then twice as long, and so on */
	int64		max_backoff;
	int			breaker;		/* failures in a row; 0: none */
	int64		breaker_pause;
} CqDelivery;

typedef struct CqDestination
{
	Oid			relid;
	char	   *name;			/* schema-qualified and quoted, for messages */
	char	   *url;			/* without a slash at the end */
	bool		is_trusted;		/* a superuser's server says where it is */
	CqDelivery	delivery;
	const char *authority;		/* of the server, PEM; NULL: the system's */
	const char *sigv4;			/* region/service, or NULL */
	List	   *secrets;		/* of DefElem: the user mapping's options */
	const char *method;
	const char *path;			/* with {column} in it; begins with a slash, or is empty */
	CqStreamMode mode;
	bool		is_ordered;
	List	   *key;			/* of char *, columns; NIL: as the view's rows are told apart */
	const char *content_type;	/* NULL: by the body */
	const char *responses;		/* the name of a stream, or NULL */
	int			max_response;	/* bytes of a body that are kept */
	CqRequestColumn *columns;	/* one for each live attribute */
	int			ncolumns;
	List	   *options;		/* of DefElem: all of them */
} CqDestination;

/* Whose foreign table it is. */
typedef enum CqDestinationKind
{
	CQ_DESTINATION_NONE,
	CQ_DESTINATION_REQUEST,		/* cq_http: its columns make a request */
	CQ_DESTINATION_MODEL		/* cq_model: see model.h */
} CqDestinationKind;

#define CQ_DESTINATION_NKINDS (CQ_DESTINATION_MODEL + 1)

extern CqDestinationKind cq_destination_kind(Oid relid);

/* Do requests go there? */
extern bool cq_destination_is(Oid relid);

/*
 * Reads the options of relid's server and table, and the user mapping of userid. In
 * CurrentMemoryContext; within a transaction; raises ERROR for options that do not fit together.
 */
extern CqDestination *cq_destination_get(Oid relid, Oid userid);

/* The same of the server and the user mapping alone; options has those of the table as well. */
extern CqDestination *cq_destination_get_server(Oid relid, Oid userid);

/* An option of the user mapping, or NULL. */
extern const char *cq_destination_secret(const CqDestination *destination, const char *name);

/* In a user mapping: the name of a header with a secret value. */
#define CQ_SECRET_HEADER "header."

/* ---- destination_options.c ---- */

/*
 * What is wrong with an option at its place, which is the catalog that holds it
 * (ForeignTableRelationId and so on); NULL: nothing.
 */
extern CqReject *cq_destination_options_check(Oid place, const char *name, const char *value);

/* Is it a place of the catalog where cq_http has an option of that name? */
extern bool cq_destination_options_have(Oid place, const char *name);

/* The names in key, without those that are quoted; a reject for a list that is none. */
extern CqReject *cq_destination_options_names(const char *value, List **names);

/* The place in a path where the next {column} stands: [*begin, *end) with its braces. */
extern bool cq_destination_options_place(const char *path, const char **begin, const char **end);

extern const char *const cq_destination_parts[];

/* Is it a name of a header that a request may be given, and a value that it may have? */
extern bool cq_destination_is_header_name(const char *name);
extern bool cq_destination_is_header_value(const char *value);

/* Has a path, with its query, only what may stand there, and no segment that leads elsewhere? */
extern bool cq_destination_is_path(const char *path);

extern bool cq_destination_is_method(const char *method);

#endif							/* CQ_DESTINATION_H */
