/*
 * options.h
 *		Options with a name and a text for a value: which ones there are at a place, and what their
 *		values may be.
 */
#ifndef CQ_OPTIONS_H
#define CQ_OPTIONS_H

#include "postgres.h"

#include "common/reject.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* NULL where the value may stand. */
typedef CqReject *(*CqOptionCheck) (const char *name, const char *value);

/* With neither a check, nor choices, nor numbers it takes any text. */
typedef struct CqOptionRule
{
	const char *name;
	int			places;			/* bits, given their meaning by whoever keeps the table */
	CqOptionCheck check;
	const char *const *choices; /* in place of check: one of these, of which the last is NULL */
	int			least;			/* in place of check, where most is not 0: a number */
	int			most;
} CqOptionRule;

/* The value that a list of DefElem has for a name; NULL: none, or it is to be dropped. */
extern const char *cq_options_value(const List *options, const char *name);

/* The rule for name at place (one bit), or NULL. */
extern const CqOptionRule *cq_options_find(const CqOptionRule *rules, int nrules, int place,
										   const char *name);

/* NULL where the value may stand. */
extern CqReject *cq_options_check(const CqOptionRule *rule, const char *value);

/* The names that are valid at place, with commas between, for a hint. */
extern char *cq_options_names(const CqOptionRule *rules, int nrules, int place);

/* Says that value is not one for the option name. A hint should follow. */
extern CqReject *cq_options_bad_value(const char *name, const char *value);

/* One of choices, which ends with NULL; *choice is its index. */
extern CqReject *cq_options_choice(const char *name, const char *value, const char *const *choices,
								   int *choice);

/* A number between the two, both included. */
extern CqReject *cq_options_number(const char *name, const char *value, int least, int most,
								   int *number);

/* The number that the options (of DefElem) have for a name; where they have none it stays. */
extern void cq_options_read_number(const List *options, const char *name, int *number);

/* As CqOptionCheck: a boolean; certificates or a key, as text. */
extern CqReject *cq_options_check_boolean(const char *name, const char *value);
extern CqReject *cq_options_check_pem(const char *name, const char *value);

/* Reads value as the server reads an interval, but says false instead of raising an error. */
extern bool cq_options_parse_interval(const char *value, Interval *interval);

/*
 * A length of time, as an interval without months and years, or a number of seconds; not negative.
 */
extern CqReject *cq_options_interval(const char *name, const char *value, int64 *microseconds);

#endif							/* CQ_OPTIONS_H */
