/* SPDX-License-Identifier: MIT */
/* test_loop_token.c - the token in the state of a device: kept, replaced,
 * erased, and left alone by whoever does not mean it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loop/state.h"

#define DEVICE_KEY "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA" /* 1..32 */
#define SECRET "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8"     /* 64..95 */
#define TOKEN "AAECAwQFBgcICQoLDA0ODw"                           /* 0..15 */

/* Written by hand, as an older version wrote it but for the last member. */
#define DOCUMENT(last)                                                   \
	"{\"Version\":1,\"Account\":\"alice@example.com\",\"Suite\":1,"  \
	"\"DeviceKey\":\"" DEVICE_KEY "\",\"Instance\":\"oKGio6Slpqc\"," \
	"\"Timestamp\":1000,\"Endpoints\":[\"p.example.com:15099\"],"    \
	"\"Fingerprints\":[]" last "}\n"
#define WITH                                      \
	DOCUMENT(",\"Token\":{\"Token\":\"" TOKEN \
		 "\",\"SharedSecret\":\"" SECRET "\"}")

static char dir[64];

static int setup(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/mpp-token-XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static struct loop_state decoded(const char *text)
{
	struct loop_state s;
	const char *wrong = NULL;

	if (loop_state_decode((mpp_bytes){(const uint8_t *)text, strlen(text)},
			      &s, &wrong) != MPP_OK)
		fail_msg("%s", wrong);
	return s;
}

static struct loop_state loaded(void)
{
	struct loop_state s;
	mpp_loop_error e = {.text = ""};

	if (loop_state_load(dir, &s, &e) != MPP_OK)
		fail_msg("%s", e.text);
	return s;
}

static void put(const struct loop_state *s)
{
	mpp_loop_error e = {.text = ""};

	if (loop_state_put(dir, s, &e) != MPP_OK)
		fail_msg("%s", e.text);
}

static void raise_with(const struct loop_state *s,
		       const struct loop_raise *raise)
{
	mpp_loop_error e = {.text = ""};

	if (loop_state_raise(dir, s->instance, raise, &e) != MPP_OK)
		fail_msg("%s", e.text);
}

static void a_document_gives_its_token(void **state)
{
	const struct loop_state s = decoded(WITH);
	unsigned i;

	(void)state;
	assert_int_equal(s.token_len, 16);
	for (i = 0; i < 16; i++)
		assert_int_equal(s.token[i], i);
	for (i = 0; i < 32; i++)
		assert_int_equal(s.token_secret[i], 64 + i);
	assert_int_equal(decoded(DOCUMENT("")).token_len, 0);
}

static void the_longest_token_is_written_and_read(void **state)
{
	struct loop_state s = decoded(WITH), again;

	(void)state;
	s.token_len = MPP_TOKEN_MAX;
	memset(s.token, 0xfb, sizeof(s.token));
	put(&s);
	again = loaded();
	assert_memory_equal(&s, &again, sizeof(s));
}

static void a_malformed_token_is_refused(void **state)
{
	static const struct {
		const char *text;
		const char *wrong;
	} rows[] = {
		{DOCUMENT(",\"Token\":\"" TOKEN "\""),
		 "Token is not an object"},
		{DOCUMENT(",\"Token\":{}"), "a member is missing"},
		{DOCUMENT(",\"Token\":{\"Token\":\"" TOKEN "\"}"),
		 "a member is missing"},
		{DOCUMENT(",\"Token\":{\"SharedSecret\":\"" SECRET "\"}"),
		 "a member is missing"},
		{DOCUMENT(
			 ",\"Token\":{\"Token\":\"\",\"SharedSecret\":\"" SECRET
			 "\"}"),
		 "Token.Token is not"},
		{DOCUMENT(",\"Token\":{\"Token\":7,\"SharedSecret\":\"" SECRET
			  "\"}"),
		 "Token.Token is not"},
		{DOCUMENT(",\"Token\":{\"Token\":\"" TOKEN
			  "\",\"SharedSecret\":\"" TOKEN "\"}"),
		 "Token.SharedSecret is not"},
		{DOCUMENT(",\"Token\":{\"Token\":\"" TOKEN
			  "\",\"Token\":\"" TOKEN
			  "\",\"SharedSecret\":\"" SECRET "\"}"),
		 "twice"},
	};
	struct loop_state s;
	const char *wrong;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		wrong = "";
		assert_int_equal(
			loop_state_decode(
				(mpp_bytes){(const uint8_t *)rows[i].text,
					    strlen(rows[i].text)},
				&s, &wrong),
			MPP_ERR_SYNTAX);
		if (strstr(wrong, rows[i].wrong) == NULL)
			fail_msg("%s: %s", rows[i].text, wrong);
	}
}

static void it_is_replaced_and_erased(void **state)
{
	static const uint8_t token[] = {9, 8, 7}, secret[32] = {6, 5};
	const struct loop_state s = decoded(WITH);
	struct loop_raise raise = {.timestamp_ms = 2000};
	struct loop_state after;

	(void)state;
	put(&s);
	/* Whoever says nothing of it leaves it. */
	raise_with(&s, &raise);
	after = loaded();
	assert_int_equal(after.timestamp_ms, 2000);
	assert_int_equal(after.token_len, 16);
	raise.has_token = true;
	raise.token = (mpp_bytes){token, sizeof(token)};
	raise.token_secret = secret;
	raise_with(&s, &raise);
	after = loaded();
	assert_int_equal(after.token_len, 3);
	assert_memory_equal(after.token, token, 3);
	assert_memory_equal(after.token_secret, secret, 32);
	raise.token.len = 0;
	raise_with(&s, &raise);
	after = loaded();
	assert_int_equal(after.token_len, 0);
	assert_int_equal(after.timestamp_ms, 2000);
}

/* A state that was read before the token was used does not bring it back. */
static void an_old_state_does_not_bring_it_back(void **state)
{
	const struct loop_state s = decoded(WITH);
	const struct loop_raise erase = {.has_token = true};

	(void)state;
	put(&s);
	raise_with(&s, &erase);
	put(&s);
	assert_int_equal(loaded().token_len, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_document_gives_its_token),
		CASE(the_longest_token_is_written_and_read),
		CASE(a_malformed_token_is_refused),
		CASE(it_is_replaced_and_erased),
		CASE(an_old_state_does_not_bring_it_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
