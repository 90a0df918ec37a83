/*
 * signing.h
 *		Signatures of requests, of which the other side has the key too.
 */
#ifndef CQ_SIGNING_H
#define CQ_SIGNING_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "pgtime.h"

#define CQ_SIGNING_BYTES 32

/* HMAC-SHA256 of two texts, one after the other; outside of transactions as well. */
extern void cq_signing_hmac(const void *key, Size key_length, const char *first,
							const char *second, Size second_length, uint8 *signature);

typedef struct CqAwsRequest
{
	const char *place;			/* region/service */
	const char *user;			/* an access key */
	const char *password;		/* its secret */
	const char *method;
	const char *url;
	const char *body;			/* NULL: none */
	Size		body_length;
	pg_time_t	time;			/* seconds since 1970 */
} CqAwsRequest;

/*
 * The headers that sign a request as AWS wants it, version 4, added to those that it has: all that
 * begin with X-Amz- are signed. palloc'd.
 */
extern List *cq_signing_aws(List *headers, const CqAwsRequest *request);

#endif							/* CQ_SIGNING_H */
