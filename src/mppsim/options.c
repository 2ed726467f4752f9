/* SPDX-License-Identifier: MIT */
/* options.c - see options.h. */
#include "mppsim/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "mppsim/ladder.h"
#include "mppsim/scenario.h"

enum {
	OPT_HELP = 1,
	OPT_VERSION,
	OPT_LIST,
	OPT_JSON,
	OPT_TRACE,
	OPT_SEED,
	OPT_SEEDS,
	OPT_DEVICES,
	OPT_DAYS,
	OPT_PUBLICATIONS,
	OPT_SET,
	OPT_BREAK,
	OPT_FILE,
	SEEDS_MAX = 100000000,
};

static const struct option table[] = {
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{"list", no_argument, NULL, OPT_LIST},
	{"json", no_argument, NULL, OPT_JSON},
	{"trace", no_argument, NULL, OPT_TRACE},
	{"seed", required_argument, NULL, OPT_SEED},
	{"seeds", required_argument, NULL, OPT_SEEDS},
	{"devices", required_argument, NULL, OPT_DEVICES},
	{"days", required_argument, NULL, OPT_DAYS},
	{"publications", required_argument, NULL, OPT_PUBLICATIONS},
	{"set", required_argument, NULL, OPT_SET},
	{"break", required_argument, NULL, OPT_BREAK},
	{"file", required_argument, NULL, OPT_FILE},
	{NULL, 0, NULL, 0},
};

static const struct {
	const char *name;
	enum plant plant;
} plants[] = {
	{"lose-commit", PLANT_LOSE_COMMIT},
	{"deaf", PLANT_DEAF},
	{"amplify", PLANT_AMPLIFY},
	{"overrun", PLANT_OVERRUN},
	{"wall", PLANT_WALL},
	{"untold", PLANT_UNTOLD},
};

static int complain(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static int complain(const char *format, ...)
{
	va_list ap;

	(void)fputs("mppsim: ", stderr);
	va_start(ap, format);
	(void)vfprintf(stderr, format, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return EX_USAGE;
}

static int set_number(uint64_t *out, const char *name, const char *text,
		      uint64_t least, uint64_t most)
{
	const size_t digits = strspn(text, "0123456789");
	const uint64_t value = strtoull(text, NULL, 10);

	if (digits == 0 || digits > 19 || text[digits] != '\0' ||
	    value < least || value > most)
		return complain("--%s %.64s: give a number from %llu to %llu",
				name, text, (unsigned long long)least,
				(unsigned long long)most);
	*out = value;
	return 0;
}

static int set_plant(enum plant *out, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
		if (strcmp(plants[i].name, name) == 0) {
			*out = plants[i].plant;
			return 0;
		}
	}
	return complain("--break %.64s: give lose-commit, deaf, amplify, "
			"overrun, wall or untold",
			name);
}

/* What changes the run is said again in the line that reproduces it. */
static int repeat(struct options *o, const char *name, const char *value)
{
	const size_t n = strlen(o->given);

	if (n + strlen(name) + strlen(value) + 5 > sizeof(o->given))
		return complain("too many options");
	(void)snprintf(o->given + n, sizeof(o->given) - n, " --%s %s", name,
		       value);
	return 0;
}

static int set(struct options *o, const char *format, const char *value)
{
	char setting[PARAMS_ERROR], error[PARAMS_ERROR];

	if ((size_t)snprintf(setting, sizeof(setting), format, value) >=
	    sizeof(setting))
		return complain("%.32s...: too long", value);
	if (o->ladder && ladder_decides(setting))
		return complain("%.*s: the ladder decides this itself",
				(int)strcspn(setting, "="), setting);
	if (params_set(&o->p, setting, error) != MPP_OK)
		return complain("%s", error);
	return 0;
}

/* Options that change numbers of the scenario. */
static int set_scenario(struct options *o, int opt, const char *value)
{
	switch (opt) {
	case OPT_DEVICES:
		return set(o, "devices=%s", value);
	case OPT_DAYS:
		return set(o, "duration=%sd", value);
	case OPT_PUBLICATIONS:
		return set(o, "publications=%s", value);
	default:
		return set(o, "%s", value);
	}
}

static int take(struct options *o, int opt, const char *name)
{
	switch (opt) {
	case 'h':
	case OPT_HELP:
		o->help = true;
		return 0;
	case OPT_VERSION:
		o->version = true;
		return 0;
	case OPT_LIST:
		o->list = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_TRACE:
		o->trace = true;
		return 0;
	case OPT_SEED:
		return set_number(&o->seed, name, optarg, 1, UINT64_MAX / 4);
	case OPT_SEEDS:
		return set_number(&o->seeds, name, optarg, 1, SEEDS_MAX);
	case OPT_BREAK:
		return set_plant(&o->plant, optarg) != 0
			       ? EX_USAGE
			       : repeat(o, name, optarg);
	case OPT_DEVICES:
	case OPT_DAYS:
	case OPT_PUBLICATIONS:
	case OPT_SET:
		return set_scenario(o, opt, optarg) != 0
			       ? EX_USAGE
			       : repeat(o, name, optarg);
	case OPT_FILE:
		return complain("--file: give it first, and no scenario");
	default:
		return EX_SOFTWARE;
	}
}

static int take_file(struct options *o, const char *path)
{
	char error[SCENARIO_ERROR];
	const mpp_err err = scenario_read(path, &o->p, error);

	o->scenario = "file";
	o->file = path;
	if (err == MPP_OK)
		return 0;
	(void)complain("%s", error);
	return err == MPP_ERR_IO ? EX_NOINPUT : EX_DATAERR;
}

/* The scenario first: the options change it. */
static int take_scenario(struct options *o, int argc, char **argv)
{
	char error[PARAMS_ERROR];
	int i;

	if (argc > 2 && strcmp(argv[1], "--file") == 0)
		return take_file(o, argv[2]);
	for (i = 1; i < argc && argv[i][0] != '-'; i++)
		o->scenario = argv[i];
	if (i > 2)
		return complain("one scenario at a time");
	if (o->scenario == NULL)
		return params_scenario("calm", &o->p, error) == MPP_OK
			       ? 0
			       : complain("%s", error);
	if (params_scenario(o->scenario, &o->p, error) != MPP_OK)
		return complain("%s", error);
	o->ladder = strcmp(o->scenario, "ladder") == 0;
	return 0;
}

static int wrong(int opt, char *const *argv)
{
	const char *what = argv[optind - 1];

	if (opt == ':')
		return complain("%.64s: a value is missing", what);
	return complain("%.64s: no such option; mppsim --help shows them",
			what);
}

int options_parse(int argc, char **argv, struct options *out)
{
	int opt, at = 0, code;

	memset(out, 0, sizeof(*out));
	out->seed = out->seeds = 1;
	code = take_scenario(out, argc, argv);
	optind = out->file != NULL ? 3 : out->scenario != NULL ? 2 : 1;
	opterr = 0;
	while (code == 0 &&
	       (opt = getopt_long(argc, argv, "+:h", table, &at)) != -1)
		code = opt == '?' || opt == ':'
			       ? wrong(opt, argv)
			       : take(out, opt, table[at].name);
	if (code != 0 || out->help || out->version || out->list)
		return code;
	if (out->scenario == NULL)
		return complain("give a scenario first; mppsim --list shows "
				"them");
	if (optind < argc)
		return complain("%.64s: not an option", argv[optind]);
	if (out->seeds > 1 && out->trace)
		return complain("--trace is for one seed");
	return 0;
}
