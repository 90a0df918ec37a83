/*
 * http_guard.h
 *		Where requests may go whose URL somebody wrote who need not be trusted.
 *
 * The setting cq.http_allowed lists names of hosts, addresses and networks (10.1.0.0/16). A request
 * may go to an address in a listed network, or to a listed host, by whatever address that has, but
 * for those of this machine and of the link: a name that somebody else serves could say 127.0.0.1.
 * These are listed as addresses, or "localhost" by name.
 */
#ifndef CQ_HTTP_GUARD_H
#define CQ_HTTP_GUARD_H

#include "postgres.h"

#include <sys/socket.h>

/* Nothing here raises an error or uses palloc: it is called within libcurl. */

/* Does the setting list anything at all? */
extern bool cq_http_guard_is_open(void);

/* May a request to that host, a name or an address as in a URL, connect to this address? */
extern bool cq_http_guard_allows(const char *host, const struct sockaddr *address);

#endif							/* CQ_HTTP_GUARD_H */
