/*
 * registry.h
 *		The schema registry: what it says is asked for once, kept as long as the process lives, and
 *		never waited for but where that is said.
 *
 * What it holds under a number, or as a version of a subject, does not change. So an answer is kept
 * for good; that there is no such schema, for some minutes. Anything else (the registry is away,
 * refuses, or says what cannot be understood) is trouble: it is asked again after 1, 2, 4 … 30 s,
 * whenever somebody wants to know.
 */
#ifndef CQ_REGISTRY_H
#define CQ_REGISTRY_H

#include "postgres.h"

#include "http/http.h"
#include "nodes/pg_list.h"

typedef struct CqRegistry CqRegistry;

typedef struct CqRegistryConfig
{
	List	   *urls;			/* of char *: the same registry at several places */
	CqHttpIdentity identity;
	bool		is_trusted;		/* see CqHttpRequest */
} CqRegistryConfig;

typedef enum CqRegistryState
{
	CQ_REGISTRY_ASKED,
	CQ_REGISTRY_HERE,
	CQ_REGISTRY_UNKNOWN			/* there is no such schema */
} CqRegistryState;

/* What is to be done about a schema that is not registered under its subject. */
typedef enum CqRegistryAbsent
{
	CQ_REGISTRY_LEAVE,
	CQ_REGISTRY_REGISTER,
	CQ_REGISTRY_CHECK			/* the same, once the registry says that it goes with the latest */
} CqRegistryAbsent;

/* A schema, and what it refers to. */
typedef struct CqRegistrySchema
{
	const char *type;			/* AVRO, PROTOBUF, JSON */
	int64		id;				/* 0: not said */
	/*
	 * of char *: what it refers to, in an order in which each comes before what refers to it, and
	 * it itself
	 */
	List	   *texts;
	List	   *names;			/* of char *: by which each is referred to; of it itself, "" */
} CqRegistrySchema;

/* The one with this configuration; lives as long as the process. */
extern CqRegistry *cq_registry_get(const CqRegistryConfig *config);

/* Where it is, for messages. */
extern const char *cq_registry_name(const CqRegistry *registry);

/*
 * The schema of a number, or of a path within the registry's interface
 * ("subjects/s/versions/latest"). Waits for nothing: where it is not here it has been asked for,
 * and *trouble, unless NULL, says why it could not be had so far, or is NULL. *schema is palloc'd;
 * the texts are the registry's.
 */
extern CqRegistryState cq_registry_by_id(CqRegistry *registry, uint32 id, CqRegistrySchema *schema,
										 const char **trouble);

/* The same by its GUID, as text. A registry that knows nothing of GUIDs does not have it. */
extern CqRegistryState cq_registry_by_guid(CqRegistry *registry, const char *guid,
										   CqRegistrySchema *schema, const char **trouble);

/*
 * For statements: waits, and raises ERROR where there is trouble. Forgets what it knew where
 * is_fresh. False: there is no such schema.
 */
extern bool cq_registry_fetch(CqRegistry *registry, const char *path, bool is_fresh,
							  CqRegistrySchema *schema);

/*
 * The number that a schema of a type has under a subject, or gets where absent says so. False: it
 * has none, or the registry does not take it, for a reason in its own words. Waits as above.
 */
extern bool cq_registry_number(CqRegistry *registry, const char *subject, const char *type,
							   const char *text, CqRegistryAbsent absent, uint32 *id,
							   char **reason);

/*
 * The same for whoever cannot wait: CQ_REGISTRY_HERE, or else it has been asked, and is asked
 * again; *trouble says why it could not be had so far, in the registry's own words, or is NULL.
 */
extern CqRegistryState cq_registry_ask_number(CqRegistry *registry, const char *subject,
											  const char *type, const char *text,
											  CqRegistryAbsent absent, uint32 *id,
											  const char **trouble);

/* The subjects that it has, of char *. Waits as above. */
extern List *cq_registry_subjects(CqRegistry *registry);

#endif							/* CQ_REGISTRY_H */
