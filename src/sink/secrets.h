/*
 * secrets.h
 *		Secrets that a destination knows, and may say again: they are struck from what is kept of
 *		its answers, and from what is said for people.
 */
#ifndef CQ_SECRETS_H
#define CQ_SECRETS_H

#include "postgres.h"

typedef struct CqSecrets CqSecrets;

/* In CurrentMemoryContext. */
extern CqSecrets *cq_secrets_make(void);

/* Also as it is written in JSON and in a URL. Where it is NULL there is none. */
extern void cq_secrets_add(CqSecrets *secrets, const char *secret);

/* User and password as a header has them. */
extern void cq_secrets_add_basic(CqSecrets *secrets, const char *user, const char *password);

/* The text with stars in their place; palloc'd, or the text itself where none is in it. */
extern char *cq_secrets_strike(const CqSecrets *secrets, char *text);

#endif							/* CQ_SECRETS_H */
