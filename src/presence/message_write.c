/* SPDX-License-Identifier: MIT */
/* message_write.c - writing MPP messages, their names and times.
 * Contract: message.h. */
#include "presence/message.h"

#include "base/mem.h"

static const char *const type_names[MSG_TYPES] = {
	[MSG_NONE] = "none",
#define MSG(name, text, direction) [MSG_##name] = (text),
#include "presence/messages.def"
#undef MSG
	[MSG_UNKNOWN] = "unknown",
};

const char *msg_type_name(enum msg_type type)
{
	return type < MSG_TYPES ? type_names[type] : "unknown";
}

enum msg_type msg_response_type(enum msg_type request)
{
	if (request == MSG_CONNECT_REQUEST)
		return MSG_CONNECT_RESPONSE;
	if (request == MSG_DISCONNECT_REQUEST)
		return MSG_DISCONNECT_RESPONSE;
	if (request == MSG_STATUS_REQUEST || request == MSG_HEARTBEAT)
		return MSG_STATUS;
	if (request == MSG_ENDPOINT_REQUEST)
		return MSG_ENDPOINT_RESPONSE;
	if (request == MSG_PUBLISH_REQUEST)
		return MSG_PUBLISH_RESPONSE;
	if (request == MSG_RESOLVE_REQUEST)
		return MSG_RESOLVE_RESPONSE;
	return MSG_ERROR;
}

/* Civil calendar arithmetic over eras of 400 years that begin in March, so
 * that the leap day is the last of its year. */
enum { ERA_DAYS = 146097, ERA_OFFSET = 719468, DAY_S = 86400 };

struct date {
	uint64_t year;
	unsigned month, day;
};

static struct date date_of_days(uint64_t days)
{
	uint64_t z = days + ERA_OFFSET;
	unsigned doe = (unsigned)(z % ERA_DAYS);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	struct date d;

	d.day = doy - (153 * mp + 2) / 5 + 1;
	d.month = mp < 10 ? mp + 3 : mp - 9;
	d.year = z / ERA_DAYS * 400 + yoe + (d.month <= 2 ? 1 : 0);
	return d;
}

static uint64_t days_of_date(struct date d)
{
	uint64_t y = d.month <= 2 ? d.year - 1 : d.year;
	unsigned yoe = (unsigned)(y % 400);
	unsigned mp = d.month > 2 ? d.month - 3 : d.month + 9;
	unsigned doy = (153 * mp + 2) / 5 + d.day - 1;

	return y / 400 * ERA_DAYS + yoe * 365 + yoe / 4 - yoe / 100 + doy -
	       ERA_OFFSET;
}

static void put_digits(uint8_t *p, uint64_t v, unsigned n)
{
	while (n-- > 0) {
		p[n] = (uint8_t)('0' + v % 10);
		v /= 10;
	}
}

void msg_time_write(uint64_t s, uint8_t out[MSG_TIME_LEN])
{
	struct date d = date_of_days(s / DAY_S);
	unsigned rest = (unsigned)(s % DAY_S);

	memcpy(out, "0000-00-00T00:00:00Z", MSG_TIME_LEN);
	put_digits(out, d.year, 4);
	put_digits(out + 5, d.month, 2);
	put_digits(out + 8, d.day, 2);
	put_digits(out + 11, rest / 3600, 2);
	put_digits(out + 14, rest / 60 % 60, 2);
	put_digits(out + 17, rest % 60, 2);
}

static bool get_digits(const uint8_t *p, unsigned n, unsigned *out)
{
	unsigned v = 0, i;

	for (i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (unsigned)(p[i] - '0');
	}
	*out = v;
	return true;
}

mpp_err msg_time_read(mpp_bytes text, uint64_t *s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	const uint8_t *p = text.p;
	unsigned year, h, m, sec, i;
	uint8_t again[MSG_TIME_LEN];
	struct date d;
	uint64_t v;

	if (text.len != MSG_TIME_LEN)
		return MPP_ERR_SYNTAX;
	for (i = 0; i < MSG_TIME_LEN; i++) {
		if (form[i] != 'd' && p[i] != (uint8_t)form[i])
			return MPP_ERR_SYNTAX;
	}
	if (!get_digits(p, 4, &year) || !get_digits(p + 5, 2, &d.month) ||
	    !get_digits(p + 8, 2, &d.day) || !get_digits(p + 11, 2, &h) ||
	    !get_digits(p + 14, 2, &m) || !get_digits(p + 17, 2, &sec))
		return MPP_ERR_SYNTAX;
	if (year < 1970 || d.month < 1 || d.month > 12 || d.day < 1 || h > 23 ||
	    m > 59 || sec > 59)
		return MPP_ERR_RANGE;
	d.year = year;
	v = days_of_date(d) * DAY_S + h * 3600 + m * 60 + sec;
	/* The 30th of February becomes the 1st or 2nd of March. */
	msg_time_write(v, again);
	if (memcmp(again, p, MSG_TIME_LEN) != 0)
		return MPP_ERR_RANGE;
	*s = v;
	return MPP_OK;
}

void msg_begin(mpp_json_writer *w, enum msg_type type)
{
	mpp_json_object(w, NULL);
	mpp_json_object(w, type_names[type]);
}

/* 100 ns since 0001-01-01 (the draft's ticks). */
static uint64_t ticks_of(mpp_wall now)
{
	return UINT64_C(621355968000000000) + now.us * 10;
}

static void put_now(mpp_json_writer *w, mpp_wall now, unsigned leap_seconds)
{
	uint8_t text[MSG_TIME_LEN];

	msg_time_write(now.us / 1000000, text);
	mpp_json_string(w, "Now", (mpp_bytes){text, sizeof(text)});
	mpp_json_uint(w, "Ticks", ticks_of(now));
	if (leap_seconds != 0)
		mpp_json_uint(w, "LeapSeconds", leap_seconds);
}

void msg_put_common(mpp_json_writer *w, const struct msg_common *c)
{
	if (c->status != 0)
		mpp_json_uint(w, "Status", c->status);
	if (c->description != NULL)
		mpp_json_cstring(w, "StatusDescription", c->description);
	if (c->endpoint != NULL) {
		mpp_json_object(w, "EndPoint");
		mpp_json_data(w, "IpAddress",
			      (mpp_bytes){c->endpoint->ip,
					  c->endpoint->family == 4 ? 4 : 16});
		mpp_json_uint(w, "Port", c->endpoint->port);
		mpp_json_close(w);
	}
	if (c->now.us != 0)
		put_now(w, c->now, c->leap_seconds);
	if (c->acknowledge != 0)
		mpp_json_uint(w, "Acknowledge", c->acknowledge);
}

void msg_put_store(mpp_json_writer *w, const mpp_store_status *st)
{
	mpp_json_object(w, NULL);
	mpp_json_string(w, "Store", st->store);
	mpp_json_uint(w, "Index", st->index);
	if (st->digest.len != 0)
		mpp_json_data(w, "Digest", st->digest);
	mpp_json_close(w);
}

static const char *const store_types[] = {
	"local",       "inbound",     "outbound", "archive",  "notary",
	"access",      "application", "bookmark", "callsign", "carnet",
	"contact",     "credential",  "device",   "member",   "network",
	"publication", "task",        "account",  "document",
};

static bool equals_folded(mpp_bytes text, const char *s)
{
	size_t i;
	uint8_t c;

	for (i = 0; i < text.len && s[i] != '\0'; i++) {
		c = text.p[i];
		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c + ('a' - 'A'));
		if (c != (uint8_t)s[i])
			return false;
	}
	return i == text.len && s[i] == '\0';
}

unsigned msg_store_bit(mpp_bytes store)
{
	mpp_bytes prefix = {store.p, 4};
	unsigned i;

	if (store.len > 4 && equals_folded(prefix, "mmm_")) {
		store.p += 4;
		store.len -= 4;
	}
	for (i = 0; i < sizeof(store_types) / sizeof(store_types[0]); i++) {
		if (equals_folded(store, store_types[i]))
			return i + 1;
	}
	return 0;
}
