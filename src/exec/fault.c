/*
 * fault.c
 *		Errors, by whose fault they are: see fault.h.
 */
#include "postgres.h"

#include "exec/fault.h"

/* SQLSTATEs that the standard leaves to applications: a function of the user's said so. */
static bool
is_of_application(int sqlerrcode)
{
	return strchr("689IJKLMNOQRSTUVWYZ", *unpack_sql_state(sqlerrcode)) != NULL;
}

bool
cq_fault_is_about_data(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case MAKE_SQLSTATE('2', '0', '0', '0', '0'):	/* no WHEN of a CASE in PL/pgSQL for it */
		case MAKE_SQLSTATE('2', '1', '0', '0', '0'):	/* cardinality: a sub-select gave two rows for this one */
		case MAKE_SQLSTATE('2', '2', '0', '0', '0'):	/* data exception */
		case MAKE_SQLSTATE('2', '3', '0', '0', '0'):	/* integrity constraint */
		case MAKE_SQLSTATE('2', 'F', '0', '0', '0'):	/* a function that ended without RETURN */
		case MAKE_SQLSTATE('3', '8', '0', '0', '0'):	/* external routine */
		case MAKE_SQLSTATE('3', '9', '0', '0', '0'):
		case MAKE_SQLSTATE('5', '4', '0', '0', '0'):	/* program limit: row too big, stack depth */
		case MAKE_SQLSTATE('P', '0', '0', '0', '0'):	/* raised in PL/pgSQL */
			return true;
		default:
			/* Extensions say of a value that it is an internal error; the server, of a unit or a path in it, that it is not supported. */
			return sqlerrcode == ERRCODE_INTERNAL_ERROR || sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED ||
				is_of_application(sqlerrcode);
	}
}

bool
cq_fault_is_transient(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case MAKE_SQLSTATE('0', '8', '0', '0', '0'):	/* connection: a foreign table that is looked up */
		case MAKE_SQLSTATE('4', '0', '0', '0', '0'):	/* serialization, deadlock */
		case MAKE_SQLSTATE('5', '3', '0', '0', '0'):	/* memory, disk */
		case MAKE_SQLSTATE('5', '7', '0', '0', '0'):	/* canceled, shutting down */
		case MAKE_SQLSTATE('5', '8', '0', '0', '0'):	/* system */
			return true;
		default:
			return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
	}
}
