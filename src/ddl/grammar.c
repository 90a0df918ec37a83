/*
 * grammar.c
 *		The word CONTINUOUS, on a server whose grammar cannot be extended.
 *
 * CREATE, ALTER, DROP, COMMENT ON and EXPLAIN CONTINUOUS VIEW are not in the server's grammar, and
 * no hook lies before its raw parser. But the message that holds a statement's text is memory of
 * ours to write, and whatever the server does next allocates memory. So the allocation function of
 * two memory contexts is replaced by one that first looks at debug_query_string, once for each
 * text:
 *
 *		message arrives ─► debug_query_string = text ─► allocation ─► look_at_text ─► raw parser ─► utility hook
 *		                                                              the word skips it finds the
 *		                                                              becomes a comment comment
 *
 * Which allocation comes first depends on how the statement arrives:
 *	- a simple query, and a named Parse: the parser's own, in MessageContext;
 *	- an unnamed Parse that starts a transaction: the transaction's resource owner, in
 *	TopMemoryContext;
 *	- an unnamed Parse within a transaction: none in these, but the previous unnamed statement goes,
 *	and with it a memory
 *	  context on which we have put a callback.
 * What is left is an unnamed Parse in a transaction, in a session that holds no unnamed statement:
 * it meets the syntax error, and a hint with the WITH form.
 *
 * The promise: a text is changed only where the server's own lexer sees a statement begin with the
 * words in question, outside of quotes and comments; the text keeps its length, so that error
 * positions hold; and a text that cannot be lexed is left alone from there on, so that the server
 * reports the error. The statement in pg_stat_activity and in the log carries the comment, and
 * means the same when it is run again. With cq.extended_grammar off nothing is touched. Nothing
 * else depends on this file: CREATE VIEW … WITH (continuous) does without.
 */
#include "postgres.h"

#include <ctype.h>

#include "common/compat.h"
#include "common/guc.h"
#include "common/keywords.h"
#include "ddl/ddl.h"
#include "miscadmin.h"
#include "nodes/memnodes.h"
#include "parser/analyze.h"
#include "parser/scanner.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

/* libpq/auth.h declares it, but wants the headers of Kerberos. */
typedef void (*AuthenticationHook) (struct Port *port, int status);
extern PGDLLIMPORT AuthenticationHook ClientAuthentication_hook;

/*
 * What stands in the place of CONTINUOUS, and of EXISTS in IF NOT EXISTS, which becomes a comment
 * as a whole.
 */
#define WORD		"continuous"
#define WORD_MARK	"/*CONTIN*/"
#define EXISTS_MARK "EXIS*/"

/* EXPLAIN CONTINUOUS VIEW v becomes EXPLAIN TABLE v. */
#define TABLE_MARK	"TABLE/*C*/"
#define VIEW_MARK	"/**/"

StaticAssertDecl(sizeof(WORD) == sizeof(WORD_MARK), "the mark must be as long as the word");
StaticAssertDecl(sizeof("exists") == sizeof(EXISTS_MARK), "the mark must be as long as the word");
StaticAssertDecl(sizeof(WORD) == sizeof(TABLE_MARK), "the mark must be as long as the word");
StaticAssertDecl(sizeof("view") == sizeof(VIEW_MARK), "the mark must be as long as the word");

/* The server's lexer, at one token of a text. */
typedef struct Lexer
{
	core_yy_extra_type extra;
	core_yyscan_t scanner;
	const char *text;
	int			token;			/* 0 at the end */
	int			location;		/* of the token, in bytes */
} Lexer;

/* Where the words stand with which a statement begins, each -1 where it does not. */
typedef struct StatementHead
{
	int			word;			/* CONTINUOUS */
	int			view;			/* VIEW */
	int			before_view;	/* end of the word before these */
	bool		explains;		/* it began with EXPLAIN */
} StatementHead;

static MemoryContextMethods top_methods;
static MemoryContextMethods message_methods;
static const MemoryContextMethods *top_original = NULL;
static const MemoryContextMethods *message_original = NULL;
static const char *seen = NULL; /* the debug_query_string last looked at */

static AuthenticationHook previous_authentication = NULL;
static post_parse_analyze_hook_type previous_post_parse_analyze = NULL;
static emit_log_hook_type previous_emit_log = NULL;

/* ---- lexing ---- */

static void
lexer_next(Lexer *lexer)
{
	core_YYSTYPE value;

	lexer->token = core_yylex(&value, &lexer->location, lexer->scanner);
}

/* Allocates in CurrentMemoryContext, and may raise ERROR, as every step. */
static void
lexer_start(Lexer *lexer, const char *text)
{
	lexer->text = text;
	lexer->scanner = scanner_init(text, &lexer->extra, &ScanKeywords, ScanKeywordTokens);
	lexer->extra.escape_string_warning = false; /* the parser will warn */
	lexer_next(lexer);
}

static bool
is_word_byte(unsigned char byte)
{
	return isalnum(byte) || byte == '_' || byte == '$' || IS_HIGHBIT_SET(byte);
}

/* True where the token is this word, unquoted. */
static bool
at_word(const Lexer *lexer, const char *word)
{
	const char *start = lexer->text + lexer->location;
	size_t		length = strlen(word);

	return lexer->token != 0 &&
		pg_strncasecmp(start, word, length) == 0 && !is_word_byte((unsigned char) start[length]);
}

static bool
skip_word(Lexer *lexer, const char *word)
{
	if (!at_word(lexer, word))
		return false;
	lexer_next(lexer);
	return true;
}

/*
 * Skips a word that may stand between CREATE and VIEW, in any order: the parser judges. *end
 * becomes its end.
 */
static bool
skip_create_word(Lexer *lexer, int *end)
{
	static const char *const words[] = {"or", "replace", "local", "global", "temporary", "temp",
										"unlogged", "recursive"};

	for (size_t i = 0; i < lengthof(words); i++)
	{
		int			location = lexer->location;

		if (skip_word(lexer, words[i]))
		{
			*end = location + strlen(words[i]);
			return true;
		}
	}
	return false;
}

/* Skips what may stand behind EXPLAIN: the words of old, or options in parentheses. */
static void
skip_explain_options(Lexer *lexer)
{
	int			depth = 0;

	while (skip_word(lexer, "analyze") || skip_word(lexer, "analyse") ||
		   skip_word(lexer, "verbose"))
		;
	if (lexer->token != '(')
		return;
	do
	{
		depth += lexer->token == '(' ? 1 : lexer->token == ')' ? -1 : 0;
		lexer_next(lexer);
	} while (depth > 0 && lexer->token != 0 && lexer->token != ';');
}

/* Reads the first words of a statement, up to VIEW and no further. */
static void
read_head(Lexer *lexer, StatementHead *head)
{
	int			verb = lexer->location;

	memset(head, -1, sizeof(StatementHead));
	head->explains = false;
	if (skip_word(lexer, "create"))
	{
		head->before_view = verb + strlen("create");
		while (skip_create_word(lexer, &head->before_view))
			;
	}
	else if (skip_word(lexer, "alter"))
		head->before_view = verb + strlen("alter");
	else if (skip_word(lexer, "drop"))
		head->before_view = verb + strlen("drop");
	else if (skip_word(lexer, "explain"))
	{
		head->explains = true;
		skip_explain_options(lexer);
		head->before_view = lexer->location;
	}
	else if (skip_word(lexer, "comment"))
	{
		head->before_view = lexer->location + strlen("on");
		if (!skip_word(lexer, "on"))
			return;
	}
	else
		return;

	if (at_word(lexer, WORD))
	{
		head->word = lexer->location;
		lexer_next(lexer);
	}
	if (at_word(lexer, "view"))
		head->view = lexer->location;
}

/* Behind VIEW: where IF NOT EXISTS begins and ends, false where it does not stand. */
static bool
read_if_not_exists(Lexer *lexer, int *start, int *end)
{
	lexer_next(lexer);
	*start = lexer->location;
	if (!skip_word(lexer, "if") || !skip_word(lexer, "not") || !at_word(lexer, "exists"))
		return false;
	*end = lexer->location + strlen("exists");
	return true;
}

/* ---- the query of a statement ---- */

/*
 * What stands behind the first AS that is in no parentheses, which are those of columns and
 * options.
 */
char *
cq_grammar_query_text(const char *query_string, int location, int length)
{
	const char *start = query_string + Max(location, 0);
	char	   *text = pnstrdup(start, length > 0 ? length : (int) strlen(start));
	Lexer		lexer;
	int			depth = 0;

	lexer_start(&lexer, text);
	while (lexer.token != 0 && (depth > 0 || !at_word(&lexer, "as")))
	{
		depth += lexer.token == '(' ? 1 : lexer.token == ')' ? -1 : 0;
		lexer_next(&lexer);
	}
	if (lexer.token == 0)
		return NULL;
	text += lexer.location + strlen("as");
	text += strspn(text, " \t\n\r\f");
	for (length = strlen(text); length > 0 && strchr(" \t\n\r\f;", text[length - 1]); length--)
		text[length - 1] = '\0';
	return text;
}

/* ---- rewriting ---- */

static void
mark(char *text, int location, const char *mark)
{
	memcpy(text + location, mark, strlen(mark));
}

/*
 * Marks each statement of the text that begins so. On ERROR from the lexer, those before the place
 * are marked: the parser comes to the same place, and reports it.
 */
static void
mark_statements(char *text)
{
	Lexer		lexer;
	StatementHead head;
	int			start;
	int			end;

	lexer_start(&lexer, text);
	while (lexer.token != 0)
	{
		read_head(&lexer, &head);
		if (head.word >= 0 && head.view >= 0 && head.explains)
		{
			mark(text, head.word, TABLE_MARK);
			mark(text, head.view, VIEW_MARK);
		}
		else if (head.word >= 0 && head.view >= 0)
		{
			mark(text, head.word, WORD_MARK);
			if (read_if_not_exists(&lexer, &start, &end))
			{
				mark(text, start, "/*");
				mark(text, end - strlen(EXISTS_MARK), EXISTS_MARK);
			}
		}
		while (lexer.token != 0 && lexer.token != ';')
			lexer_next(&lexer);
		if (lexer.token == ';')
			lexer_next(&lexer);
	}
}

/* The cheap test: most texts end here. */
static bool
has_word(const char *text)
{
	while ((text = strpbrk(text, "cC")) != NULL)
	{
		if (pg_strncasecmp(text, WORD, strlen(WORD)) == 0)
			return true;
		text++;
	}
	return false;
}

/*
 * Runs mark_statements where an allocation happens to be under way: leaves no memory behind, says
 * nothing to the client (the parser will say it again), and swallows the lexer's errors.
 */
static void
mark_quietly(char *text)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext lexing = AllocSetContextCreate(TopMemoryContext, "cq lexing",
												 ALLOCSET_DEFAULT_SIZES);
	uint32		holdoff = InterruptHoldoffCount;
	uint32		cancel_holdoff = QueryCancelHoldoffCount;
	int			client_level = client_min_messages;
	int			server_level = log_min_messages;

	PG_TRY();
	{
		error_context_stack = NULL;
		client_min_messages = ERROR;
		log_min_messages = ERROR;
		MemoryContextSwitchTo(lexing);
		mark_statements(text);
	}
	PG_CATCH();
	{
		/* Everything the lexer does is memory, so that there is nothing to roll back. */
		FlushErrorState();
		InterruptHoldoffCount = holdoff;
		QueryCancelHoldoffCount = cancel_holdoff;
	}
	PG_END_TRY();
	client_min_messages = client_level;
	log_min_messages = server_level;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(lexing);
}

static void
look_at_text(void *unused)
{
	if (debug_query_string == NULL || debug_query_string == seen)
		return;
	seen = debug_query_string;	/* before anything here allocates */
	if (cq_extended_grammar && has_word(debug_query_string))
		mark_quietly(unconstify(char *, debug_query_string));
}

/* ---- what calls it ---- */

static void *
message_alloc(CQ_ALLOC_PARAMETERS)
{
	look_at_text(NULL);
	return message_original->alloc(CQ_ALLOC_ARGUMENTS);
}

/* The next message may lie at the same address. */
static void
message_reset(MemoryContext context)
{
	seen = NULL;
	message_original->reset(context);
}

static void
watch_messages(void)
{
	message_original = MessageContext->methods;
	message_methods = *message_original;
	message_methods.alloc = message_alloc;
	message_methods.reset = message_reset;
	MessageContext->methods = &message_methods;
}

static void *
top_alloc(CQ_ALLOC_PARAMETERS)
{
	if (message_original == NULL && MessageContext != NULL)
		watch_messages();
	look_at_text(NULL);
	return top_original->alloc(CQ_ALLOC_ARGUMENTS);
}

static void
watch_session(void)
{
	top_original = TopMemoryContext->methods;
	top_methods = *top_original;
	top_methods.alloc = top_alloc;
	TopMemoryContext->methods = &top_methods;
}

static void
authentication(struct Port *port, int status)
{
	if (previous_authentication)
		previous_authentication(port, status);
	if (top_original == NULL)
		watch_session();
}

/*
 * An unnamed statement lives in a context of its own below MessageContext until the next one is
 * parsed.
 */
static void
post_parse_analyze(ParseState *pstate, Query *query, JumbleState *jstate)
{
	if (previous_post_parse_analyze)
		previous_post_parse_analyze(pstate, query, jstate);
	if (message_original != NULL && CurrentMemoryContext->parent == MessageContext)
	{
		MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

		callback->func = look_at_text;
		MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	}
}

/*
 * A syntax error at the word: the message has it in quotes, and so in two of them where it is
 * quoted itself.
 */
static bool
is_at_word(const ErrorData *edata)
{
	const char *word = edata->message ? strcasestr(edata->message, "\"" WORD "\"") : NULL;

	return word != NULL && (word == edata->message || word[-1] != '"');
}

static bool
explains(const ErrorData *edata)
{
	const char *text = edata->internalquery ? edata->internalquery : debug_query_string;

	return text != NULL && strcasestr(text, "explain") != NULL &&
		strcasestr(text, "create") == NULL;
}

/* Where the word could not be taken out (functions, DO) the syntax error says what to write. */
static void
emit_log(ErrorData *edata)
{
	if (edata->sqlerrcode == ERRCODE_SYNTAX_ERROR && edata->hint == NULL && is_at_word(edata))
		edata->hint = MemoryContextStrdup(edata->assoc_context,
										  explains(edata) ? "Write SELECT * FROM cq.explain(...)." :
										  "Write CREATE VIEW ... WITH (continuous) AS ..., or "
										  "ALTER or DROP VIEW.");
	if (previous_emit_log)
		previous_emit_log(edata);
}

/* ---- what others see ---- */

/* Does the mark stand in text[from .. to]? */
static bool
has_mark_between(const char *text, const char *mark, int from, int to)
{
	const char *found = strstr(text + from, mark);

	return found != NULL && found < text + to;
}

/* Lexes the head of a marked statement, up to VIEW; false where it is none. */
static bool
start_marked(Lexer *lexer, StatementHead *head, const char *query_string, int stmt_location,
			 int stmt_len)
{
	const char *start;

	if (query_string == NULL || strstr(query_string, WORD_MARK) == NULL)
		return false;
	start = query_string + Max(stmt_location, 0);
	lexer_start(lexer, stmt_len > 0 ? pnstrdup(start, stmt_len) : start);
	read_head(lexer, head);
	return head->view >= 0 && has_mark_between(lexer->text, WORD_MARK, head->before_view,
											   head->view);
}

bool
cq_grammar_statement_is_continuous(const char *query_string, int stmt_location, int stmt_len)
{
	Lexer		lexer;
	StatementHead head;

	return start_marked(&lexer, &head, query_string, stmt_location, stmt_len);
}

bool
cq_grammar_statement_if_not_exists(const char *query_string, int stmt_location, int stmt_len)
{
	Lexer		lexer;
	StatementHead head;

	if (!start_marked(&lexer, &head, query_string, stmt_location, stmt_len))
		return false;
	lexer_next(&lexer);
	return has_mark_between(lexer.text, EXISTS_MARK, head.view, lexer.location);
}

bool
cq_grammar_statement_explains(const char *query_string, int stmt_location, int stmt_len)
{
	const char *start;
	Lexer		lexer;
	StatementHead head;

	if (query_string == NULL || strstr(query_string, TABLE_MARK) == NULL)
		return false;
	start = query_string + Max(stmt_location, 0);
	lexer_start(&lexer, stmt_len > 0 ? pnstrdup(start, stmt_len) : start);
	read_head(&lexer, &head);
	return head.explains &&
		strncmp(lexer.text + lexer.location, TABLE_MARK, strlen(TABLE_MARK)) == 0;
}

void
cq_grammar_init(void)
{
	if (process_shared_preload_libraries_in_progress)
	{
		previous_authentication = ClientAuthentication_hook;
		ClientAuthentication_hook = authentication;
	}
	else if (MyProcPort != NULL)
		watch_session();		/* loaded by a session for itself */

	previous_post_parse_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = post_parse_analyze;
	previous_emit_log = emit_log_hook;
	emit_log_hook = emit_log;
}
