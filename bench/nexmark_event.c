/*
 * nexmark_event.c
 *		The events of the Nexmark benchmark, an auction house, as JSON.
 *
 * The proportions are those of the generator that Apache Beam and nexmark-flink use: half of the bids go to a hot
 * auction, three quarters come from a hot bidder, three quarters of the auctions from a hot seller; bids choose among
 * the last 100 auctions and 1000 people; half of the bids come through four hot channels, the others through 10,000.
 * A field "extra" fills an event up to its usual size.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nexmark_event.h"

#define PEOPLE_EACH_EPOCH 1
#define AUCTIONS_EACH_EPOCH 3
#define EVENTS_EACH_EPOCH 50

#define FIRST_ID 1000				/* of people and auctions */
#define FIRST_CATEGORY 10
#define CATEGORIES 5
#define OPEN_AUCTIONS 100
#define ACTIVE_PEOPLE 1000
#define AHEAD 10					/* bids may name auctions and people that are still to come */
#define HOT_STRIDE 100				/* every so many ids, one is hot */

#define CHANNELS 10000
#define HOT_CHANNELS 4

/* Sizes are counted as the original does: 8 bytes for a number, text by its length. */
#define PERSON_SIZE 200
#define AUCTION_SIZE 500
#define BID_SIZE 100

#define BASE_TIME INT64_C(1735689600000)	/* 2025-01-01 00:00:00 UTC */
#define FILLER_SIZE (1 << 20)

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

const char *const nexmark_kind_names[NEXMARK_KINDS] = {"person", "auction", "bid"};

static const char *const first_names[] = {
	"Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"
};
static const char *const last_names[] = {
	"Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"
};
static const char *const cities[] = {
	"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"
};
static const char *const states[] = {"AZ", "CA", "ID", "OR", "WA", "WY"};
static const char *const hot_channels[HOT_CHANNELS] = {"Google", "Facebook", "Baidu", "Apple"};

typedef struct Channel
{
	char		name[16];
	char		url[128];
} Channel;

static Channel channels[CHANNELS + HOT_CHANNELS];
static char filler[FILLER_SIZE];

/*
 * Random numbers: splitmix64. Good enough to look random, and can be seeded by an event's number.
 */
typedef struct Random
{
	uint64_t	state;
} Random;

static uint64_t
next_random(Random *random)
{
	uint64_t	z = (random->state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* From 0 to limit - 1. */
static int64_t
random_below(Random *random, int64_t limit)
{
	return (int64_t) (((next_random(random) >> 32) * (uint64_t) limit) >> 32);
}

static double
random_fraction(Random *random)
{
	return (double) (next_random(random) >> 11) / (double) (UINT64_C(1) << 53);
}

/* Between 100 and 100 million, each power of ten as likely as the next. */
static int64_t
random_price(Random *random)
{
	return llround(pow(10.0, random_fraction(random) * 6.0) * 100.0);
}

/*
 * Writing: each function appends to `out` and returns where the text ends.
 */
static char *
put(char *out, const char *text)
{
	size_t		size = strlen(text);

	memcpy(out, text, size);
	return out + size;
}

static char *
put_number(char *out, int64_t number)
{
	char		digits[20];
	int			n = 0;

	do
		digits[n++] = (char) ('0' + number % 10);
	while ((number /= 10) > 0);
	while (n > 0)
		*out++ = digits[--n];
	return out;
}

static char *
put_digits(char *out, int64_t number, int width)
{
	for (int i = width - 1; i >= 0; i--, number /= 10)
		out[i] = (char) ('0' + number % 10);
	return out + width;
}

/* A word of 3 to limit - 1 letters. */
static char *
put_word(char *out, Random *random, int limit)
{
	int64_t		size = 3 + random_below(random, limit - 3);

	for (int64_t i = 0; i < size; i++)
		*out++ = (char) ('a' + random_below(random, 26));
	return out;
}

/* What lacks to the usual size, give or take a fifth. */
static char *
put_filler(char *out, Random *random, int64_t size_so_far, int64_t usual_size)
{
	int64_t		lacking = usual_size - size_so_far;
	int64_t		spread = lacking / 5;
	int64_t		size;

	if (lacking <= 0)
		return out;
	size = lacking - spread + (spread > 0 ? random_below(random, 2 * spread) : 0);
	memcpy(out, filler + random_below(random, FILLER_SIZE - size), (size_t) size);
	return out + size;
}

/* 2025-01-01 00:00:00.000, in UTC; the second's text is kept from one event to the next. */
static char *
put_time(char *out, int64_t time)
{
	static int64_t kept_second = -1;
	static char kept[32];
	int64_t		second = time / 1000;

	if (second != kept_second)
	{
		time_t		t = (time_t) second;
		struct tm	tm;

		gmtime_r(&t, &tm);
		strftime(kept, sizeof(kept), "%Y-%m-%d %H:%M:%S.", &tm);
		kept_second = second;
	}
	return put_digits(put(out, kept), time % 1000, 3);
}

/*
 * Who and what there is when an event happens. Ids go up by one from 0; FIRST_ID is added when they are written.
 */
static int64_t
latest_person(int64_t number)
{
	return number / EVENTS_EACH_EPOCH;
}

/* -1 before the first. */
static int64_t
latest_auction(int64_t number)
{
	int64_t		epoch = number / EVENTS_EACH_EPOCH;
	int64_t		so_far = number % EVENTS_EACH_EPOCH - PEOPLE_EACH_EPOCH + 1;

	if (so_far > AUCTIONS_EACH_EPOCH)
		so_far = AUCTIONS_EACH_EPOCH;
	return epoch * AUCTIONS_EACH_EPOCH + so_far - 1;
}

static int64_t
choose_recent(Random *random, int64_t latest, int64_t recent)
{
	int64_t		oldest = latest - recent + 1;

	if (oldest < 0)
		oldest = 0;
	return oldest + random_below(random, latest - oldest + 1 + AHEAD);
}

static int64_t
choose_person(Random *random, int64_t number)
{
	return choose_recent(random, latest_person(number), ACTIVE_PEOPLE);
}

static int64_t
choose_bidder(Random *random, int64_t number)
{
	if (random_below(random, 4) > 0)
		return latest_person(number) / HOT_STRIDE * HOT_STRIDE + 1;
	return choose_person(random, number);
}

static int64_t
choose_seller(Random *random, int64_t number)
{
	if (random_below(random, 4) > 0)
		return latest_person(number) / HOT_STRIDE * HOT_STRIDE;
	return choose_person(random, number);
}

static int64_t
choose_auction(const NexmarkModel *model, Random *random, int64_t number)
{
	if (model->distinct_auctions > 0)
		return random_below(random, model->distinct_auctions);
	if (random_below(random, 2) > 0)
		return latest_auction(number) / HOT_STRIDE * HOT_STRIDE;
	return choose_recent(random, latest_auction(number), OPEN_AUCTIONS);
}

static const Channel *
choose_channel(Random *random)
{
	if (random_below(random, 2) > 0)
		return &channels[CHANNELS + random_below(random, HOT_CHANNELS)];
	return &channels[random_below(random, CHANNELS)];
}

static char *
write_person(Random *random, int64_t number, int64_t time, char *out)
{
	char	   *start;
	int64_t		size = 8 + 19;		/* id and card */

	out = put(out, "{\"id\":");
	out = put_number(out, FIRST_ID + latest_person(number));
	out = put(out, ",\"name\":\"");
	start = out;
	out = put(out, first_names[random_below(random, LENGTH(first_names))]);
	*out++ = ' ';
	out = put(out, last_names[random_below(random, LENGTH(last_names))]);
	size += out - start;
	out = put(out, "\",\"emailAddress\":\"");
	start = out;
	out = put_word(out, random, 7);
	*out++ = '@';
	out = put_word(out, random, 5);
	out = put(out, ".com");
	size += out - start;
	out = put(out, "\",\"creditCard\":\"");
	for (int i = 0; i < 4; i++)
	{
		if (i > 0)
			*out++ = ' ';
		out = put_digits(out, random_below(random, 10000), 4);
	}
	out = put(out, "\",\"city\":\"");
	start = out;
	out = put(out, cities[random_below(random, LENGTH(cities))]);
	size += out - start;
	out = put(out, "\",\"state\":\"");
	start = out;
	out = put(out, states[random_below(random, LENGTH(states))]);
	size += out - start;
	out = put(out, "\",\"dateTime\":\"");
	out = put_time(out, time);
	out = put(out, "\",\"extra\":\"");
	out = put_filler(out, random, size, PERSON_SIZE);
	return put(out, "\"}");
}

static char *
write_auction(const NexmarkModel *model, Random *random, int64_t number, int64_t time, char *out)
{
	char	   *start;
	int64_t		size = 6 * 8;		/* the numbers and times */
	int64_t		initial_bid = random_price(random);
	int64_t		reserve = initial_bid + random_price(random);
	int64_t		seller = choose_seller(random, number);
	double		events_until_full = (double) OPEN_AUCTIONS * EVENTS_EACH_EPOCH / AUCTIONS_EACH_EPOCH;
	int64_t		usual_life = (int64_t) (events_until_full * 1000.0 / model->events_per_second);

	out = put(out, "{\"id\":");
	out = put_number(out, FIRST_ID + latest_auction(number));
	out = put(out, ",\"itemName\":\"");
	start = out;
	out = put_word(out, random, 20);
	size += out - start;
	out = put(out, "\",\"description\":\"");
	start = out;
	out = put_word(out, random, 100);
	size += out - start;
	out = put(out, "\",\"initialBid\":");
	out = put_number(out, initial_bid);
	out = put(out, ",\"reserve\":");
	out = put_number(out, reserve);
	out = put(out, ",\"dateTime\":\"");
	out = put_time(out, time);
	out = put(out, "\",\"expires\":\"");
	out = put_time(out, time + 1 + random_below(random, 2 * usual_life + 1));
	out = put(out, "\",\"seller\":");
	out = put_number(out, FIRST_ID + seller);
	out = put(out, ",\"category\":");
	out = put_number(out, FIRST_CATEGORY + random_below(random, CATEGORIES));
	out = put(out, ",\"extra\":\"");
	out = put_filler(out, random, size, AUCTION_SIZE);
	return put(out, "\"}");
}

static char *
write_bid(const NexmarkModel *model, Random *random, int64_t number, int64_t time, char *out)
{
	int64_t		auction = choose_auction(model, random, number);
	int64_t		bidder = choose_bidder(random, number);
	const Channel *channel = choose_channel(random);

	out = put(out, "{\"auction\":");
	out = put_number(out, FIRST_ID + auction);
	out = put(out, ",\"bidder\":");
	out = put_number(out, FIRST_ID + bidder);
	out = put(out, ",\"price\":");
	out = put_number(out, random_price(random));
	out = put(out, ",\"channel\":\"");
	out = put(out, channel->name);
	out = put(out, "\",\"url\":\"");
	out = put(out, channel->url);
	out = put(out, "\",\"dateTime\":\"");
	out = put_time(out, time);
	out = put(out, "\",\"extra\":\"");
	out = put_filler(out, random, 4 * 8, BID_SIZE);
	return put(out, "\"}");
}

/* Three folders, a page, and in nine of ten of the common channels its number. */
static void
init_channel(int i)
{
	Random		random = {UINT64_C(0x5EED) + (uint64_t) i};
	char	   *out = put(channels[i].url, "https://www.nexmark.com/");

	if (i < CHANNELS)
		snprintf(channels[i].name, sizeof(channels[i].name), "channel-%d", i);
	else
		strcpy(channels[i].name, hot_channels[i - CHANNELS]);
	for (int folder = 0; folder < 3; folder++)
	{
		out = put_word(out, &random, 5);
		*out++ = '/';
	}
	out = put(out, "item.htm?query=1");
	if (i < CHANNELS && random_below(&random, 10) > 0)
	{
		out = put(out, "&channel_id=");
		out = put_number(out, random_below(&random, INT32_MAX));
	}
	*out = '\0';
}

void
nexmark_init(void)
{
	Random		random = {UINT64_C(0xF111E5)};

	for (size_t i = 0; i < FILLER_SIZE; i++)
		filler[i] = (char) ('a' + random_below(&random, 26));
	for (int i = 0; i < CHANNELS + HOT_CHANNELS; i++)
		init_channel(i);
}

NexmarkKind
nexmark_kind(int64_t number)
{
	int64_t		place = number % EVENTS_EACH_EPOCH;

	if (place < PEOPLE_EACH_EPOCH)
		return NEXMARK_PERSON;
	if (place < PEOPLE_EACH_EPOCH + AUCTIONS_EACH_EPOCH)
		return NEXMARK_AUCTION;
	return NEXMARK_BID;
}

int64_t
nexmark_time(const NexmarkModel *model, int64_t number)
{
	return BASE_TIME + (int64_t) ((double) number * 1000.0 / model->events_per_second);
}

size_t
nexmark_write(const NexmarkModel *model, int64_t number, int64_t time, char *out)
{
	Random		random = {model->seed * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t) number * UINT64_C(0xD1342543DE82EF95)};
	char	   *end = out;

	switch (nexmark_kind(number))
	{
		case NEXMARK_PERSON:
			end = write_person(&random, number, time, out);
			break;
		case NEXMARK_AUCTION:
			end = write_auction(model, &random, number, time, out);
			break;
		case NEXMARK_BID:
			end = write_bid(model, &random, number, time, out);
			break;
	}
	return (size_t) (end - out);
}
