/*
 * pg_cq.c
 *		Module entry: calls each room's init, nothing else.
 */
#include "postgres.h"

#include "fmgr.h"

#include "common/guc.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	cq_guc_init();
}
