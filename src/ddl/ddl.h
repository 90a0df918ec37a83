/*
 * ddl.h
 *		The commands: how CREATE, ALTER and DROP of continuous views, and of what stands around
 *		them, are carried out.
 */
#ifndef CQ_DDL_H
#define CQ_DDL_H

#include "postgres.h"

#include "catalog/objectaddress.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "plan/plan.h"
#include "tcop/utility.h"

/* A command on its way through the utility hook: the hook's arguments. */
typedef struct CqCommand
{
	PlannedStmt *pstmt;
	const char *query_string;
	bool		read_only_tree;
	ProcessUtilityContext context;
	ParamListInfo params;
	QueryEnvironment *query_env;
	DestReceiver *dest;
	QueryCompletion *completion;
} CqCommand;

/* ---- grammar.c: the word CONTINUOUS ---- */

extern void cq_grammar_init(void);

/* The query of CREATE VIEW as it was written. */
extern char *cq_grammar_query_text(const char *query_string, int location, int length);

/* Did this statement say CONTINUOUS? Takes location and length as of its PlannedStmt. */
extern bool cq_grammar_statement_is_continuous(const char *query_string, int stmt_location,
											   int stmt_len);

/* Did it say CREATE CONTINUOUS VIEW IF NOT EXISTS? */
extern bool cq_grammar_statement_if_not_exists(const char *query_string, int stmt_location,
											   int stmt_len);

/* Did it say EXPLAIN CONTINUOUS VIEW? To the server it is an EXPLAIN of all columns of the view. */
extern bool cq_grammar_statement_explains(const char *query_string, int stmt_location,
										  int stmt_len);

/* ---- utility.c: which command is ours ---- */

extern void cq_utility_init(void);

/* ---- command.c: what every command of ours does ---- */

/* previous: another extension's hook, or NULL. */
extern void cq_command_init(ProcessUtility_hook_type previous);

/* Is a command part of one of ours, which cq_command_run is about? */
extern bool cq_command_is_inside(void);

/* Hands the command on to whoever comes next: another extension's hook, or the server. */
extern void cq_command_pass_on(CqCommand *command);

/* Does the statement have the word CONTINUOUS? */
extern bool cq_command_said_continuous(const CqCommand *command);

/*
 * The relation that a command names, if that is a continuous view, else InvalidOid; takes no lock.
 */
extern Oid	cq_command_view_named(const RangeVar *name);

/* The command's statement, to be scribbled on: a copy where the tree belongs to somebody else. */
extern Node *cq_command_own_statement(CqCommand *command);

/*
 * Runs a command of ours with the event triggers around it that the server fires around each of its
 * own. Commands that it runs through ProcessUtility in its turn, with PROCESS_UTILITY_SUBCOMMAND,
 * pass the utility hook untouched.
 */
extern void cq_command_run(CqCommand *command, ObjectAddress (*run) (CqCommand *command, void *arg),
						   void *arg);

/* ---- create.c ---- */

/*
 * Creates, or with stmt->replace replaces, a continuous view. stmt is the caller's own copy, to be
 * scribbled on; its options are all but continuous. Runs under cq_command_run, which collects the
 * view for event triggers.
 */
extern ObjectAddress cq_create_view(ViewStmt *stmt, const char *query_string, int stmt_location,
									int stmt_len,
									ParamListInfo params, QueryEnvironment *query_env);

/*
 * SET (list of DefElem) or RESET (their names) of a view's options; the caller has checked
 * ownership and holds a lock.
 */
extern void cq_create_alter_options(Oid view, List *options, bool reset, const char *query_string);

/*
 * The column of the state table that holds this column of the view, one to one, or NULL; palloc'd.
 */
extern char *cq_create_state_column(Oid view, const char *column);

/* ---- explain.c ---- */

/* EXPLAIN CONTINUOUS VIEW. */
extern void cq_explain_run(CqCommand *command);

/* ---- view_part.c ---- */

/* CREATE TABLE, as the server has it after parsing. columns and options are copied, or taken. */
extern CreateStmt *cq_view_part_statement(RangeVar *name, List *columns, List *options);

/*
 * Creates a relation in _cq, owned by owner, which needs no privileges there. columns are of
 * ColumnDef, options of DefElem.
 */
extern Oid	cq_view_part_create(char relkind, char *base, const char *label, List *columns,
								List *options, Oid owner,
								const char *query_string);

/* Drops what is a part of something else; where that is not internal, event triggers hear of it. */
extern void cq_view_part_drop(Oid relid, bool is_internal);

/* ---- part_index.c ---- */

/* An element of an index: the column of that name. */
extern IndexElem *cq_part_index_column(const char *name);

/*
 * Makes an index, of IndexElem *, upon a part of a view that is this transaction's own. Its name
 * ends in label.
 */
extern void cq_part_index_create(Oid table, const char *label, List *elements, bool is_unique);

/* ---- session_index.c ---- */

/* Indexes the new, empty state of a view over sessions. */
extern void cq_session_index_create(Oid state, const CqViewPlan *plan);

/* Of a new table: by the ends of sessions in a column. */
extern void cq_session_index_ends(Oid table, const List *columns, AttrNumber column);

/* ---- replace.c ---- */

/* Raises ERROR where CREATE OR REPLACE VIEW of that name would change a continuous view. */
extern void cq_replace_check(const RangeVar *name);

/* ---- alter.c ---- */

/*
 * ALTER VIEW and ALTER TABLE: our options, and the owner of what belongs to a view or a stream.
 * Passes on the rest.
 */
extern void cq_alter_table(CqCommand *command);

/* ---- stream.c ---- */

/* CREATE FOREIGN TABLE: makes the table behind a stream that is kept in this database. */
extern void cq_stream_create(CqCommand *command);

/* CREATE TABLE in schema _cq, from a dump: drops what has just been made in its place. */
extern void cq_stream_give_way(const CreateStmt *stmt);

/* Drops the table behind a stream where it was never written to; says whether it was there. */
extern bool cq_stream_free_row_type(Oid relid);

/* ---- stream_columns.c ---- */

extern void cq_stream_columns_init(void);

/* CREATE FOREIGN TABLE, of whatever server. */
extern void cq_stream_columns_create(CqCommand *command);

/*
 * Is it an ALTER of a stream that concerns options or types of columns? Then it is carried out by
 * the other one.
 */
extern bool cq_stream_columns_are_altered(const AlterTableStmt *stmt);
extern void cq_stream_columns_alter(CqCommand *command);

/* RENAME of whatever. */
extern void cq_stream_columns_rename(CqCommand *command);

/* ---- whole_row.c ---- */

/* A relation's columns and their types, to be compared with those of a later moment; palloc'd. */
extern char *cq_whole_row_columns(Oid relation);

/* The continuous views (of OIDs) that read a stream. */
extern List *cq_whole_row_readers(Oid stream);

/* Raises ERROR where one of these views keeps rows of the relation as values. */
extern void cq_whole_row_require_none(Oid relation, const List *readers);

/* ---- enum_value.c ---- */

/* ALTER TYPE of an enum. */
extern void cq_enum_value_alter(CqCommand *command);

/* ---- index.c ---- */

/* CREATE INDEX: on a continuous view it is made on the table of its state; else passed on. */
extern void cq_index_create(CqCommand *command);

/* DROP INDEX: gives names of indexes on continuous views the schema that they live in. */
extern void cq_index_find_dropped(CqCommand *command);

/* ---- database.c ---- */

/* Stops the workers of a database that the statement needs to itself, or whose extension goes. */
extern void cq_database_release(const Node *stmt);

/* ---- resume_sink.c ---- */

/*
 * New epochs for all sinks, so that they have nothing to do with those of the database that this
 * one is a copy of. Between SPI_connect and SPI_finish.
 */
extern void cq_resume_sink_renew_all(void);

/* ---- adopt.c ---- */

/* True where this database has the extension's catalog. */
extern bool cq_adopt_has_catalog(void);

/* Makes part go when whole goes, and not before. */
extern void cq_adopt_part(Oid part, Oid whole);

/* Has the server refuse to drop a sink before the view that writes to it. */
extern void cq_adopt_sink(Oid sink, Oid view);

/* The relations that are part of whole: of OIDs. */
extern List *cq_adopt_parts(Oid whole);

/* The relation that part is part of, or InvalidOid. */
extern Oid	cq_adopt_whole(Oid part);

#endif							/* CQ_DDL_H */
