/*
 * session.h
 *		The settings of our own processes.
 */
#ifndef CQ_SESSION_H
#define CQ_SESSION_H

/*
 * Sets what our statements depend on: what the database or the server say for sessions is not meant for them. Again after each reload
 * of the configuration.
 */
extern void cq_session_apply_settings(void);

#endif							/* CQ_SESSION_H */
