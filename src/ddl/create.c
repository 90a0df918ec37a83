/*
 * create.c
 *		CREATE CONTINUOUS VIEW.
 */
#include "postgres.h"

#include "ddl/ddl.h"

ObjectAddress
cq_view_create(ViewStmt *stmt, const char *query_string, int stmt_location, int stmt_len,
			   ParamListInfo params, QueryEnvironment *query_env)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("continuous view \"%s\" cannot be created yet", stmt->view->relname)));
	return InvalidObjectAddress;
}

void
cq_view_alter_options(Oid view, List *options, bool reset)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("options of a continuous view cannot be changed yet")));
}

char *
cq_view_state_column(Oid view, const char *column)
{
	return NULL;
}
