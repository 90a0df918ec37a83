/*
 * model_budget.c
 *		What asking a model has used, and what it may use: requests, tokens, money, in a period.
 *
 *		reserve, in the transaction that hands rows over: the most that they can use
 *		settle, in the one that writes down what became of them: what they have used instead
 *
 * So nothing is sent that was not committed as spent before, and what is not known after a crash
 * has been spent. Rows for which there is not enough left wait for the next period, or for another
 * budget.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/owner.h"
#include "executor/spi.h"
#include "sink/model_parts.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#define TOKENS_OF_FORM	64		/* that the provider adds to what is said */
#define PRICED_TOKENS	1e6		/* prices are of so many */

static const char *const kinds[CQ_SPEND_NKINDS] = {"requests", "tokens", "cost"};

static void
add_spend(CqSpend *sum, const CqSpend *spend, double factor)
{
	for (int i = 0; i < CQ_SPEND_NKINDS; i++)
		sum->amounts[i] += spend->amounts[i] * factor;
}

static CqSpend
make_spend(const CqModel *model, double requests, double input, double output)
{
	CqSpend		spend;

	spend.amounts[CQ_SPEND_REQUESTS] = requests;
	spend.amounts[CQ_SPEND_TOKENS] = input + output;
	spend.amounts[CQ_SPEND_COST] = (input * model->input_price +
									output * model->output_price) / PRICED_TOKENS;
	return spend;
}

/* A token is a byte at least. */
static CqSpend
most_of_request(const CqModel *model, const char *body, int ninputs)
{
	return make_spend(model, 1, strlen(body) + TOKENS_OF_FORM,
					  (double) model->max_tokens * ninputs);
}

/* ---- the catalog ---- */

/* The row of this period, locked, and made where there is none. */
static void
lock_usage(const CqModel *model, TimestampTz *began_at, CqSpend *spent)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID};
	bool		is_null;

	cq_query_run(&plan, "INSERT INTO _cq.model_usage AS u (model, name, period, began_at) "
				 "VALUES ($1, $2, $3, date_trunc($3, clock_timestamp(), 'UTC')) "
				 "ON CONFLICT (model, period, began_at) DO UPDATE SET name = excluded.name "
				 "RETURNING began_at, requests::float8, tokens::float8, cost", 3, types,
				 (Datum[]) {ObjectIdGetDatum(model->destination->relid),
							CStringGetTextDatum(model->destination->name),
							CStringGetTextDatum(model->period)}, SPI_OK_INSERT_RETURNING);
	*began_at = DatumGetTimestampTz(cq_query_column(0, 1, &is_null));
	for (int i = 0; i < CQ_SPEND_NKINDS; i++)
		spent->amounts[i] = DatumGetFloat8(cq_query_column(0, i + 2, &is_null));
}

static void
add_usage(const CqModel *model, TimestampTz began_at, const CqSpend *spend)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {OIDOID, TEXTOID, TIMESTAMPTZOID, FLOAT8OID, FLOAT8OID, FLOAT8OID};

	cq_query_run(&plan, "UPDATE _cq.model_usage SET requests = requests + $4::bigint, "
				 "tokens = tokens + $5::bigint, cost = cost + $6 "
				 "WHERE model = $1 AND period = $2 AND began_at = $3", lengthof(types), types,
				 (Datum[]) {ObjectIdGetDatum(model->destination->relid),
							CStringGetTextDatum(model->period),
							TimestampTzGetDatum(began_at),
							Float8GetDatum(spend->amounts[CQ_SPEND_REQUESTS]),
							Float8GetDatum(spend->amounts[CQ_SPEND_TOKENS]),
							Float8GetDatum(spend->amounts[CQ_SPEND_COST])}, SPI_OK_UPDATE);
}

/* ---- reserving ---- */

/* The kind of which there is not enough for something more, or -1. */
static int
find_lack(const CqModel *model, const CqSpend *spent, const CqSpend *more)
{
	for (int i = 0; i < CQ_SPEND_NKINDS; i++)
	{
		if (model->budget.amounts[i] > 0 &&
			spent->amounts[i] + more->amounts[i] > model->budget.amounts[i])
			return i;
	}
	return -1;
}

/* What rows from a first one on can use at most, sent as one request, as often as may be. */
static CqSpend
most_of_rows(const CqModel *model, const CqOutgoing *first, int nrows)
{
	List	   *inputs = NIL;
	CqSpend		most = {{0}};
	CqSpend		once;

	for (int i = 0; i < nrows; i++)
	{
		const CqMessage *message = &first[i].message;

		if (message->value != NULL)
			inputs = lappend(inputs, pnstrdup(message->value, message->value_length));
	}
	if (inputs == NIL)
		return most;
	once = most_of_request(model, cq_model_request_body(model, inputs), list_length(inputs));
	add_spend(&most, &once, model->destination->delivery.attempts);
	return most;
}

static void
keep_rows(CqOutboxRows *rows, uint64 nrows)
{
	for (uint64 i = nrows; i < rows->nrows; i++)
		rows->nbytes -= rows->rows[i].message.key_length + rows->rows[i].message.value_length;
	rows->nrows = nrows;
	rows->last_id = nrows > 0 ? rows->rows[nrows - 1].message.offset : rows->after;
	rows->has_more = true;
}

static const char *
describe_lack(const CqModel *model, int lack, const CqSpend *spent, const CqSpend *more)
{
	double		amount = model->budget.amounts[lack];

	if (more->amounts[lack] > amount)
		return psprintf("a request to %s may take %.6g %s, which is more than its budget of %.6g",
						model->destination->name, more->amounts[lack], kinds[lack], amount);
	return psprintf("the budget of %s is spent: %.6g of %.6g %s in this %s, and the next request "
					"may take %.6g", model->destination->name, spent->amounts[lack], amount,
					kinds[lack], model->period, more->amounts[lack]);
}

/* As many requests as there is enough for; in the catalog's owner's name, connected to SPI. */
static void
reserve_requests(ModelTransport *transport, CqOutboxRows *rows, MemoryContext context)
{
	const CqModel *model = transport->model;
	CqSpend		spent;
	uint64		nkept = 0;

	memset(&transport->reserved, 0, sizeof(CqSpend));
	lock_usage(model, &transport->reserved_at, &spent);
	while (nkept < rows->nrows)
	{
		int			nrows = Min((uint64) model->batch_size, rows->nrows - nkept);
		CqSpend		more = most_of_rows(model, &rows->rows[nkept], nrows);
		int			lack = find_lack(model, &spent, &more);

		if (lack >= 0 && nkept == 0)
			rows->held_because = MemoryContextStrdup(context, describe_lack(model, lack, &spent,
																			&more));
		if (lack >= 0)
			break;
		add_spend(&spent, &more, 1);
		add_spend(&transport->reserved, &more, 1);
		nkept += nrows;
	}
	if (nkept < rows->nrows)
		keep_rows(rows, nkept);
	add_usage(model, transport->reserved_at, &transport->reserved);
}

void
cq_model_budget_reserve(ModelTransport *transport, CqOutboxRows *rows, MemoryContext context)
{
	CqActor		actor;

	memset(&transport->reserved, 0, sizeof(CqSpend));
	if (rows->nrows == 0 || !transport->model->has_budget)
		return;
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	reserve_requests(transport, rows, context);
	SPI_finish();
	cq_owner_end(&actor);
}

/* ---- settling ---- */

/* What a request has used: what the provider says of the last attempt, and all of those before. */
static CqSpend
spend_of_request(ModelTransport *transport, ModelBatch *batch, ModelRequest *request)
{
	const CqModel *model = transport->model;
	const HttpRow *sent = request->sent;
	CqSpend		once = most_of_request(model, request->body, request->ninputs);
	CqSpend		spend = {{0}};
	int64		input;
	int64		output;

	if (sent->nseen == 0)
		return spend;
	add_spend(&spend, &once, sent->nseen - 1);
	if (cq_model_outcome_usage(transport, batch, request, &input, &output))
		once = make_spend(model, 1, input, output);
	add_spend(&spend, &once, 1);
	return spend;
}

void
cq_model_budget_settle(ModelTransport *transport, ModelBatch *batch)
{
	CqSpend		change = {{0}};
	CqActor		actor;

	for (int i = 0; i < batch->nrequests; i++)
	{
		CqSpend		spend = spend_of_request(transport, batch, &batch->requests[i]);

		add_spend(&change, &spend, 1);
	}
	add_spend(&change, &batch->reserved, -1);
	if (batch->nrequests == 0 && change.amounts[CQ_SPEND_REQUESTS] == 0)
		return;
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	if (batch->reserved.amounts[CQ_SPEND_REQUESTS] == 0)
	{
		CqSpend		spent;

		lock_usage(transport->model, &batch->reserved_at, &spent);
	}
	add_usage(transport->model, batch->reserved_at, &change);
	SPI_finish();
	cq_owner_end(&actor);
}
