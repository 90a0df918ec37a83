/*
 * http_guard.c
 *		Where requests may go: see http_guard.h.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "http/http.h"
#include "http/http_guard.h"
#include "utils/guc.h"

#define LONGEST_ENTRY 256

static char *allowed = NULL;	/* the setting */

/* An address of either kind as one of IPv6: those of IPv4 are mapped. False for other kinds. */
static bool
as_ipv6(const struct sockaddr *address, struct in6_addr *result)
{
	if (address->sa_family == AF_INET6)
	{
		*result = ((const struct sockaddr_in6 *) address)->sin6_addr;
		return true;
	}
	if (address->sa_family != AF_INET)
		return false;
	memset(result, 0, sizeof(*result));
	result->s6_addr[10] = result->s6_addr[11] = 0xff;
	memcpy(&result->s6_addr[12], &((const struct sockaddr_in *) address)->sin_addr, 4);
	return true;
}

/* A network's address and the bits that count; of an address alone all do. */
static bool
parse_network(const char *text, struct in6_addr *network, int *nbits)
{
	char		address[LONGEST_ENTRY];
	const char *slash = strchr(text, '/');
	struct in_addr ipv4;
	char	   *end;
	long		bits;
	int			most = 128;

	strlcpy(address, text, slash != NULL ? Min((size_t) (slash - text) + 1, sizeof(address)) :
			sizeof(address));
	if (inet_pton(AF_INET, address, &ipv4) == 1)
	{
		struct sockaddr_in mapped = {.sin_family = AF_INET, .sin_addr = ipv4};

		as_ipv6((struct sockaddr *) &mapped, network);
		most = 32;
	}
	else if (inet_pton(AF_INET6, address, network) != 1)
		return false;
	*nbits = 128;
	if (slash == NULL)
		return true;
	bits = strtol(slash + 1, &end, 10);
	if (end == slash + 1 || *end != '\0' || bits < 0 || bits > most)
		return false;
	*nbits = 128 - most + (int) bits;
	return true;
}

static bool
is_within(const struct in6_addr *address, const struct in6_addr *network, int nbits)
{
	int			nbytes = nbits / 8;
	int			rest = nbits % 8;

	if (memcmp(address, network, nbytes) != 0)
		return false;
	return rest == 0 || ((address->s6_addr[nbytes] ^ network->s6_addr[nbytes]) >> (8 - rest)) == 0;
}

/* Of this machine, of the link, of nobody, or of many. */
static bool
is_special(const struct in6_addr *address)
{
	static const char *const networks[] = {
		"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "fe80::/10",
		"ff00::/8",
		/* Ways of writing addresses of IPv4, whatever those are. */
		"::/96", "64:ff9b::/96", "2002::/16"
	};

	for (int i = 0; i < (int) lengthof(networks); i++)
	{
		struct in6_addr network;
		int			nbits;

		if (parse_network(networks[i], &network, &nbits) && is_within(address, &network, nbits))
			return true;
	}
	return false;
}

/* The next entry of the setting, from *place on; false at its end. */
static bool
next_entry(const char **place, char *entry)
{
	size_t		length;

	*place += strspn(*place, ", \t\n");
	length = strcspn(*place, ", \t\n");
	if (length == 0)
		return false;
	strlcpy(entry, *place, Min(length + 1, LONGEST_ENTRY));
	*place += length;
	return true;
}

bool
cq_http_guard_is_open(void)
{
	char		entry[LONGEST_ENTRY];
	const char *place = allowed;

	return allowed != NULL && next_entry(&place, entry);
}

bool
cq_http_guard_allows(const char *host, const struct sockaddr *address)
{
	struct in6_addr target;
	char		entry[LONGEST_ENTRY];
	const char *place = allowed;

	if (allowed == NULL || !as_ipv6(address, &target))
		return false;
	while (next_entry(&place, entry))
	{
		struct in6_addr network;
		int			nbits;

		if (parse_network(entry, &network, &nbits))
		{
			if (is_within(&target, &network, nbits))
				return true;
		}
		else if (pg_strcasecmp(entry, host) == 0 &&
				 (!is_special(&target) || pg_strcasecmp(entry, "localhost") == 0))
			return true;
	}
	return false;
}

static bool
check_allowed(char **value, void **extra, GucSource source)
{
	char		entry[LONGEST_ENTRY];
	const char *place = *value;

	while (place != NULL && next_entry(&place, entry))
	{
		struct in6_addr network;
		int			nbits;

		if (strchr(entry, '/') != NULL && !parse_network(entry, &network, &nbits))
		{
			GUC_check_errdetail("\"%s\" is no network.", entry);
			return false;
		}
	}
	return true;
}

void
cq_http_guard_init(void)
{
	DefineCustomStringVariable("cq.http_allowed",
							   "Hosts, addresses and networks to which URLs of others than "
							   "superusers may lead.",
							   "Separated by commas. Empty: to none. It does not say what a "
							   "server's URL "
							   "may be that belongs to a superuser.",
							   &allowed, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, check_allowed, NULL,
							   NULL);
}
