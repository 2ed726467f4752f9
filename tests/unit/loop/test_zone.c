/* SPDX-License-Identifier: MIT */
/* test_zone.c - answers of the DNS, right and wrong ones, and the order of SRV
 * targets. Messages are put together here octet by octet as RFC 1035 and 2782
 * have them; one is a server's own (nsd). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "loop/zone.h"

#define NAME "_mmmpresence._udp.example.test"
#define PIN "MBGX-GGXI-QTM3-RBA3-HMKJ-FPAE-FJME"

enum { A = 1, CNAME = 5, TXT = 16, SRV = 33 };

static uint8_t room[65536];
static size_t len;
static struct zone_services found;
static struct zone_text text;

static void put(const void *p, size_t n)
{
	assert_true(len + n <= sizeof(room));
	memcpy(room + len, p, n);
	len += n;
}

static void put_u16(unsigned v)
{
	const uint8_t two[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	put(two, 2);
}

/* Whole, without compression. */
static void put_name(const char *name)
{
	uint8_t n;

	for (; *name != '\0'; name += n + (name[n] == '.')) {
		n = (uint8_t)strcspn(name, ".");
		put(&n, 1);
		put(name, n);
	}
	put("", 1);
}

static void begin(unsigned flags, unsigned records, const char *name,
		  unsigned type)
{
	len = 0;
	put_u16(0x1234);
	put_u16(flags);
	put_u16(1);
	put_u16(records);
	put_u16(0);
	put_u16(0);
	put_name(name);
	put_u16(type);
	put_u16(1);
}

static size_t record(const char *owner, unsigned type)
{
	if (owner == NULL)
		put_u16(0xc00c); /* the name in the question */
	else
		put_name(owner);
	put_u16(type);
	put_u16(1);
	put_u16(0);
	put_u16(60);
	put_u16(0);
	return len;
}

static void close_record(size_t data)
{
	room[data - 2] = (uint8_t)((len - data) >> 8);
	room[data - 1] = (uint8_t)(len - data);
}

static void srv(const char *owner, unsigned priority, unsigned weight,
		unsigned port, const char *target)
{
	const size_t data = record(owner, SRV);

	put_u16(priority);
	put_u16(weight);
	put_u16(port);
	put_name(target);
	close_record(data);
}

static void alias(const char *owner, const char *target)
{
	const size_t data = record(owner, CNAME);

	put_name(target);
	close_record(data);
}

static void string(const char *s)
{
	const uint8_t n = (uint8_t)strlen(s);

	put(&n, 1);
	put(s, n);
}

static void txt(const char *owner, const char *one, const char *two)
{
	const size_t data = record(owner, TXT);

	string(one);
	if (two != NULL)
		string(two);
	close_record(data);
}

static enum zone_result read_srv(void)
{
	memset(&found, 0xa5, sizeof(found));
	return zone_read_srv((mpp_bytes){room, len}, NAME, &found);
}

static enum zone_result read_txt(void)
{
	memset(&text, 0xa5, sizeof(text));
	return zone_read_txt((mpp_bytes){room, len}, NAME, &text);
}

static void targets_are_read(void **state)
{
	(void)state;
	begin(0x8400, 3, NAME, SRV);
	srv(NULL, 10, 60, 15099, "P1.Example.TEST");
	srv("_MMMpresence._UDP.example.TEST", 20, 0, 443, "p2.example.test");
	srv(NULL, 0, 0, 0, "");
	assert_int_equal(read_srv(), ZONE_FOUND);
	assert_int_equal(found.n, 3);
	assert_int_equal(found.skipped, 0);
	assert_int_equal(found.list[0].priority, 10);
	assert_int_equal(found.list[0].weight, 60);
	assert_int_equal(found.list[0].at.port, 15099);
	assert_string_equal(found.list[0].at.host, "p1.example.test");
	assert_string_equal(found.list[1].at.host, "p2.example.test");
	assert_string_equal(found.list[2].at.host, "");
}

/* As nsd 4.6.1 sent it: compressed names, and an authority section behind. */
static void a_server_s_answer(void **state)
{
	static const uint8_t answer[] =
		"\x00\x07\x84\x00\x00\x01\x00\x02\x00\x01\x00\x00"
		"\x0c_mmmpresence\x04_udp\x07"
		"example\x04"
		"test\x00"
		"\x00\x21\x00\x01"
		"\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x01\x00\x17"
		"\x00\x0a\x00\x3c\x3a\xfb\x02"
		"p1\x07"
		"example\x04"
		"test\x00"
		"\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x01\x00\x17"
		"\x00\x14\x00\x01\x3a\xfa\x02"
		"p3\x07"
		"example\x04"
		"test\x00"
		"\xc0\x1e\x00\x02\x00\x01\x00\x00\x00\x01\x00\x05\x02ns\xc0"
		"\x1e";

	(void)state;
	memcpy(room, answer, sizeof(answer) - 1);
	len = sizeof(answer) - 1;
	assert_int_equal(read_srv(), ZONE_FOUND);
	assert_int_equal(found.n, 2);
	assert_string_equal(found.list[0].at.host, "p1.example.test");
	assert_int_equal(found.list[0].at.port, 15099);
	assert_int_equal(found.list[1].at.port, 15098);
}

static void what_is_not_asked_for_is_not_looked_at(void **state)
{
	(void)state;
	begin(0x8400, 3, NAME, SRV);
	srv("_mmmpresence._udp.evil.test", 0, 0, 1, "evil.test");
	srv("example.test", 0, 0, 1, "evil.test");
	srv(NULL, 1, 1, 2, "good.example.test");
	assert_int_equal(read_srv(), ZONE_FOUND);
	assert_int_equal(found.n, 1);
	assert_string_equal(found.list[0].at.host, "good.example.test");
}

static void aliases_are_followed(void **state)
{
	(void)state;
	/* In any order, as resolvers may put them. */
	begin(0x8400, 3, NAME, SRV);
	srv("c.example.net", 1, 1, 2, "good.example.net");
	alias("b.example.net", "c.example.net");
	alias(NULL, "b.example.net");
	assert_int_equal(read_srv(), ZONE_FOUND);
	assert_int_equal(found.n, 1);

	begin(0x8400, 1, NAME, SRV);
	alias(NULL, "b.example.net");
	assert_int_equal(read_srv(), ZONE_NONE);

	begin(0x8400, 2, NAME, SRV);
	alias(NULL, "b.example.net");
	alias("b.example.net", NAME);
	assert_int_equal(read_srv(), ZONE_MALFORMED);
}

static void no_host(void **state)
{
	static const char *const targets[] = {"192.0.2.1", "0x7f000001",
					      "127.1",     "sp ace.test",
					      "-a.test",   "a\x80.test"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		begin(0x8400, 2, NAME, SRV);
		srv(NULL, 0, 0, 15099, targets[i]);
		srv(NULL, 0, 0, 15099, "good.test");
		assert_int_equal(read_srv(), ZONE_FOUND);
		assert_int_equal(found.n, 1);
		assert_int_equal(found.skipped, 1);
		assert_string_equal(found.list[0].at.host, "good.test");
	}
	begin(0x8400, 1, NAME, SRV);
	srv(NULL, 0, 0, 0, "good.test");
	assert_int_equal(read_srv(), ZONE_FOUND);
	assert_int_equal(found.skipped, 1);
}

/* A label may hold any octet; one with a dot or a NUL must not become another
 * name. */
static void a_dot_inside_of_a_label(void **state)
{
	static const uint8_t hosts[2][12] = {
		{6, 'g', 'o', '.', 'd', 'o', 't', 4, 't', 'e', 's', 't'},
		{6, 'g', 'o', 0, 'd', 'o', 't', 4, 't', 'e', 's', 't'}};
	size_t i, data;

	(void)state;
	for (i = 0; i < 2; i++) {
		begin(0x8400, 1, NAME, SRV);
		data = record(NULL, SRV);
		put_u16(0);
		put_u16(0);
		put_u16(15099);
		put(hosts[i], sizeof(hosts[i]));
		put("", 1);
		close_record(data);
		assert_int_equal(read_srv(), ZONE_FOUND);
		assert_int_equal(found.n, 0);
		assert_int_equal(found.skipped, 1);
	}
}

static void what_answers_another_question(void **state)
{
	(void)state;
	begin(0x8400, 1, "_mmmpresence._udp.example.tesu", SRV);
	srv(NULL, 0, 0, 1, "evil.test");
	assert_int_equal(read_srv(), ZONE_MALFORMED);
	begin(0x8400, 1, NAME, TXT);
	srv(NULL, 0, 0, 1, "evil.test");
	assert_int_equal(read_srv(), ZONE_MALFORMED);
	assert_int_equal(found.n, 0);
}

static void headers(void **state)
{
	static const struct {
		unsigned flags;
		enum zone_result result;
	} rows[] = {
		{0x8000, ZONE_FOUND},     {0x81a0, ZONE_FOUND},
		{0x0000, ZONE_MALFORMED}, /* a question */
		{0x8800, ZONE_MALFORMED}, /* another opcode */
		{0x8200, ZONE_MALFORMED}, /* cut */
		{0x8001, ZONE_FAILED},    {0x8002, ZONE_FAILED},
		{0x8003, ZONE_NONE},      {0x8005, ZONE_FAILED},
		{0x800f, ZONE_FAILED},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(rows[i].flags, 1, NAME, SRV);
		srv(NULL, 0, 0, 1, "h.test");
		assert_int_equal(read_srv(), rows[i].result);
		assert_int_equal(found.n, rows[i].result == ZONE_FOUND);
	}
	begin(0x8000, 1, NAME, SRV);
	srv(NULL, 0, 0, 1, "h.test");
	room[5] = 2;
	assert_int_equal(read_srv(), ZONE_MALFORMED);
	begin(0x8000, 0, NAME, SRV);
	assert_int_equal(read_srv(), ZONE_NONE);
}

static void every_length(void **state)
{
	size_t whole;

	(void)state;
	begin(0x8400, 2, NAME, SRV);
	srv(NULL, 0, 0, 1, "h.test");
	srv(NULL, 0, 0, 1, "i.test");
	whole = len;
	assert_int_equal(read_srv(), ZONE_FOUND);
	for (len = 0; len < whole; len++)
		assert_int_equal(read_srv(), ZONE_MALFORMED);
}

static void pointers_that_lead_nowhere(void **state)
{
	static const unsigned pointers[] = {0xc000, 0xffff, 0xc0ff, 0x8000,
					    0x4000};
	size_t i, data;

	(void)state;
	for (i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
		begin(0x8400, 1, NAME, SRV);
		data = record(NULL, SRV);
		put_u16(0);
		put_u16(0);
		put_u16(1);
		/* To itself, behind the end, forward, and no pointers. */
		put_u16(i == 0 ? 0xc000 | (unsigned)len : pointers[i]);
		close_record(data);
		assert_int_equal(read_srv(), ZONE_MALFORMED);
	}
	/* Two that point at each other. */
	begin(0x8400, 1, NAME, SRV);
	data = record(NULL, SRV);
	put_u16(0);
	put_u16(0);
	put_u16(0xc000 | (unsigned)(len + 2));
	put_u16(0xc000 | (unsigned)(len - 2));
	close_record(data);
	assert_int_equal(read_srv(), ZONE_MALFORMED);
}

/* Through pointers a name could be longer than its message. */
static void names_of_more_than_255_octets(void **state)
{
	static const char label[] = "aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd"
				    "eeeeeeeeeeffffffffffggg";
	const uint8_t n = 63;
	size_t data, at, i, labels;

	(void)state;
	for (labels = 3; labels <= 4; labels++) {
		begin(0x8400, 2, NAME, SRV);
		data = record("x", TXT);
		at = len;
		for (i = 0; i < labels; i++) {
			put(&n, 1);
			put(label, 63);
		}
		put("", 1);
		close_record(data);
		data = record(NULL, SRV);
		put_u16(0);
		put_u16(0);
		put_u16(1);
		put_u16(0xc000 | (unsigned)at);
		close_record(data);
		assert_int_equal(read_srv(),
				 labels == 3 ? ZONE_FOUND : ZONE_MALFORMED);
	}
}

static void lengths_of_records_that_lie(void **state)
{
	size_t data;

	(void)state;
	begin(0x8400, 1, NAME, SRV);
	data = record(NULL, SRV);
	put_u16(0);
	put_u16(0);
	put_u16(1);
	put_name("h.test");
	close_record(data);
	room[data - 1]--; /* the name goes on behind its record */
	assert_int_equal(read_srv(), ZONE_MALFORMED);
	room[data - 1] += 2;
	assert_int_equal(read_srv(), ZONE_MALFORMED);
	put("", 1);
	assert_int_equal(read_srv(), ZONE_MALFORMED);
}

static void many_records(void **state)
{
	char host[16];
	unsigned i, n;

	(void)state;
	for (n = ZONE_RECORDS_MAX; n <= ZONE_RECORDS_MAX + 1; n++) {
		begin(0x8400, n, NAME, SRV);
		for (i = 0; i < n; i++) {
			(void)snprintf(host, sizeof(host), "h%u.test", i);
			srv(NULL, i, 0, 1, host);
		}
		assert_int_equal(read_srv(), n == ZONE_RECORDS_MAX
						     ? ZONE_FOUND
						     : ZONE_TOO_MANY);
	}
	assert_int_equal(found.n, 0);
}

/* ---- TXT ---- */

static void fingerprints(void **state)
{
	(void)state;
	begin(0x8400, 3, NAME, TXT);
	txt(NULL, "v=1", "udf=" PIN);
	txt(NULL, "UDF=" PIN " path=/rud x", "=");
	txt(NULL, "", "udfx=M");
	assert_int_equal(read_txt(), ZONE_FOUND);
	assert_null(text.wrong);
	assert_int_equal(text.n_pins, 1);
	assert_string_equal(text.pins[0], PIN);
	assert_string_equal(text.path, "/rud");
}

static void wrong_values(void **state)
{
	static const struct {
		const char *string;
		const char *wrong; /* NULL: nothing */
	} rows[] = {
		/* 28 digits are 140 bits, 27 are 135. */
		{"udf=MBGXGGXIQTM3RBA3HMKJFPAEFJME", NULL},
		{"udf=MBGXGGXIQTM3RBA3HMKJFPAEFJM", "less than 140 bits"},
		{"udf=", "begin with M"},
		{"udf=M", "less than 140 bits"},
		{"udf=MBGX GGXI-QTM3-RBA3-HMKJ-FPAE-FJME", "less than 140"},
		{"udf=NBGX-GGXI-QTM3-RBA3-HMKJ-FPAE-FJME", "begin with M"},
		{"udf=MBGX-GGXI-QTM3-RBA3-HMKJ-FPAE-FJM1", "not Base32"},
		{"path=rud", "path"},
		{"path=", "path"},
		{"path=/a?b", "path"},
		{"path=/a path=/b", "path"},
		{"path=/a path=/a", NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(0x8400, 1, NAME, TXT);
		txt(NULL, rows[i].string, NULL);
		assert_int_equal(read_txt(), ZONE_FOUND);
		if (rows[i].wrong == NULL) {
			assert_null(text.wrong);
			continue;
		}
		assert_non_null(text.wrong);
		if (strstr(text.wrong, rows[i].wrong) == NULL)
			fail_msg("\"%s\" of %s", text.wrong, rows[i].string);
	}
}

static void more_than_four_fingerprints(void **state)
{
	char pin[64];
	unsigned i, n;

	(void)state;
	for (n = 4; n <= 5; n++) {
		begin(0x8400, n, NAME, TXT);
		for (i = 0; i < n; i++) {
			(void)snprintf(pin, sizeof(pin), "udf=%s%c", PIN,
				       'A' + (int)i);
			txt(NULL, pin, NULL);
		}
		assert_int_equal(read_txt(), ZONE_FOUND);
		assert_int_equal(text.wrong != NULL, n == 5);
		assert_int_equal(text.n_pins, 4);
	}
}

static void a_string_longer_than_its_record(void **state)
{
	size_t data;

	(void)state;
	begin(0x8400, 1, NAME, TXT);
	data = record(NULL, TXT);
	string("udf=" PIN);
	close_record(data);
	room[data]++;
	assert_int_equal(read_txt(), ZONE_MALFORMED);
	assert_int_equal(text.n_pins, 0);
}

/* ---- the order ---- */

static void offer(struct zone_services *s, unsigned priority, unsigned weight,
		  const char *host)
{
	struct zone_srv *one = &s->list[s->n++];

	one->priority = (uint16_t)priority;
	one->weight = (uint16_t)weight;
	one->at.port = 1;
	(void)snprintf(one->at.host, sizeof(one->at.host), "%s", host);
}

static const uint32_t least[ZONE_TARGETS_MAX];

static void lower_priorities_come_first(void **state)
{
	struct zone_srv out[ZONE_TARGETS_MAX];
	struct zone_services s = {.n = 0};

	(void)state;
	offer(&s, 30, 65535, "c");
	offer(&s, 0, 0, "");
	offer(&s, 10, 0, "a");
	offer(&s, 20, 1, "b");
	assert_int_equal(zone_order(&s, least, out), 3);
	assert_string_equal(out[0].at.host, "a");
	assert_string_equal(out[1].at.host, "b");
	assert_string_equal(out[2].at.host, "c");
}

/* Weights 1, 3 and 0: of the numbers 0 to 4, 0 means the one of weight 0, 1
 * the first and the others the second (RFC 2782). */
static void weights_are_drawn(void **state)
{
	static const char expected[] = "zabbb";
	struct zone_srv out[ZONE_TARGETS_MAX];
	uint32_t draws[ZONE_TARGETS_MAX];
	struct zone_services s;
	uint32_t i;

	(void)state;
	for (i = 0; i < 5; i++) {
		memset(&s, 0, sizeof(s));
		offer(&s, 1, 1, "a");
		offer(&s, 1, 3, "b");
		offer(&s, 1, 0, "z");
		memset(draws, 0, sizeof(draws));
		/* The middle of the i-th fifth of all numbers. */
		draws[0] = UINT32_MAX / 10 * (2 * i + 1);
		assert_int_equal(zone_order(&s, draws, out), 3);
		assert_int_equal(out[0].at.host[0], expected[i]);
	}
	memset(&s, 0, sizeof(s));
	offer(&s, 1, 65535, "a");
	offer(&s, 1, 65535, "b");
	memset(draws, 0xff, sizeof(draws));
	assert_int_equal(zone_order(&s, draws, out), 2);
	assert_string_equal(out[0].at.host, "b");
	assert_string_equal(out[1].at.host, "a");
}

static void sixteen_of_a_hundred(void **state)
{
	struct zone_srv out[ZONE_TARGETS_MAX];
	struct zone_services s = {.n = 0};
	char host[8];
	unsigned i;

	(void)state;
	for (i = 0; i < 100; i++) {
		(void)snprintf(host, sizeof(host), "h%u", 99 - i);
		offer(&s, 99 - i, 7, host);
	}
	assert_int_equal(zone_order(&s, least, out), ZONE_TARGETS_MAX);
	for (i = 0; i < ZONE_TARGETS_MAX; i++)
		assert_int_equal(out[i].priority, i);
}

static void only_the_root(void **state)
{
	struct zone_srv out[ZONE_TARGETS_MAX];
	struct zone_services s = {.n = 0};

	(void)state;
	offer(&s, 0, 0, "");
	offer(&s, 0, 0, "");
	assert_int_equal(zone_order(&s, least, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_read),
		cmocka_unit_test(a_server_s_answer),
		cmocka_unit_test(what_is_not_asked_for_is_not_looked_at),
		cmocka_unit_test(aliases_are_followed),
		cmocka_unit_test(no_host),
		cmocka_unit_test(a_dot_inside_of_a_label),
		cmocka_unit_test(what_answers_another_question),
		cmocka_unit_test(headers),
		cmocka_unit_test(every_length),
		cmocka_unit_test(pointers_that_lead_nowhere),
		cmocka_unit_test(names_of_more_than_255_octets),
		cmocka_unit_test(lengths_of_records_that_lie),
		cmocka_unit_test(many_records),
		cmocka_unit_test(fingerprints),
		cmocka_unit_test(wrong_values),
		cmocka_unit_test(more_than_four_fingerprints),
		cmocka_unit_test(a_string_longer_than_its_record),
		cmocka_unit_test(lower_priorities_come_first),
		cmocka_unit_test(weights_are_drawn),
		cmocka_unit_test(sixteen_of_a_hundred),
		cmocka_unit_test(only_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
