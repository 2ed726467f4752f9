/* SPDX-License-Identifier: MIT */
/* fuzz_discover.c - any octets as an answer of the DNS. What is taken can stand
 * in a device's state, and whatever is not FOUND leaves nothing behind. The
 * first octet says what is asked for, the next are the draws. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "loop/names.h"
#include "loop/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char name[] = "_mmmpresence._udp.example.test";

static void must(bool what, const char *sentence)
{
	if (what)
		return;
	(void)fprintf(stderr, "broken: %s\n", sentence);
	abort();
}

static void check_target(const struct zone_srv *one)
{
	char text[LOOP_ENDPOINT_TEXT];
	struct loop_endpoint again;

	loop_endpoint_text(&one->at, text);
	must(loop_endpoint_wrong((mpp_bytes){(const uint8_t *)text,
					     strlen(text)},
				 &again) == NULL,
	     "a target is an endpoint");
	must(strcmp(again.host, one->at.host) == 0 &&
		     again.port == one->at.port,
	     "and the same one");
	must(strchr(one->at.host, ':') == NULL, "a target is no address");
}

static void fuzz_srv(mpp_bytes in, const uint32_t draws[ZONE_TARGETS_MAX])
{
	static struct zone_services s;
	struct zone_srv out[ZONE_TARGETS_MAX];
	const enum zone_result result = zone_read_srv(in, name, &s);
	size_t n, i;

	if (result != ZONE_FOUND) {
		must(mem_is_zero((const uint8_t *)&s, sizeof(s)), "nothing");
		return;
	}
	must(s.n <= ZONE_RECORDS_MAX && s.n + s.skipped > 0, "some");
	n = zone_order(&s, draws, out);
	must(n <= ZONE_TARGETS_MAX, "16 at most");
	for (i = 0; i < n; i++) {
		check_target(&out[i]);
		must(i == 0 || out[i].priority >= out[i - 1].priority,
		     "in the order of priority");
	}
}

static void fuzz_txt(mpp_bytes in)
{
	struct zone_text t;
	size_t i;

	if (zone_read_txt(in, name, &t) != ZONE_FOUND) {
		must(mem_is_zero((const uint8_t *)&t, sizeof(t)), "nothing");
		return;
	}
	must(t.n_pins <= MPP_PINS_MAX, "4 at most");
	for (i = 0; i < t.n_pins; i++) {
		const mpp_bytes pin = {(const uint8_t *)t.pins[i],
				       strlen(t.pins[i])};

		must(loop_fingerprint_wrong(pin) == NULL, "a fingerprint");
	}
	must(memchr(t.path, 0, sizeof(t.path)) != NULL, "a text");
	must(t.path[0] == '\0' || t.path[0] == '/', "a path");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t draws[ZONE_TARGETS_MAX];

	if (size < 2)
		return 0;
	memset(draws, data[1], sizeof(draws));
	if ((data[0] & 1) != 0)
		fuzz_txt((mpp_bytes){data + 2, size - 2});
	else
		fuzz_srv((mpp_bytes){data + 2, size - 2}, draws);
	return 0;
}
