/*
 * floor_json.cc
 *		Takes three fields out of a bid, with simdjson: the least that a windowed query has to know of it.
 *
 * The text is copied first, since simdjson reads a little past its end and a message's buffer belongs to librdkafka.
 */
#include <cstring>

#include <simdjson.h>

#include "floor_json.h"

static const size_t max_size = 1 << 20;

extern "C" int
floor_json_parse(const char *text, size_t size, FloorBid *bid)
{
	static simdjson::ondemand::parser parser;
	static char buffer[max_size + simdjson::SIMDJSON_PADDING];
	simdjson::ondemand::document document;
	simdjson::ondemand::object object;
	std::string_view time;

	if (size > max_size)
		return -1;
	memcpy(buffer, text, size);
	if (parser.iterate(buffer, size, sizeof(buffer)).get(document) || document.get_object().get(object))
		return -1;
	if (object.find_field("auction").get_int64().get(bid->auction) ||
		object.find_field("price").get_int64().get(bid->price) ||
		object.find_field("dateTime").get_string().get(time))
		return -1;
	bid->time_length = time.size();
	return 0;
}
