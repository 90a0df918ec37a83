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

/*
 * The text with stars in their place, in whichever case their letters are; palloc'd, or the text
 * itself where none is in it.
 */
extern char *cq_secrets_strike(const CqSecrets *secrets, char *text);

/*
 * The same of bytes, which need be no text. Of those that are cut the end may be the beginning of a
 * secret, and is struck too. Zero-terminated where it is palloc'd.
 */
extern const char *cq_secrets_strike_bytes(const CqSecrets *secrets, const char *bytes,
										   Size *length, bool is_cut);

#endif							/* CQ_SECRETS_H */
