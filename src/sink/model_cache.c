/*
 * model_cache.c
 *		Answers that were given, by what was asked: of each model the last ones.
 *
 * The hash is of the whole request, so that another prompt, model or temperature is another
 * question.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/owner.h"
#include "executor/spi.h"
#include "sink/model_parts.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* Answers beyond the bound, of 1 in so many of it, before they are deleted. */
#define SLACK 10

static Datum
hash_datum(const ModelRow *row)
{
	return PointerGetDatum(cstring_to_text_with_len((const char *) row->hash, CQ_MODEL_HASH));
}

static Datum
array_of(Datum *values, int nvalues, Oid type)
{
	return PointerGetDatum(construct_array(values, nvalues, type, -1, false, TYPALIGN_INT));
}

static void
set_cached(ModelBatch *batch, Datum hash, Datum answer)
{
	const char *bytes = VARDATA_ANY(DatumGetPointer(hash));
	Jsonb	   *copy = NULL;

	for (int i = 0; i < batch->nrows; i++)
	{
		ModelRow   *row = &batch->rows[i];

		if (row->input == NULL || memcmp(row->hash, bytes, CQ_MODEL_HASH) != 0)
			continue;
		if (copy == NULL)
		{
			MemoryContext caller = MemoryContextSwitchTo(batch->context);

			copy = (Jsonb *) PG_DETOAST_DATUM_COPY(answer);
			MemoryContextSwitchTo(caller);
		}
		row->cached = copy;
	}
}

void
cq_model_cache_find(const CqModel *model, ModelBatch *batch)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {OIDOID, BYTEAARRAYOID};
	Datum	   *hashes = palloc(sizeof(Datum) * Max(batch->nrows, 1));
	int			nhashes = 0;
	CqActor		actor;

	for (int i = 0; i < batch->nrows; i++)
	{
		if (batch->rows[i].input != NULL)
			hashes[nhashes++] = hash_datum(&batch->rows[i]);
	}
	if (model->cache == 0 || nhashes == 0)
		return;
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_run(&plan, "SELECT hash, answer FROM _cq.model_answer WHERE model = $1 AND "
				 "hash = ANY ($2)", 2, types,
				 (Datum[]) {ObjectIdGetDatum(model->destination->relid),
							array_of(hashes, nhashes, BYTEAOID)}, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		is_null;
		Datum		hash = cq_query_column(i, 1, &is_null);

		set_cached(batch, PointerGetDatum(PG_DETOAST_DATUM_PACKED(hash)),
				   cq_query_column(i, 2, &is_null));
	}
	SPI_finish();
	cq_owner_end(&actor);
}

static void
trim(const CqModel *model)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {OIDOID, INT4OID};

	cq_query_run(&plan, "DELETE FROM _cq.model_answer a USING (SELECT o.hash FROM "
				 "_cq.model_answer o WHERE o.model = $1 ORDER BY o.asked_at DESC OFFSET $2) o "
				 "WHERE a.model = $1 AND a.hash = o.hash", 2, types,
				 (Datum[]) {ObjectIdGetDatum(model->destination->relid),
							Int32GetDatum(model->cache)}, SPI_OK_DELETE);
}

void
cq_model_cache_store(ModelTransport *transport, const ModelBatch *batch)
{
	static SPIPlanPtr plan = NULL;
	const CqModel *model = transport->model;
	Oid			types[] = {OIDOID, BYTEAARRAYOID, JSONBARRAYOID};
	Datum	   *hashes = palloc(sizeof(Datum) * Max(batch->nrows, 1));
	Datum	   *answers = palloc(sizeof(Datum) * Max(batch->nrows, 1));
	int			nanswers = 0;
	CqActor		actor;

	for (int i = 0; i < batch->nrows; i++)
	{
		if (batch->rows[i].answer == NULL || batch->rows[i].cached != NULL)
			continue;
		hashes[nanswers] = hash_datum(&batch->rows[i]);
		answers[nanswers++] = JsonbPGetDatum(batch->rows[i].answer);
	}
	if (model->cache == 0 || nanswers == 0)
		return;
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_run(&plan, "INSERT INTO _cq.model_answer (model, hash, answer) SELECT DISTINCT ON "
				 "(n.hash) $1, n.hash, n.answer FROM unnest($2, $3) n (hash, answer) "
				 "ON CONFLICT (model, hash) DO NOTHING", 3, types,
				 (Datum[]) {ObjectIdGetDatum(model->destination->relid),
							array_of(hashes, nanswers, BYTEAOID),
							array_of(answers, nanswers, JSONBOID)}, SPI_OK_INSERT);
	if (transport->nstored == 0 || transport->nstored > model->cache / SLACK)
	{
		trim(model);
		transport->nstored = 0;
	}
	transport->nstored += nanswers;
	SPI_finish();
	cq_owner_end(&actor);
}
