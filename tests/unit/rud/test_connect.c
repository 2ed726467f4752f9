/* SPDX-License-Identifier: MIT */
/* test_connect.c - connection datagrams: what is read, what is refused, what
 * is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rud/connect.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum { ROOM = 1500 };

static const uint8_t reply_id[REPLY_ID_LEN] = "sixteen octets!";

/* A datagram of a row: zeros or the reply_id, then what the row says, then
 * zeros up to its length. */
struct row {
	const char *what;
	const char *text;
	size_t text_len;
	size_t len;
	mpp_err err;
};

#define TEXT(text) (text), sizeof(text) - 1
#define ID "sixteen octets!\0"
#define HEAD "\x02\x01\x00\x10" ID /* type, version, suite, reply_id */

static mpp_bytes build(uint8_t room[ROOM], const struct row *row, bool zero)
{
	memset(room, 0, ROOM);
	if (!zero)
		memcpy(room, reply_id, 16);
	memcpy(room + 16, row->text, row->text_len);
	return (mpp_bytes){room, row->len};
}

static const struct row initiators[] = {
	// clang-format off
	{"Hello, without extensions or Noise message", TEXT(HEAD "\xff\x00"),
	 1200, MPP_OK},
	{"with both", TEXT(HEAD "\x81\x01\x01\xff\x03" "abc"), 1200, MPP_OK},
	{"up to 1452", TEXT(HEAD "\xff\x00"), 1452, MPP_OK},
	{"of 1453", TEXT(HEAD "\xff\x00"), 1453, MPP_ERR_RANGE},
	{"of 1199", TEXT(HEAD "\xff\x00"), 1199, MPP_ERR_RANGE},
	{"of nothing", TEXT(HEAD "\xff\x00"), 0, MPP_ERR_RANGE},
	{"an unknown type is the reader's to judge",
	 TEXT("\xff\x01\x00\x10" ID "\xff\x00"), 1200, MPP_OK},
	{"an unknown suite, too",
	 TEXT("\x02\x01\x7f\xff\x10" ID "\xff\x00"), 1200, MPP_OK},
	{"a version in two octets",
	 TEXT("\x02\x40\x01\x00\x10" ID "\xff\x00"), 1200, MPP_OK},
	{"version 0", TEXT("\x02\x00\x00\x10" ID "\xff\x00"), 1200,
	 MPP_ERR_VERSION},
	{"version 2", TEXT("\x02\x02\x00\x10" ID "\xff\x00"), 1200,
	 MPP_ERR_VERSION},
	{"version 2, of which the rest cannot be read",
	 TEXT("\x02\x02\x00\x10" ID "\x81\x7f\xff"), 1200, MPP_ERR_VERSION},
	{"version 257", TEXT("\x02\x41\x01\x00\x10" ID "\xff\x00"), 1200,
	 MPP_ERR_VERSION},
	{"a reply_id of 15", TEXT("\x02\x01\x00\x0f" ID "\xff\x00"), 1200,
	 MPP_ERR_SYNTAX},
	{"a reply_id of 17", TEXT("\x02\x01\x00\x11" ID "i\xff\x00"), 1200,
	 MPP_ERR_SYNTAX},
	{"no reply_id", TEXT("\x02\x01\x00\x00\xff\x00"), 1200,
	 MPP_ERR_SYNTAX},
	{"a reply_id past the end", TEXT("\x02\x01\x00\x7f\xff" ID), 1200,
	 MPP_ERR_TRUNCATED},
	{"an extension twice",
	 TEXT(HEAD "\x81\x01\x01\x81\x01\x01\xff\x00"), 1200,
	 MPP_ERR_DUPLICATE},
	{"an extension that is too long", TEXT(HEAD "\x90\x01\x00\xff\x00"),
	 1200, MPP_ERR_RANGE},
	{"an extension past the end", TEXT(HEAD "\x81\x7f\xff\xff\x00"), 1200,
	 MPP_ERR_TRUNCATED},
	{"a list without end, which goes on in the padding",
	 TEXT(HEAD "\x81\x01\x01"), 1200, MPP_ERR_SYNTAX},
	{"a Noise message past the end", TEXT(HEAD "\xff\x7f\xff"), 1200,
	 MPP_ERR_TRUNCATED},
	{"one of the longest length that can be said",
	 TEXT(HEAD "\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 1200,
	 MPP_ERR_TRUNCATED},
	// clang-format on
};

static void initiators_are_judged(void **state)
{
	uint8_t room[ROOM];
	struct connect c;
	mpp_bytes in;
	mpp_err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(initiators); i++) {
		in = build(room, &initiators[i], true);
		err = connect_read_initiator(in, &c);
		if (err != initiators[i].err)
			fail_msg("%s: %s", initiators[i].what,
				 mpp_err_name(err));
		if (err != MPP_ERR_VERSION)
			continue;
		/* What keeps its place in all versions. */
		assert_int_equal(c.type, 2);
		assert_int_not_equal(c.version, RUD_VERSION);
		assert_int_equal(c.reply_id.len, 16);
		assert_memory_equal(c.reply_id.p, reply_id, 16);
	}
}

static void an_initiator_begins_with_zeros(void **state)
{
	uint8_t room[ROOM];
	mpp_bytes in = build(room, &initiators[0], true);
	struct connect c;
	size_t i;

	(void)state;
	for (i = 0; i < 16; i++) {
		room[i] = 1;
		assert_int_equal(connect_read_initiator(in, &c), MPP_ERR_RANGE);
		room[i] = 0;
	}
	assert_int_equal(connect_read_initiator(in, &c), MPP_OK);
}

static void an_initiator_is_taken_apart(void **state)
{
	static const struct row row = {"",
				       TEXT("\x04\x01\x41\x02\x10" ID
					    "\x81\x01\x07\xff\x03"
					    "abc"
					    "\0\x09"),
				       1210, MPP_OK};
	uint8_t room[ROOM];
	mpp_bytes in = build(room, &row, true);
	struct connect c;

	(void)state;
	assert_int_equal(connect_read_initiator(in, &c), MPP_OK);
	assert_int_equal(c.type, RUD_INIT_COMPLETE);
	assert_int_equal(c.version, 1);
	assert_int_equal(c.suite, 0x102);
	assert_ptr_equal(c.reply_id.p, room + 21);
	assert_int_equal(c.ext.present, 1u << EXT_SUITES);
	assert_int_equal(c.ext.v[EXT_SUITES].p[0], 7);
	/* Every octet before the length of the Noise message. */
	assert_ptr_equal(c.prologue.p, room);
	assert_int_equal(c.prologue.len, 41);
	assert_ptr_equal(c.noise.p, room + 42);
	assert_int_equal(c.noise.len, 3);
	/* Padding is not judged before the message was opened. */
	assert_ptr_equal(c.padding.p, room + 45);
	assert_int_equal(c.padding.len, 1210 - 45);
	assert_int_equal(c.padding.p[1], 9);
}

static const struct row responders[] = {
	// clang-format off
	{"without extensions", TEXT("\x03\x01\x01\xff\x03" "abc"), 24, MPP_OK},
	{"with an extension", TEXT("\x02\x01\x01\x84\x01\x05\xff\x00"), 24,
	 MPP_OK},
	{"without Noise message", TEXT("\x02\x01\x01\xff\x00"), 21, MPP_OK},
	{"something behind it", TEXT("\x02\x01\x01\xff\x00\x00"), 22,
	 MPP_ERR_TRAILING},
	{"version 2", TEXT("\x02\x02\x01\xff\x00"), 21, MPP_ERR_VERSION},
	{"version 2 of another shape", TEXT("\x02\x02\x01"), 19,
	 MPP_ERR_VERSION},
	{"an extension twice", TEXT("\x02\x01\x01\x84\x00\x84\x00\xff\x00"),
	 25, MPP_ERR_DUPLICATE},
	{"a Noise message past the end", TEXT("\x03\x01\x01\xff\x04" "abc"), 24,
	 MPP_ERR_TRUNCATED},
	{"no length of a Noise message", TEXT("\x03\x01\x01\xff"), 20,
	 MPP_ERR_TRUNCATED},
	{"no end of the list", TEXT("\x03\x01\x01\x84\x00"), 21,
	 MPP_ERR_TRUNCATED},
	{"nothing but the reply_id", TEXT(""), 16, MPP_ERR_TRUNCATED},
	{"not even that", TEXT(""), 15, MPP_ERR_TRUNCATED},
	{"nothing", TEXT(""), 0, MPP_ERR_TRUNCATED},
	// clang-format on
};

static void responders_are_judged(void **state)
{
	uint8_t room[ROOM];
	struct connect c;
	mpp_err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(responders); i++) {
		err = connect_read_responder(build(room, &responders[i], false),
					     &c);
		if (err != responders[i].err)
			fail_msg("%s: %s", responders[i].what,
				 mpp_err_name(err));
		if (err != MPP_OK && err != MPP_ERR_VERSION)
			continue;
		assert_ptr_equal(c.reply_id.p, room);
		assert_int_equal(c.reply_id.len, 16);
		assert_int_equal(c.type, room[16]);
		assert_int_equal(c.suite, 1);
	}
}

/* Wherever it is cut, it ends too early. */
static void shortened_responders_are_refused(void **state)
{
	static const struct row row = {"",
				       TEXT("\x03\x01\x01\x84\x01\x05\xff\x03"
					    "abc"),
				       27, MPP_OK};
	uint8_t room[ROOM];
	mpp_bytes in = build(room, &row, false);
	struct connect c;

	(void)state;
	assert_int_equal(connect_read_responder(in, &c), MPP_OK);
	assert_int_equal(c.noise.len, 3);
	assert_memory_equal(c.noise.p, "abc", 3);
	while (in.len-- > 0)
		assert_int_equal(connect_read_responder(in, &c),
				 MPP_ERR_TRUNCATED);
}

static void beginnings_are_written(void **state)
{
	static const uint8_t initiator[36] =
		"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03\x01\x02\x10" ID;
	static const uint8_t responder[19] = ID "\x03\x01\x02";
	uint8_t out[40];
	struct wr w = wr_init(out, sizeof(out));

	(void)state;
	memset(out, 0x5a, sizeof(out));
	connect_begin_initiator(&w, RUD_INIT_EXCHANGE, 2, reply_id);
	assert_int_equal(w.err, MPP_OK);
	assert_int_equal(w.n, 36);
	assert_memory_equal(out, initiator, 36);
	w = wr_init(out, sizeof(out));
	connect_begin_responder(&w, RUD_RESP_COMPLETE, 2, reply_id);
	assert_int_equal(w.err, MPP_OK);
	assert_int_equal(w.n, 19);
	assert_memory_equal(out, responder, 19);
}

/* To 1200 with zeros; what is as long already stays. */
static void short_ones_are_padded(void **state)
{
	static const size_t before[] = {0, 50, 1199, 1200, 1201, 1452};
	uint8_t out[MPP_PACKET_MAX];
	struct wr w;
	size_t i, k, want;

	(void)state;
	for (i = 0; i < COUNT(before); i++) {
		memset(out, 0x5a, sizeof(out));
		w = wr_init(out, sizeof(out));
		wr_room(&w, before[i]);
		connect_pad(&w);
		want = before[i] < 1200 ? 1200 : before[i];
		assert_int_equal(w.err, MPP_OK);
		assert_int_equal(w.n, want);
		for (k = 0; k < sizeof(out); k++)
			assert_int_equal(out[k],
					 k >= before[i] && k < want ? 0 : 0x5a);
	}
	w = wr_init(out, 1199);
	connect_pad(&w);
	assert_int_equal(w.err, MPP_ERR_NOSPACE);
}

static void suites_are_looked_for(void **state)
{
	static const struct {
		const char *what;
		const char *text;
		size_t len;
		unsigned suite;
		bool found;
	} rows[] = {
		// clang-format off
		{"the only one", TEXT("\x01"), 1, true},
		{"another one", TEXT("\x01"), 2, false},
		{"the first of two", TEXT("\x01\x02"), 1, true},
		{"the second of two", TEXT("\x01\x02"), 2, true},
		{"in two octets", TEXT("\x40\x02"), 2, true},
		{"an octet that is part of another number", TEXT("\x41\x02"), 2,
		 false},
		{"a large number", TEXT("\x41\x02"), 0x102, true},
		{"none", TEXT(""), 0, false},
		{"found, but what follows is broken", TEXT("\x01\x40"), 1,
		 false},
		// clang-format on
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		const mpp_bytes suites = {(const uint8_t *)rows[i].text,
					  rows[i].len};

		if (suites_contain(suites, rows[i].suite) != rows[i].found)
			fail_msg("%s", rows[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initiators_are_judged),
		cmocka_unit_test(an_initiator_begins_with_zeros),
		cmocka_unit_test(an_initiator_is_taken_apart),
		cmocka_unit_test(responders_are_judged),
		cmocka_unit_test(shortened_responders_are_refused),
		cmocka_unit_test(beginnings_are_written),
		cmocka_unit_test(short_ones_are_padded),
		cmocka_unit_test(suites_are_looked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
