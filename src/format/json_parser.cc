/*
 * json_parser.cc
 *		simdjson behind a C interface: see json_parser.h.
 *
 * Only simdjson's first stage is used: the vectorized pass that finds the tokens, chosen for this CPU at run time. The
 * second, which would build a document, is replaced by json_walk.c: it checks the whole grammar, as the on-demand
 * interface does not for what is skipped, and makes no copy of anything, as the DOM does. The first stage
 * reads no byte behind the message, so that no padded copy is needed either. It is the same call from simdjson 1.0 to 4.
 *
 * Nothing may leave this file by an exception: simdjson is called through its error codes only, and allocations
 * do not throw.
 */
#include "format/json_parser.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <new>

#include <simdjson.h>

/* Messages are rarely larger: the index of one so large takes 1 MB. */
static constexpr size_t usual_capacity = 256 * 1024;

struct CqJsonParser
{
	std::unique_ptr<simdjson::internal::dom_parser_implementation> stage;
	size_t		capacity;
};

static bool
reserve(CqJsonParser *parser, size_t capacity) noexcept
{
	parser->stage.reset();
	parser->capacity = 0;
	if (simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1, parser->stage) != simdjson::SUCCESS)
		return false;
	parser->capacity = capacity;
	return true;
}

CqJsonParser *
cq_json_parser_create(void)
{
	CqJsonParser *parser = new (std::nothrow) CqJsonParser();

	if (parser != nullptr && !reserve(parser, usual_capacity))
	{
		delete parser;
		return nullptr;
	}
	return parser;
}

void
cq_json_parser_free(CqJsonParser *parser)
{
	delete parser;
}

void
cq_json_parser_trim(CqJsonParser *parser)
{
	/* If even the usual room cannot be had, the next message tries again. */
	if (parser->capacity > usual_capacity)
		(void) reserve(parser, usual_capacity);
}

CqJsonIndexResult
cq_json_parser_index(CqJsonParser *parser, const char *text, uint32_t length, const uint32_t **index, uint32_t *nindex)
{
	simdjson::error_code error;

	if (length > parser->capacity && !reserve(parser, std::max<size_t>(length, usual_capacity)))
		return CQ_JSON_NO_MEMORY;
	if (length == 0)
		return CQ_JSON_EMPTY;

	error = parser->stage->stage1(reinterpret_cast<const uint8_t *>(text), length, simdjson::stage1_mode::regular);
	switch (error)
	{
		case simdjson::SUCCESS:
			*index = parser->stage->structural_indexes.get();
			*nindex = parser->stage->n_structural_indexes;
			return *nindex > 0 && (*index)[*nindex - 1] < length ? CQ_JSON_INDEXED : CQ_JSON_FAILED;
		case simdjson::EMPTY:
			return CQ_JSON_EMPTY;
		case simdjson::UTF8_ERROR:
			return CQ_JSON_NOT_UTF8;
		case simdjson::UNCLOSED_STRING:
			return CQ_JSON_UNCLOSED_STRING;
		case simdjson::UNESCAPED_CHARS:
			return CQ_JSON_CONTROL_CHARACTER;
		case simdjson::MEMALLOC:
			return CQ_JSON_NO_MEMORY;
		default:
			return CQ_JSON_FAILED;
	}
}

template <typename Number>
static bool
nearest(const char *text, size_t length, Number *number) noexcept
{
	auto		result = std::from_chars(text, text + length, *number);

	return result.ec == std::errc() && result.ptr == text + length;
}

bool
cq_json_parser_double(const char *text, size_t length, double *number)
{
	return nearest(text, length, number);
}

bool
cq_json_parser_float(const char *text, size_t length, float *number)
{
	return nearest(text, length, number);
}
