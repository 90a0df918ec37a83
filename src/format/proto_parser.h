/*
 * proto_parser.h
 *		What libprotobuf does for us, behind a C interface: schemas of Protobuf, as they are in a
 *		registry, become trees of plain structs.
 *
 * This header is read by C++ too, so it includes no header of the server. Nothing here throws,
 * allocates with palloc or raises an error.
 */
#ifndef CQ_PROTO_PARSER_H
#define CQ_PROTO_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

/* Of a schema with all that it refers to: bytes, and brackets within each other. */
#define CQ_PROTO_MAX_SCHEMA		(1024 * 1024)
#define CQ_PROTO_MAX_BRACKETS	100

/* The numbers are those that descriptors have for types. */
typedef enum CqProtoKind
{
	CQ_PROTO_DOUBLE = 1,
	CQ_PROTO_FLOAT,
	CQ_PROTO_INT64,
	CQ_PROTO_UINT64,
	CQ_PROTO_INT32,
	CQ_PROTO_FIXED64,
	CQ_PROTO_FIXED32,
	CQ_PROTO_BOOL,
	CQ_PROTO_STRING,
	CQ_PROTO_GROUP,
	CQ_PROTO_MESSAGE,
	CQ_PROTO_BYTES,
	CQ_PROTO_UINT32,
	CQ_PROTO_ENUM,
	CQ_PROTO_SFIXED32,
	CQ_PROTO_SFIXED64,
	CQ_PROTO_SINT32,
	CQ_PROTO_SINT64
} CqProtoKind;

/* Messages that stand for something else than their fields. */
typedef enum CqProtoKnown
{
	CQ_PROTO_PLAIN,
	CQ_PROTO_TIMESTAMP,
	CQ_PROTO_DURATION,
	CQ_PROTO_WRAPPER,
	CQ_PROTO_STRUCT,
	CQ_PROTO_VALUE,
	CQ_PROTO_LIST
} CqProtoKnown;

typedef struct CqProtoMessage CqProtoMessage;

typedef struct CqProtoEnum
{
	const char *name;
	int			nvalues;
	const int32_t *numbers;		/* in order, each once */
	const char **names;
} CqProtoEnum;

typedef struct CqProtoField
{
	const char *name;
	uint32_t	number;
	CqProtoKind kind;
	int			place;			/* among its message's */
	bool		is_repeated;	/* maps are, too */
	bool		is_map;
	bool		is_required;
	bool		is_packed;		/* several are written together */
	bool		has_presence;	/* messages say whether they have it */
	bool		has_default;	/* which a message has that does not have the field */
	int			oneof;			/* which of its message's it is of; -1: none */
	const CqProtoMessage *message;	/* of messages and groups */
	const CqProtoEnum *enumeration;
	/* the default: of numbers as they are in messages, but for zigzag; of text and bytes */
	uint64_t	bits;
	const char *bytes;
	size_t		length;
} CqProtoField;

struct CqProtoMessage
{
	const char *name;			/* in full */
	CqProtoKnown known;
	int			nfields;
	CqProtoField *fields;		/* as they are declared */
	const CqProtoField **by_number;
	int			noneofs;
	int			nnested;
	const CqProtoMessage **nested;	/* declared in it */
};

/* The messages of a file; what they refer to is reached through them, and may have circles. */
typedef struct CqProtoSchema
{
	int			nmessages;
	const CqProtoMessage **messages;
} CqProtoSchema;

/* Was this built with libprotobuf? */
extern bool cq_proto_parser_is_there(void);

/*
 * The schema of the last text, in which the ones before it are imported by their names. A text is a
 * file of Protobuf's language, or a file descriptor in base64. NULL: fault says why not, in room
 * bytes. Memory is malloc's: whoever asks sees to it that it is freed.
 */
extern const CqProtoSchema *cq_proto_parser_read(const char *const *names,
												 const char *const *texts, int ntexts,
												 char *fault, size_t room);
extern void cq_proto_parser_free(const CqProtoSchema *schema);

#ifdef __cplusplus
}
#endif

#endif							/* CQ_PROTO_PARSER_H */
