/*
 * model.h
 *		A model, that is a foreign table of cq_model, as its catalog options describe it: what it is
 *		asked, and what it has to answer.
 *
 * Where and how requests go is as for other destinations (destination.h); of its fields that are
 * about rows of cq_http none is set.
 */
#ifndef CQ_MODEL_H
#define CQ_MODEL_H

#include "postgres.h"

#include "catalog/destination.h"

typedef enum CqModelProvider
{
	CQ_PROVIDER_OPENAI,			/* and what is compatible */
	CQ_PROVIDER_BEDROCK,		/* InvokeModel */
	CQ_PROVIDER_CUSTOM			/* by a template of requests, and a path in answers */
} CqModelProvider;

typedef enum CqModelTask
{
	CQ_TASK_CHAT,				/* default */
	CQ_TASK_COMPLETION,
	CQ_TASK_EMBEDDING,
	CQ_TASK_CLASSIFICATION,
	CQ_TASK_REGRESSION,
	CQ_TASK_MODERATION
} CqModelTask;

/* What a column is to the model. */
typedef enum CqModelPart
{
	CQ_MODEL_INPUT,				/* what it is asked about (default) */
	CQ_MODEL_KEY,				/* comes back with the answer, and is not sent */
	CQ_MODEL_OUTPUT				/* what it has to answer */
} CqModelPart;

typedef struct CqModelColumn
{
	AttrNumber	attno;
	char	   *name;
	CqModelPart part;
	Oid			type;
} CqModelColumn;

/* What asking costs, of each kind. */
enum
{
	CQ_SPEND_REQUESTS,
	CQ_SPEND_TOKENS,
	CQ_SPEND_COST,
	CQ_SPEND_NKINDS
};

typedef struct CqSpend
{
	double		amounts[CQ_SPEND_NKINDS];
} CqSpend;

typedef struct CqModel
{
	CqDestination *destination;
	CqModelProvider provider;
	CqModelTask task;
	const char *model;			/* its name there; NULL: only where there is a template */
	const char *system_prompt;	/* or NULL */
	const char *prompt;			/* with {column} in it, or NULL */
	const char *temperature;	/* a number, or NULL */
	int			max_tokens;		/* of an answer; 0: none are asked for */
	int			batch_size;		/* inputs of a request */
	int			cache;			/* answers that are kept; 0: none */
	List	   *classes;		/* of char * */
	const char *path;			/* behind the server's address */
	const char *request;		/* a template, or NULL */
	const char *answer;			/* a path of SQL/JSON, or NULL */
	CqSpend		budget;			/* of a period; 0: any amount */
	bool		has_budget;
	const char *period;			/* as date_trunc has it */
	double		input_price;	/* of a million tokens */
	double		output_price;
	CqModelColumn *columns;		/* one for each live attribute */
	int			ncolumns;
} CqModel;

/*
 * Reads the options of relid, its server, and the user mapping of userid. In CurrentMemoryContext;
 * within a transaction; raises ERROR for options that do not fit together.
 */
extern CqModel *cq_model_get(Oid relid, Oid userid);

/* The columns of a part: how many, and the first one, or NULL. */
extern int	cq_model_count(const CqModel *model, CqModelPart part, const CqModelColumn **first);

/* NULL where it has none of that name. */
extern const CqModelColumn *cq_model_column(const CqModel *model, const char *name, Size length);

/*
 * Is an answer one value, which is that of the only output? Else it is an object with a field for
 * each.
 */
extern bool cq_model_answers_plainly(const CqModel *model);

/* ---- model_options.c ---- */

/* As of cq_destination_options_check, which has the options that both have. */
extern CqReject *cq_model_options_check(Oid place, const char *name, const char *value);

extern const char *const cq_model_providers[];
extern const char *const cq_model_tasks[];
extern const char *const cq_model_parts[];

#endif							/* CQ_MODEL_H */
