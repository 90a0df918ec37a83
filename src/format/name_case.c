/*
 * name_case.c
 *		Names of fields where the case of letters is ignored: see name_case.h.
 *
 * Decides that of two names that are one then, none is better than the other, not even the one that
 * is spelt as the column is: which of them a column had would hang on which of them a message has.
 */
#include "postgres.h"

#include "format/name_case.h"
#include "mb/pg_wchar.h"

char *
cq_name_case_fold(const char *name, Size length)
{
	char	   *folded = pnstrdup(name, length);

	for (char *c = folded; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	return folded;
}

static int
compare_folded(const char *a, const char *b)
{
	for (; *a != '\0' || *b != '\0'; a++, b++)
	{
		unsigned char left = pg_ascii_tolower((unsigned char) *a);
		unsigned char right = pg_ascii_tolower((unsigned char) *b);

		if (left != right)
			return left < right ? -1 : 1;
	}
	return 0;
}

bool
cq_name_case_same(const char *a, const char *b, bool ignores_case)
{
	return (ignores_case ? compare_folded(a, b) : strcmp(a, b)) == 0;
}

CqReject *
cq_name_case_twins(const char *column)
{
	return cq_reject(ERRCODE_DATA_EXCEPTION,
					 "field \"%s\" is there more than once, by names that differ by case only",
					 column);
}

static int
compare_names(const void *a, const void *b)
{
	return compare_folded(*(const char *const *) a, *(const char *const *) b);
}

CqReject *
cq_name_case_check(const char **names, int nnames, const char *type)
{
	CqReject   *reject = NULL;
	const char **sorted;

	if (nnames < 2)
		return NULL;
	sorted = palloc(sizeof(char *) * nnames);
	memcpy(sorted, names, sizeof(char *) * nnames);
	qsort(sorted, nnames, sizeof(char *), compare_names);
	for (int i = 1; i < nnames && reject == NULL; i++)
	{
		if (compare_folded(sorted[i - 1], sorted[i]) == 0)
			reject = cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
							   "two fields of type \"%s\" have names that differ by case only, "
							   "which the stream ignores: \"%s\"", type,
							   pg_any_to_server(cq_name_case_fold(sorted[i], strlen(sorted[i])),
												strlen(sorted[i]), PG_UTF8));
	}
	pfree(sorted);
	return reject;
}
