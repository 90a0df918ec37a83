/*
 * compat.h
 *		What differs between PostgreSQL 15 and 18, in one place.
 *
 * This is the only file that tests PG_VERSION_NUM. It offers the newest server's name and arguments, and maps
 * them to what older servers have.
 */
#ifndef CQ_COMPAT_H
#define CQ_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "pg_cq needs PostgreSQL 15 or newer"
#endif

#endif							/* CQ_COMPAT_H */
