/* SPDX-License-Identifier: MIT */
/* fuzz_uri.c - any octets as an invitation. What is taken must be whole, and
 * its parts must pass the checks of what a device's state may hold: written
 * as a state it reads back the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/names.h"
#include "loop/state.h"
#include "loop/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what, const char *sentence)
{
	if (what)
		return;
	(void)fprintf(stderr, "broken: %s\n", sentence);
	abort();
}

static struct loop_state state_of(const struct loop_invitation *inv)
{
	struct loop_state s;

	memset(&s, 0, sizeof(s));
	s.suite = MPP_SUITE_25519;
	s.device_secret[0] = 1;
	memcpy(s.account, inv->account, sizeof(s.account));
	memcpy(s.endpoints, inv->endpoints, sizeof(s.endpoints));
	s.n_endpoints = inv->n_endpoints;
	memcpy(s.pins, inv->pins, sizeof(s.pins));
	s.n_pins = inv->n_pins;
	memcpy(s.invitation, inv->secret, sizeof(s.invitation));
	s.pending = true;
	return s;
}

static void check(const struct loop_invitation *inv)
{
	const struct loop_state s = state_of(inv);
	struct loop_state again;
	uint8_t room[LOOP_STATE_MAX];
	mpp_buf buf = {room, sizeof(room), 0};
	const char *wrong;

	must(inv->n_pins > 0 && inv->n_pins <= MPP_PINS_MAX, "1 to 4 pins");
	must(inv->n_endpoints > 0 && inv->n_endpoints <= LOOP_ENDPOINTS_MAX,
	     "1 to 8 endpoints");
	must(loop_state_encode(&s, &buf) == MPP_OK, "it fits a state");
	must(loop_state_decode((mpp_bytes){buf.p, buf.len}, &again, &wrong) ==
		     MPP_OK,
	     "it reads back");
	must(memcmp(&s, &again, sizeof(s)) == 0, "it is the same");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop_invitation inv;
	mpp_loop_error e = {.text = ""};
	char *uri = malloc(size + 1);

	must(uri != NULL, "memory");
	if (size > 0)
		memcpy(uri, data, size);
	uri[size] = '\0';
	memset(&inv, 0xa5, sizeof(inv));
	if (loop_uri_parse(uri, &inv, &e) == MPP_OK)
		check(&inv);
	else
		must(e.text[0] != '\0' && e.exit_code != 0, "it says why");
	free(uri);
	return 0;
}
