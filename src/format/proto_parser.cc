/*
 * proto_parser.cc
 *		Schemas of Protobuf by libprotobuf: see proto_parser.h.
 *
 * Only schemas are its work: they come rarely, and their grammar, imports and rules are many.
 * Messages are read in C, without it. Nothing leaves this file by an exception; nothing here calls
 * the server. The parser of libprotobuf calls itself for brackets within each other, so these are
 * counted before.
 */
#include "format/proto_parser.h"

#ifndef CQ_HAS_PROTOBUF

#include <cstdio>

bool
cq_proto_parser_is_there(void)
{
	return false;
}

const CqProtoSchema *
cq_proto_parser_read(const char *const *, const char *const *, int, char *fault, size_t room)
{
	snprintf(fault, room, "this build has no Protobuf");
	return nullptr;
}

void
cq_proto_parser_free(const CqProtoSchema *)
{
}

#else

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#if GOOGLE_PROTOBUF_VERSION < 4022000
#define CQ_IS_OLD_PROTOBUF
#include <google/protobuf/stubs/logging.h>
#endif

namespace pb = google::protobuf;

namespace
{

/* What Confluent's clients take for known, and do not register. */
const char *const confluent_meta =
	"syntax = \"proto3\"; package confluent; import \"google/protobuf/descriptor.proto\";"
	"message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }"
	"extend google.protobuf.FileOptions { Meta file_meta = 1088; }"
	"extend google.protobuf.MessageOptions { Meta message_meta = 1088; }"
	"extend google.protobuf.FieldOptions { Meta field_meta = 1088; }"
	"extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }"
	"extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }";
const char *const confluent_decimal =
	"syntax = \"proto3\"; package confluent.type;"
	"message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }";

#define CQ_WRAPPER(type) {"google.protobuf." type "Value", CQ_PROTO_WRAPPER}
const struct
{
	const char *name;
	CqProtoKnown known;
}			known_messages[] = {
	{"google.protobuf.Timestamp", CQ_PROTO_TIMESTAMP},
	{"google.protobuf.Duration", CQ_PROTO_DURATION},
	{"google.protobuf.Struct", CQ_PROTO_STRUCT},
	{"google.protobuf.Value", CQ_PROTO_VALUE},
	{"google.protobuf.ListValue", CQ_PROTO_LIST},
	CQ_WRAPPER("Double"), CQ_WRAPPER("Float"), CQ_WRAPPER("Int64"), CQ_WRAPPER("UInt64"),
	CQ_WRAPPER("Int32"), CQ_WRAPPER("UInt32"), CQ_WRAPPER("Bool"), CQ_WRAPPER("String"),
	CQ_WRAPPER("Bytes"),
};

struct Failure
{
	std::string reason;
};

/* The first of what libprotobuf finds wrong. */
class Faults : public pb::io::ErrorCollector, public pb::DescriptorPool::ErrorCollector
{
public:
	std::string first;

#ifdef CQ_IS_OLD_PROTOBUF
	void		AddError(int line, int, const std::string &message) override
	{
		add("line " + std::to_string(line + 1) + ": " + message);
	}
	void		AddError(const std::string &, const std::string &element, const pb::Message *,
						 ErrorLocation, const std::string &message) override
	{
		add(element + ": " + message);
	}
#else
	void		RecordError(int line, int, absl::string_view message) override
	{
		add("line " + std::to_string(line + 1) + ": " + std::string(message));
	}
	void		RecordError(absl::string_view, absl::string_view element, const pb::Message *,
							ErrorLocation, absl::string_view message) override
	{
		add(std::string(element) + ": " + std::string(message));
	}
#endif

private:
	void		add(const std::string &message)
	{
		if (first.empty())
			first = message;
	}
};

/* A message whose fields are not there yet. */
struct Unfilled
{
	const pb::Descriptor *descriptor;
	CqProtoMessage *message;
};

/* Owns what it has made, and what that points to. */
struct Owner
{
	CqProtoSchema schema;		/* what the caller has: it must be first */
	std::deque<std::unique_ptr<char[]>> blocks;
	std::map<const pb::Descriptor *, CqProtoMessage *> messages;
	std::map<const pb::EnumDescriptor *, CqProtoEnum *> enums;
	std::deque<Unfilled> unfilled;

	template <typename T> T *room(size_t count)
	{
		size_t		size = std::max<size_t>(sizeof(T) * count, 1);

		blocks.emplace_back(new char[size]());
		return reinterpret_cast<T *>(blocks.back().get());
	}
	const char *text(const std::string &value)
	{
		char	   *copy = room<char>(value.size() + 1);

		memcpy(copy, value.data(), value.size());
		return copy;
	}
};

/* ---- texts ---- */

int
base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c != '\0' ? strchr(digits, c) : nullptr;

	return found != nullptr ? static_cast<int>(found - digits) : -1;
}

/* False: it is none. No text of the language is: that has spaces or semicolons. */
bool
decode_base64(const char *text, std::string *bytes)
{
	uint32_t	bits = 0;
	int			nbits = 0;

	for (; *text != '\0' && *text != '='; text++)
	{
		int			digit = base64_digit(*text);

		if (digit < 0)
			return false;
		bits = bits << 6 | static_cast<uint32_t>(digit);
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			bytes->push_back(static_cast<char>(bits >> nbits & 0xff));
		}
	}
	while (*text == '=')
		text++;
	return *text == '\0';
}

/* Where a string or a comment that begins here ends; else the same place. */
const char *
skip_quoted(const char *at)
{
	if (*at == '"' || *at == '\'')
	{
		char		quote = *at++;

		while (*at != '\0' && *at != quote && *at != '\n')
			at += *at == '\\' && at[1] != '\0' ? 2 : 1;
	}
	else if (at[0] == '/' && at[1] == '/')
		at += strcspn(at, "\n");
	else if (at[0] == '/' && at[1] == '*')
	{
		const char *end = strstr(at + 2, "*/");

		at = end != nullptr ? end + 1 : at + strlen(at);
	}
	return at;
}

bool
is_too_deep(const char *text)
{
	int			depth = 0;

	for (const char *at = text; *(at = skip_quoted(at)) != '\0'; at++)
	{
		if (strchr("{[(<", *at) != nullptr && ++depth > CQ_PROTO_MAX_BRACKETS)
			return true;
		if (strchr("}])>", *at) != nullptr && depth > 0)
			depth--;
	}
	return false;
}

void
parse_file(const char *text, pb::FileDescriptorProto *file)
{
	std::string bytes;

	if (decode_base64(text, &bytes))
	{
		if (!file->ParseFromString(bytes))
			throw Failure{"it is no file descriptor"};
		return;
	}
	if (is_too_deep(text))
		throw Failure{"its brackets are nested too deep"};

	Faults		faults;
	pb::io::ArrayInputStream input(text, static_cast<int>(strlen(text)));
	pb::io::Tokenizer tokenizer(&input, &faults);
	pb::compiler::Parser parser;

	parser.RecordErrorsTo(&faults);
	if (!parser.Parse(&tokenizer, file) || !faults.first.empty())
		throw Failure{faults.first.empty() ? "it is not valid" : faults.first};
}

/* ---- files ---- */

bool
is_known_file(const std::string &name)
{
	return name.rfind("google/protobuf/", 0) == 0 &&
		pb::DescriptorPool::generated_pool()->FindFileByName(name) != nullptr;
}

const pb::FileDescriptor *
build(pb::DescriptorPool *pool, const std::string &name, const char *text)
{
	pb::FileDescriptorProto file;
	Faults		faults;
	const pb::FileDescriptor *built;

	parse_file(text, &file);
	file.set_name(name);
	for (const std::string &import : file.dependency())
	{
		if (pool->FindFileByName(import) != nullptr || import == name)
			continue;
		if (import == "confluent/meta.proto")
			build(pool, import, confluent_meta);
		else if (import == "confluent/type/decimal.proto")
			build(pool, import, confluent_decimal);
	}
	built = pool->BuildFileCollectingErrors(file, &faults);
	if (built == nullptr)
		throw Failure{faults.first.empty() ? "it is not valid" : faults.first};
	return built;
}

/* ---- plain structs ---- */

CqProtoMessage *convert_message(Owner *owner, const pb::Descriptor *descriptor);

CqProtoEnum *
convert_enum(Owner *owner, const pb::EnumDescriptor *descriptor)
{
	CqProtoEnum *&result = owner->enums[descriptor];
	std::map<int32_t, const pb::EnumValueDescriptor *> values;
	int32_t    *numbers;

	if (result != nullptr)
		return result;
	result = owner->room<CqProtoEnum>(1);
	for (int i = 0; i < descriptor->value_count(); i++)
		values.emplace(descriptor->value(i)->number(), descriptor->value(i));
	numbers = owner->room<int32_t>(values.size());
	result->name = owner->text(std::string(descriptor->full_name()));
	result->numbers = numbers;
	result->names = owner->room<const char *>(values.size());
	for (const auto &value : values)
	{
		numbers[result->nvalues] = value.first;
		result->names[result->nvalues++] = owner->text(std::string(value.second->name()));
	}
	return result;
}

template <typename Number>
uint64_t
bits_of(Number number)
{
	uint64_t	bits = 0;

	if (sizeof(number) == sizeof(uint32_t))
	{
		uint32_t	half;

		memcpy(&half, &number, sizeof(half));
		bits = half;
	}
	else
		memcpy(&bits, &number, sizeof(number));
	return bits;
}

/* Is it the key, or the value, of a map? What is left out is zero, or empty, in proto2 as well. */
bool
is_of_map(const pb::FieldDescriptor *descriptor)
{
	return descriptor->containing_type()->options().map_entry() &&
		descriptor->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE;
}

void
convert_default(Owner *owner, const pb::FieldDescriptor *descriptor, CqProtoField *field)
{
	field->has_default = !descriptor->is_repeated() &&
		(descriptor->has_default_value() || !descriptor->has_presence() ||
		 is_of_map(descriptor));
	field->bytes = "";
	switch (descriptor->cpp_type())
	{
		case pb::FieldDescriptor::CPPTYPE_INT32:
			field->bits = static_cast<uint64_t>(
				static_cast<int64_t>(descriptor->default_value_int32()));
			break;
		case pb::FieldDescriptor::CPPTYPE_INT64:
			field->bits = static_cast<uint64_t>(descriptor->default_value_int64());
			break;
		case pb::FieldDescriptor::CPPTYPE_UINT32:
			field->bits = descriptor->default_value_uint32();
			break;
		case pb::FieldDescriptor::CPPTYPE_UINT64:
			field->bits = descriptor->default_value_uint64();
			break;
		case pb::FieldDescriptor::CPPTYPE_DOUBLE:
			field->bits = bits_of(descriptor->default_value_double());
			break;
		case pb::FieldDescriptor::CPPTYPE_FLOAT:
			field->bits = bits_of(descriptor->default_value_float());
			break;
		case pb::FieldDescriptor::CPPTYPE_BOOL:
			field->bits = descriptor->default_value_bool();
			break;
		case pb::FieldDescriptor::CPPTYPE_ENUM:
			field->bits = static_cast<uint64_t>(
				static_cast<int64_t>(descriptor->default_value_enum()->number()));
			break;
		case pb::FieldDescriptor::CPPTYPE_STRING:
			field->length = descriptor->default_value_string().size();
			field->bytes = owner->text(std::string(descriptor->default_value_string()));
			break;
		case pb::FieldDescriptor::CPPTYPE_MESSAGE:
			break;
	}
}

void
convert_field(Owner *owner, const pb::FieldDescriptor *descriptor, CqProtoField *field)
{
	const pb::OneofDescriptor *oneof = descriptor->real_containing_oneof();

	field->name = owner->text(std::string(descriptor->name()));
	field->number = static_cast<uint32_t>(descriptor->number());
	field->kind = static_cast<CqProtoKind>(descriptor->type());
	field->place = descriptor->index();
	field->is_repeated = descriptor->is_repeated();
	field->is_map = descriptor->is_map();
	field->is_required = descriptor->is_required();
	field->is_packed = descriptor->is_packed();
	field->has_presence = descriptor->has_presence();
	field->oneof = oneof != nullptr ? oneof->index() : -1;
	if (descriptor->message_type() != nullptr)
		field->message = convert_message(owner, descriptor->message_type());
	if (descriptor->enum_type() != nullptr)
		field->enumeration = convert_enum(owner, descriptor->enum_type());
	convert_default(owner, descriptor, field);
}

void
fill_message(Owner *owner, const pb::Descriptor *descriptor, CqProtoMessage *message)
{
	message->fields = owner->room<CqProtoField>(descriptor->field_count());
	message->by_number = owner->room<const CqProtoField *>(descriptor->field_count());
	message->nfields = descriptor->field_count();
	message->noneofs = descriptor->real_oneof_decl_count();
	for (int i = 0; i < message->nfields; i++)
	{
		convert_field(owner, descriptor->field(i), &message->fields[i]);
		message->by_number[i] = &message->fields[i];
	}
	std::sort(message->by_number, message->by_number + message->nfields,
			  [](const CqProtoField *one, const CqProtoField *other)
			  { return one->number < other->number; });
	message->nested = owner->room<const CqProtoMessage *>(descriptor->nested_type_count());
	message->nnested = descriptor->nested_type_count();
	for (int i = 0; i < message->nnested; i++)
		message->nested[i] = convert_message(owner, descriptor->nested_type(i));
}

/* Its fields are filled in later: messages refer to each other in chains of any length. */
CqProtoMessage *
convert_message(Owner *owner, const pb::Descriptor *descriptor)
{
	CqProtoMessage *&result = owner->messages[descriptor];

	if (result == nullptr)
	{
		result = owner->room<CqProtoMessage>(1);
		owner->unfilled.push_back({descriptor, result});
	}
	return result;
}

/* A schema may have messages of these names that are made otherwise: they are none. */
CqProtoKnown
what_is_known(const pb::Descriptor *descriptor)
{
	if (descriptor->file()->pool() != pb::DescriptorPool::generated_pool())
		return CQ_PROTO_PLAIN;
	for (const auto &special : known_messages)
		if (descriptor->full_name() == special.name)
			return special.known;
	return CQ_PROTO_PLAIN;
}

void
convert_all(Owner *owner, const pb::FileDescriptor *file)
{
	owner->schema.nmessages = file->message_type_count();
	owner->schema.messages = owner->room<const CqProtoMessage *>(file->message_type_count());
	for (int i = 0; i < owner->schema.nmessages; i++)
		owner->schema.messages[i] = convert_message(owner, file->message_type(i));
	for (; !owner->unfilled.empty(); owner->unfilled.pop_front())
	{
		Unfilled	next = owner->unfilled.front();

		next.message->name = owner->text(std::string(next.descriptor->full_name()));
		next.message->known = what_is_known(next.descriptor);
		fill_message(owner, next.descriptor, next.message);
	}
}

CqProtoSchema *
read(const char *const *names, const char *const *texts, int ntexts)
{
	std::unique_ptr<Owner> owner(new Owner());
	pb::DescriptorPool pool(pb::DescriptorPool::generated_pool());
	const pb::FileDescriptor *file = nullptr;
	size_t		length = 0;

	for (int i = 0; i < ntexts; i++)
	{
		std::string name = i == ntexts - 1 || names == nullptr ? "the schema" : names[i];

		length += strlen(texts[i]);
		if (length > CQ_PROTO_MAX_SCHEMA)
			throw Failure{"it is too long"};
		if (!is_known_file(name))
			file = build(&pool, name, texts[i]);
	}
	if (file == nullptr || file->message_type_count() == 0)
		throw Failure{"it has no message"};
	convert_all(owner.get(), file);
	return &owner.release()->schema;
}

}								/* namespace */

bool
cq_proto_parser_is_there(void)
{
	return true;
}

const CqProtoSchema *
cq_proto_parser_read(const char *const *names, const char *const *texts, int ntexts, char *fault,
					 size_t room)
{
	try
	{
#ifdef CQ_IS_OLD_PROTOBUF
		pb::LogSilencer silencer;	/* or it writes to the server's log by itself */
#endif

		return read(names, texts, ntexts);
	}
	catch (const Failure &failure)
	{
		snprintf(fault, room, "%s", failure.reason.c_str());
	}
	catch (const std::bad_alloc &)
	{
		snprintf(fault, room, "there is no memory for it");
	}
	catch (const std::exception &failure)
	{
		snprintf(fault, room, "%s", failure.what());
	}
	catch (...)
	{
		snprintf(fault, room, "it is not valid");
	}
	return nullptr;
}

void
cq_proto_parser_free(const CqProtoSchema *schema)
{
	delete reinterpret_cast<const Owner *>(schema);
}

#endif							/* CQ_HAS_PROTOBUF */
