/*
 * closest.c
 *		The name that somebody may have meant: see closest.h.
 *
 * As the server does it for its own options from 16 on: at most four changes, and not more than
 * half of the name. Differences of case and of hyphens for underscores are none.
 */
#include "postgres.h"

#include "common/closest.h"
#include "utils/varlena.h"

#define MAX_DISTANCE	4
#define MAX_LENGTH		63		/* longer names are not looked at:
	the server raises an error for 255 */

static char *
simplify(const char *name)
{
	char	   *simple = pstrdup(name);

	for (char *c = simple; *c != '\0'; c++)
		*c = *c == '-' ? '_' : pg_ascii_tolower((unsigned char) *c);
	return simple;
}

void
cq_closest_init(CqClosest *closest, const char *given)
{
	closest->given = simplify(given);
	closest->best = NULL;
	closest->distance = Min(MAX_DISTANCE, (int) strlen(given) / 2) + 1;
}

void
cq_closest_try(CqClosest *closest, const char *name)
{
	char	   *simple;
	int			distance;

	if (strlen(closest->given) > MAX_LENGTH || strlen(name) > MAX_LENGTH || closest->distance == 0)
		return;
	simple = simplify(name);
	distance = varstr_levenshtein_less_equal(closest->given, strlen(closest->given), simple,
											 strlen(simple),
											 1, 1, 1, closest->distance - 1, true);
	if (distance < closest->distance)
	{
		closest->best = name;
		closest->distance = distance;
	}
}

const char *
cq_closest_hint(const CqClosest *closest)
{
	return closest->best != NULL ? psprintf("Perhaps you meant the option \"%s\". ",
											closest->best) : "";
}
