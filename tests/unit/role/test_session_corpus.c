/* SPDX-License-Identifier: MIT */
/* The corpus of fuzz_session, each program of it, reaches every state of a
 * connection and of a client, every way to connect with every suite, every
 * event, and what an attacker can do. Without that a fuzzer that finds
 * nothing says nothing. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "session/steps.h"

#define CORPUS MPP_TESTS_DIR "/fuzz/corpus/session"

enum { PROGRAM_MAX = 65536 };

static const char *const mode_name[SESSION_MODES] = {
	"First Contact", "Immediate", "Deferred", "Ticketed",
	"Ticketed with a Challenge"};
static const char *const client_name[] = {
	"", "idle", "connecting", "confirming", "connected", "done"};
static const char *const event_name[] = {
	"",     "save",    "connected",   "publication", "response",
	"lost", "refused", "key changed", "closed"};

static size_t read_program(const char *name, uint8_t *to)
{
	char path[512];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", CORPUS, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(to, 1, PROGRAM_MAX, f);
	assert_int_equal(ferror(f), 0);
	(void)fclose(f);
	return n;
}

static int run_corpus(void **state)
{
	static uint8_t program[PROGRAM_MAX];
	DIR *folder = opendir(CORPUS);
	struct dirent *e;

	(void)state;
	assert_non_null(folder);
	while ((e = readdir(folder)) != NULL) {
		if (e->d_name[0] != '.')
			session_run(program, read_program(e->d_name, program));
	}
	(void)closedir(folder);
	return 0;
}

static unsigned missing;

static void reached(const char *what, const char *name, uint64_t n)
{
	print_message("%-10s %-28s %llu\n", what, name, (unsigned long long)n);
	if (n == 0) {
		print_error("%s %s was never reached\n", what, name);
		missing++;
	}
}

static void every_state_of_a_connection_is_reached(void **state)
{
	char name[32];
	int i;

	(void)state;
	missing = 0;
	for (i = 0; i < BINDING_STATES; i++) {
		(void)snprintf(name, sizeof(name), "%d %s", i,
			       binding_state_name((enum binding_state)i));
		reached("connection", name, session_reached.binding[i]);
	}
	assert_int_equal(missing, 0);
}

static void every_state_of_a_client_is_reached(void **state)
{
	int i;

	(void)state;
	missing = 0;
	for (i = CLIENT_IDLE; i <= CLIENT_DONE; i++)
		reached("client", client_name[i], session_reached.client[i]);
	assert_int_equal(missing, 0);
}

static void every_way_to_connect_is_reached_with_each_suite(void **state)
{
	char name[64];
	int i, suite;

	(void)state;
	missing = 0;
	for (i = 0; i < SESSION_MODES; i++) {
		for (suite = MPP_SUITE_25519; suite <= MPP_SUITE_448; suite++) {
			(void)snprintf(name, sizeof(name), "%s, suite %d",
				       mode_name[i], suite);
			reached("mode", name, session_reached.mode[i][suite]);
		}
	}
	assert_int_equal(missing, 0);
}

static void every_event_is_reached(void **state)
{
	int i;

	(void)state;
	missing = 0;
	for (i = MPP_EV_SAVE; i <= MPP_EV_CLOSED; i++)
		reached("event", event_name[i], session_reached.event[i]);
	assert_int_equal(missing, 0);
}

static void every_step_is_taken(void **state)
{
	char name[8];
	int i;

	(void)state;
	missing = 0;
	for (i = 0; i < STEPS; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		reached("step", name, session_reached.op[i]);
	}
	assert_int_equal(missing, 0);
}

/* Each counter of the service but those of a host that has no room, and of
 * cryptography that fails. */
static void every_verdict_of_the_service_is_reached(void **state)
{
	const mpp_service_counters *k = &session_reached.count;

	(void)state;
	missing = 0;
	reached("forged", "to a client", session_reached.forged_to_client);
	reached("forged", "to the service", session_reached.forged_to_service);
	reached("replayed", "", session_reached.replayed);
#define REACHED(name) reached("counter", #name, k->name)
	REACHED(drop_short);
	REACHED(drop_stranger);
	REACHED(drop_malformed);
	REACHED(drop_type);
	REACHED(drop_header);
	REACHED(drop_replay);
	REACHED(drop_auth);
	REACHED(drop_padding);
	REACHED(challenges);
	REACHED(resets);
	REACHED(errors_clear);
	REACHED(tickets);
	REACHED(tokens);
	REACHED(refused);
	REACHED(enrolled);
	REACHED(moved);
	REACHED(renewed);
	REACHED(closed);
	REACHED(offline);
	REACHED(malformed);
	REACHED(publications);
	REACHED(repeats);
	REACHED(large);
	REACHED(packets_again);
	REACHED(abandoned);
	REACHED(no_snapshot);
	REACHED(acknowledged);
	REACHED(commit_errors);
#undef REACHED
	assert_int_equal(missing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_of_a_connection_is_reached),
		cmocka_unit_test(every_state_of_a_client_is_reached),
		cmocka_unit_test(
			every_way_to_connect_is_reached_with_each_suite),
		cmocka_unit_test(every_event_is_reached),
		cmocka_unit_test(every_step_is_taken),
		cmocka_unit_test(every_verdict_of_the_service_is_reached),
	};

	return cmocka_run_group_tests(tests, run_corpus, NULL);
}
