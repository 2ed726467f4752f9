/* SPDX-License-Identifier: MIT */
/* What a NAT does, from what servers saw. */
#include "head.h"

#include "netcheck/behaviour.h"

enum { SEEN_MAX = 4 };

static const mpp_addr local = {{192, 168, 1, 2}, 40000, 4, 0};

// clang-format off
#define NOWHERE {{0}, 0, 0, 0}
#define HERE {{192, 168, 1, 2}, 40000, 4, 0}
#define AT(host, port) {{192, 0, 2, host}, port, 4, 0}
#define AS(port) {{203, 0, 113, 1}, port, 4, 0}

static const struct mapping_case {
	const char *what;
	size_t n;
	struct observation seen[SEEN_MAX];
	enum mapping want;
} mappings[] = {
	{"nothing seen", 0, {{NOWHERE, NOWHERE}}, MAPPING_UNKNOWN},
	{"one server sees the socket itself", 1,
	 {{AT(1, 1), HERE}}, MAPPING_NONE},
	{"one server sees another address", 1,
	 {{AT(1, 1), AS(7)}}, MAPPING_UNKNOWN},
	{"only one of two sees the socket itself", 2,
	 {{AT(1, 1), HERE}, {AT(2, 1), AS(7)}}, MAPPING_DEPENDENT},
	{"two addresses, one mapping", 2,
	 {{AT(1, 1), AS(7)}, {AT(2, 1), AS(7)}}, MAPPING_INDEPENDENT},
	{"two addresses, two mappings", 2,
	 {{AT(1, 1), AS(7)}, {AT(2, 1), AS(8)}}, MAPPING_DEPENDENT},
	{"two ports of an address, one mapping", 2,
	 {{AT(1, 1), AS(7)}, {AT(1, 2), AS(7)}}, MAPPING_NOT_PORT},
	{"two ports of an address, two mappings", 2,
	 {{AT(1, 1), AS(7)}, {AT(1, 2), AS(8)}}, MAPPING_ADDRESS_PORT},
	{"one mapping for each address", 4,
	 {{AT(1, 1), AS(7)}, {AT(1, 2), AS(7)},
	  {AT(2, 1), AS(8)}, {AT(2, 2), AS(8)}}, MAPPING_ADDRESS},
	{"one for each address and port", 4,
	 {{AT(1, 1), AS(7)}, {AT(1, 2), AS(8)},
	  {AT(2, 1), AS(9)}, {AT(2, 2), AS(10)}}, MAPPING_ADDRESS_PORT},
	{"all the same", 4,
	 {{AT(1, 1), AS(7)}, {AT(1, 2), AS(7)},
	  {AT(2, 1), AS(7)}, {AT(2, 2), AS(7)}}, MAPPING_INDEPENDENT},
	{"one server asked twice says nothing of others", 2,
	 {{AT(1, 1), AS(7)}, {AT(1, 1), AS(8)}}, MAPPING_UNKNOWN},
};
// clang-format on

static void test_mappings(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(mappings) / sizeof(mappings[0]); i++) {
		const struct mapping_case *c = &mappings[i];
		const enum mapping m = behaviour_mapping(&local, c->seen, c->n);

		if (m != c->want)
			fail_msg("%s: %s", c->what, mapping_word(m));
	}
}

static const struct filtering_case {
	const char *what;
	struct filter_facts facts;
	enum filtering want;
} filterings[] = {
	{"all came", {true, true, true, true, true}, FILTERING_INDEPENDENT},
	{"another address alone came",
	 {false, true, false, false, false},
	 FILTERING_INDEPENDENT},
	{"the other port came",
	 {true, false, true, true, true},
	 FILTERING_ADDRESS},
	{"only the same came",
	 {true, false, false, true, true},
	 FILTERING_ADDRESS_PORT},
	{"nothing came at all",
	 {false, false, false, true, true},
	 FILTERING_UNKNOWN},
	{"the alternate address is dead",
	 {true, false, true, false, true},
	 FILTERING_UNKNOWN},
	{"the other port is dead",
	 {true, false, false, true, false},
	 FILTERING_UNKNOWN},
};

static void test_filterings(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(filterings) / sizeof(filterings[0]); i++) {
		const struct filtering_case *c = &filterings[i];
		const enum filtering f = behaviour_filtering(&c->facts);

		if (f != c->want)
			fail_msg("%s: %s", c->what, filtering_word(f));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mappings),
		cmocka_unit_test(test_filterings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
