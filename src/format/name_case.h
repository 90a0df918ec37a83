/*
 * name_case.h
 *		Names of fields where the case of letters is ignored: of A to Z, as the server does with
 *		names that are not in quotes. Other letters are what they are.
 */
#ifndef CQ_NAME_CASE_H
#define CQ_NAME_CASE_H

#include "postgres.h"

#include "common/reject.h"

/* What all spellings of a name have in common, palloc'd. */
extern char *cq_name_case_fold(const char *name, Size length);

extern bool cq_name_case_same(const char *a, const char *b, bool ignores_case);

/* Of two fields of one message that are the same so, and a column cannot be of both. */
extern CqReject *cq_name_case_twins(const char *column);

/* Whether there are such among the names (UTF-8) of fields of a type of that name; NULL: none. */
extern CqReject *cq_name_case_check(const char **names, int nnames, const char *type);

#endif							/* CQ_NAME_CASE_H */
