/* SPDX-License-Identifier: MIT */
/* What stands in the heads of HTTP requests, by strangers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "web/carrier_head.h"

/* RFC 7240 sections 2 and 4.3. */
static void prefer_wait(void **state)
{
	static const struct {
		const char *line;
		uint32_t ms;
	} rows[] = {
		{"wait=30", 30000},
		{"WAIT=30", 30000},
		{"wait = 30", 30000},
		{" wait=30 ", 30000},
		{"wait=\"30\"", 30000},
		{"respond-async, wait=100", 100000},
		{"respond-async,wait=100,handling=lenient", 100000},
		{"wait=10; foo=bar", 10000},
		{"wait=10, wait=20", 10000},
		{"foo; wait=10", 0}, /* a parameter of something else */
		{"foo=\"a, wait=10\", wait=5", 5000},
		{"foo=\"\\\", wait=10\", wait=5", 5000},
		{"wait=0", 0},
		{"wait", 0},
		{"wait=", 0},
		{"wait=-5", 0},
		{"wait=5s", 0},
		{"wait=1.5", 0},
		{"await=5", 0},
		{"wait5=5", 0},
		{"wait=99999999999999999999", 86400000},
		{"wait=4294967297", 86400000},
		{"", 0},
		{",,,", 0},
		{"=", 0},
		{"=5", 0},
		{"\"", 0},
		{"\"wait=5", 0},
		{"a=\"\\", 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].line);
		assert_int_equal(head_wait_ms(rows[i].line), rows[i].ms);
	}
}

static void content_type(void **state)
{
	static const struct {
		const char *line;
		bool good;
	} rows[] = {
		{"application/rud", true},
		{"Application/RUD", true},
		{" application/rud ", true},
		{"application/rud;v=1", true},
		{"application/rud ; v=\"a;b\"", true},
		{"application/rude", false},
		{"application/ru", false},
		{"application/json", false},
		{"text/plain; application/rud", false},
		{"", false},
		{";", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].line);
		assert_int_equal(head_is_rud(rows[i].line), rows[i].good);
	}
}

/* The last address counts: those before it are what the peer said. */
static void forwarded(void **state)
{
	static const mpp_addr a = {{192, 0, 2, 1}, 0, 4, 0};
	static const mpp_addr b = {{0x20, 0x01, 0x0d, 0xb8, [15] = 1}, 0, 6, 0};
	static const struct {
		const char *line;
		const mpp_addr *out;
	} rows[] = {
		{"192.0.2.1", &a},
		{"  192.0.2.1  ", &a},
		{"203.0.113.9, 192.0.2.1", &a},
		{"unknown,192.0.2.1", &a},
		{"2001:db8::1", &b},
		{"192.0.2.1, 2001:DB8:0:0::1", &b},
		{"192.0.2.1, ", NULL},
		{"192.0.2.1, unknown", NULL},
		{"192.0.2.1:5000", NULL},
		{"[2001:db8::1]", NULL},
		{"[2001:db8::1]:5000", NULL},
		{"192.0.2", NULL},
		{"0xc0000201", NULL},
		{"192.0.2.1.", NULL},
		{"::ffff:192.0.2.1", NULL},
		{"", NULL},
		{",", NULL},
		{"2001:db8::1111111111111111111111111111111111111111111111111",
		 NULL},
	};
	mpp_addr out;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].line);
		memset(&out, 0x55, sizeof(out));
		assert_int_equal(head_forwarded(rows[i].line, &out),
				 rows[i].out != NULL);
		if (rows[i].out != NULL)
			assert_memory_equal(&out, rows[i].out, sizeof(out));
		else
			assert_int_equal(out.family, 0x55);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefer_wait),
		cmocka_unit_test(content_type),
		cmocka_unit_test(forwarded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
