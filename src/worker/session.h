/*
 * session.h
 *		The settings of our own processes.
 */
#ifndef CQ_SESSION_H
#define CQ_SESSION_H

/* Lets pg_stat_activity say who this is, and that it works: from its first moment on. */
extern void cq_session_show(void);

/* From now on this process is told when the configuration was changed; at first it always is. */
extern void cq_session_watch_configuration(void);

/* Reads the configuration again where that was asked for; then true. */
extern bool cq_session_reload(void);

/*
 * Sets what our statements depend on: what the database or the server say for sessions is not meant
 * for them. Again after each reload of the configuration.
 */
extern void cq_session_apply_settings(void);

/* The same for the emitter, whose commits wait as the server is set. */
extern void cq_session_apply_emitter_settings(void);

#endif							/* CQ_SESSION_H */
