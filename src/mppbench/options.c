/* SPDX-License-Identifier: MIT */
/* options.c - the command line of mppbench. Contract: options.h. */
#include "mppbench/options.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "mppbench/complain.h"
#include "mppbench/measure.h"

enum {
	DEFAULT_DEVICES = 1000,
	DEFAULT_WINDOW = 64,
	FANOUT_MAX = 64,
	SECONDS_MAX = 3600,
};
#define SECONDS_MIN 0.05

enum option_value {
	VALUE_HELP = 'h',
	VALUE_VERSION = 256,
	VALUE_SECONDS,
	VALUE_DEVICES,
	VALUE_FANOUT,
	VALUE_WINDOW,
	VALUE_ROUNDS,
	VALUE_JSON,
	VALUE_BREAK,
};

static const struct option table[] = {
	{"seconds", required_argument, NULL, VALUE_SECONDS},
	{"devices", required_argument, NULL, VALUE_DEVICES},
	{"fanout", required_argument, NULL, VALUE_FANOUT},
	{"window", required_argument, NULL, VALUE_WINDOW},
	{"rounds", required_argument, NULL, VALUE_ROUNDS},
	{"json", no_argument, NULL, VALUE_JSON},
	{"break", required_argument, NULL, VALUE_BREAK},
	{"help", no_argument, NULL, VALUE_HELP},
	{"version", no_argument, NULL, VALUE_VERSION},
	{NULL, 0, NULL, 0},
};

static int set_number(uint32_t *out, const char *name, const char *text,
		      uint32_t min, uint32_t max)
{
	char *end;
	const unsigned long v = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || strlen(text) > 9 ||
	    *end != '\0' || v < min || v > max)
		return complain(EX_USAGE,
				"--%s %s: give a number from %u to %u", name,
				text, min, max);
	*out = (uint32_t)v;
	return 0;
}

static int set_seconds(struct plan *p, const char *text)
{
	char *end;

	p->seconds = strtod(text, &end);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' &&
	    isfinite(p->seconds) && p->seconds >= SECONDS_MIN &&
	    p->seconds <= SECONDS_MAX)
		return 0;
	return complain(EX_USAGE,
			"--seconds %s: give a number from %.2f to %d, such as "
			"1 or 0.5",
			text, SECONDS_MIN, SECONDS_MAX);
}

static int set_break(struct plan *p, const char *text)
{
	static const char *const names[] = {
		[BREAK_DEAF] = "deaf",
		[BREAK_FORGE] = "forge",
		[BREAK_MISCOUNT] = "miscount",
	};
	unsigned i;

	for (i = BREAK_DEAF; i <= BREAK_MISCOUNT; i++) {
		if (strcmp(text, names[i]) == 0) {
			p->broken = (enum breakage)i;
			return 0;
		}
	}
	return complain(EX_USAGE,
			"--break %s: give deaf, forge or miscount (or nothing: "
			"it is for tests)",
			text);
}

static int set_one(struct options *o, int value, const char *text)
{
	struct plan *p = &o->plan;

	switch (value) {
	case VALUE_SECONDS:
		return set_seconds(p, text);
	case VALUE_DEVICES:
		return set_number(&p->devices, "devices", text, 1,
				  WIRE_DEVICES_MAX);
	case VALUE_FANOUT:
		o->fanout = true;
		return set_number(&p->fanout, "fanout", text, 1, FANOUT_MAX);
	case VALUE_WINDOW:
		return set_number(&p->window, "window", text, 1, WIRE_BATCH);
	case VALUE_ROUNDS:
		return set_number(&p->rounds, "rounds", text, ROUNDS_MIN,
				  ROUNDS_MAX);
	case VALUE_JSON:
		p->json = true;
		return 0;
	case VALUE_BREAK:
		return set_break(p, text);
	case VALUE_VERSION:
		o->version = true;
		return 0;
	default: /* VALUE_HELP */
		o->help = true;
		return 0;
	}
}

static int read_all(int argc, char **argv, struct options *o)
{
	int value, code;

	opterr = 0;
	while ((value = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
		if (value == '?')
			return complain(EX_USAGE,
					"%s: no such option (see mppbench "
					"--help)",
					argv[optind - 1]);
		if (value == ':')
			return complain(EX_USAGE, "%s: a value is missing",
					argv[optind - 1]);
		if ((code = set_one(o, value, optarg)) != 0)
			return code;
	}
	return 0;
}

static int set_scenario(struct plan *p, const char *name)
{
	static const char *const names[] = {
		[SCENARIO_FLOOR] = "floor",
		[SCENARIO_HEARTBEAT] = "heartbeat",
		[SCENARIO_PUBLISH] = "publish",
		[SCENARIO_STUN] = "stun",
		[SCENARIO_DNS] = "dns",
	};
	unsigned i;

	for (i = SCENARIO_FLOOR; i <= SCENARIO_DNS; i++) {
		if (strcmp(name, names[i]) == 0) {
			p->scenario = (enum scenario)i;
			return 0;
		}
	}
	return complain(EX_USAGE,
			"%s: no such scenario; there are floor, heartbeat, "
			"publish, stun and dns",
			name);
}

/* Whole accounts only, and no device twice in one burst. */
static int fit_window(struct options *o)
{
	struct plan *p = &o->plan;

	if (o->fanout && p->scenario != SCENARIO_PUBLISH)
		return complain(EX_USAGE, "only publish takes --fanout");
	if (p->devices < p->fanout)
		return complain(EX_USAGE,
				"--devices %u: give at least --fanout, which "
				"is %u",
				p->devices, p->fanout);
	p->devices -= p->devices % p->fanout;
	if (p->window > p->devices)
		p->window = p->devices;
	p->window -= p->window % p->fanout;
	if (p->window == 0)
		p->window = p->fanout;
	return 0;
}

int options_parse(int argc, char **argv, struct options *out)
{
	int code;

	memset(out, 0, sizeof(*out));
	out->plan.seconds = 1;
	out->plan.devices = DEFAULT_DEVICES;
	out->plan.fanout = 1;
	out->plan.window = DEFAULT_WINDOW;
	out->plan.rounds = ROUNDS_MIN;
	if ((code = read_all(argc, argv, out)) != 0 || out->help ||
	    out->version)
		return code;
	if (optind == argc)
		return complain(EX_USAGE, "say what to measure: floor, "
					  "heartbeat, publish, stun or dns");
	if (argc - optind > 1)
		return complain(EX_USAGE, "too many arguments: %s",
				argv[optind + 1]);
	code = set_scenario(&out->plan, argv[optind]);
	return code == 0 ? fit_window(out) : code;
}
