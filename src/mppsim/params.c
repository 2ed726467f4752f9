/* SPDX-License-Identifier: MIT */
/* params.c - see params.h. */
#include "mppsim/params.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum kind { COUNT, TIME, RATE, NAME };

static const struct param {
	const char *name;
	enum kind kind;
	size_t at; /* in struct params */
	uint64_t value, least, most;
	const char *help;
	const char *words; /* NAME: its values, from 0 on */
} params[] = {
#define P(member, name, kind, value, least, most, help)                   \
	{name, kind, offsetof(struct params, member), value, least, most, \
	 help, NULL},
#define N(member, name, words, value, last, help)                     \
	{name, NAME, offsetof(struct params, member), value, 0, last, \
	 help, words},
#include "mppsim/params.def"
#undef N
#undef P
};

static const struct scenario {
	const char *name, *help, *settings;
} scenarios[] = {
#define S(name, help, settings) {name, help, settings},
#include "mppsim/scenarios.def"
#undef S
};

enum {
	PARAMS = sizeof(params) / sizeof(params[0]),
	SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]),
	TEXT = 64,
};

static const struct unit {
	const char *name;
	enum kind kind;
	uint64_t value;
} units[] = {
	{"", COUNT, 1},
	{"%", RATE, 10000},
	{"us", TIME, 1},
	{"ms", TIME, 1000},
	{"s", TIME, 1000000},
	{"m", TIME, 60000000},
	{"h", TIME, UINT64_C(3600000000)},
	{"d", TIME, UINT64_C(86400000000)},
};

static mpp_err fail(char error[PARAMS_ERROR], mpp_err err, const char *format,
		    ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(error, PARAMS_ERROR, format, ap);
	va_end(ap);
	return err;
}

/* Digits, and perhaps a point and more of them: in millionths, so that
 * fractions of a day or of a per cent are exact. */
static const char *read_number(const char *s, uint64_t *millionths)
{
	uint64_t value = 0, place = 1000000;
	unsigned digits = 0;

	for (; *s >= '0' && *s <= '9' && digits < 9; s++, digits++)
		value = value * 10 + (uint64_t)(*s - '0') * 1000000;
	if (digits == 0)
		return NULL;
	if (*s == '.') {
		for (s++; *s >= '0' && *s <= '9' && place > 1; s++)
			value += (uint64_t)(*s - '0') * (place /= 10);
	}
	*millionths = value;
	return s;
}

static bool read_value(const char *s, enum kind kind, uint64_t *out)
{
	uint64_t n = 0;
	size_t i;

	s = read_number(s, &n);
	for (i = 0; s != NULL && i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].kind != kind || strcmp(units[i].name, s) != 0)
			continue;
		if (units[i].value == 1 && n % 1000000 != 0)
			return false;
		/* 10^9 days in us is beyond 64 bits. */
		if (n / 1000000 > UINT64_MAX / 2 / units[i].value)
			return false;
		*out = n / 1000000 * units[i].value +
		       n % 1000000 * units[i].value / 1000000;
		return true;
	}
	return false;
}

static void print_value(uint64_t v, enum kind kind, char out[TEXT])
{
	const struct unit *unit = &units[0];
	size_t i;

	if (kind == RATE) {
		(void)snprintf(out, TEXT, "%" PRIu64 ".%02" PRIu64 "%%",
			       v / 10000, v % 10000 / 100);
		return;
	}
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].kind == kind && v % units[i].value == 0 &&
		    (v != 0 || units[i].value == 1000))
			unit = &units[i];
	}
	(void)snprintf(out, TEXT, "%" PRIu64 "%s", v / unit->value, unit->name);
}

/* Which of the words it is. */
static bool read_word(const char *s, const char *words, uint64_t *out)
{
	const size_t len = strlen(s);
	uint64_t i;
	size_t n;

	for (i = 0; *words != '\0'; i++, words += n + (words[n] == ' ')) {
		n = strcspn(words, " ");
		if (n != len || memcmp(words, s, n) != 0)
			continue;
		*out = i;
		return true;
	}
	return false;
}

static void print_word(uint64_t v, const char *words, char out[TEXT])
{
	while (v-- > 0)
		words += strcspn(words, " ") + 1;
	(void)snprintf(out, TEXT, "%.*s", (int)strcspn(words, " "), words);
}

static const struct param *find(const char *setting, size_t len)
{
	size_t i;

	for (i = 0; i < PARAMS; i++) {
		if (strlen(params[i].name) == len &&
		    memcmp(params[i].name, setting, len) == 0)
			return &params[i];
	}
	return NULL;
}

/* What stands behind the =, or NULL. */
static const char *value_of(const char *setting)
{
	const char *at = strchr(setting, '=');

	return at == NULL ? NULL : at + 1;
}

static bool read(const struct param *m, const char *s, uint64_t *out)
{
	if (s == NULL)
		return false;
	return m->kind == NAME ? read_word(s, m->words, out)
			       : read_value(s, m->kind, out);
}

mpp_err params_set(struct params *p, const char *setting,
		   char error[PARAMS_ERROR])
{
	static const char *const form[] = {"a number",
					   "a time such as 20ms or 5m",
					   "a share such as 10%", "one of"};
	const size_t len = strcspn(setting, "=");
	const struct param *m = find(setting, len);
	char least[TEXT], most[TEXT];
	uint64_t value;

	if (m == NULL)
		return fail(error, MPP_ERR_NOTFOUND,
			    "%.*s: no such setting; mppsim --list shows them",
			    (int)(len < 64 ? len : 64), setting);
	if (!read(m, value_of(setting), &value))
		return fail(error, MPP_ERR_SYNTAX, "%s: give %s=%s%s%s",
			    m->name, m->name, form[m->kind],
			    m->kind == NAME ? " " : "",
			    m->kind == NAME ? m->words : "");
	if (value < m->least || value > m->most) {
		print_value(m->least, m->kind, least);
		print_value(m->most, m->kind, most);
		return fail(error, MPP_ERR_RANGE, "%s: from %s to %s", m->name,
			    least, most);
	}
	memcpy((uint8_t *)p + m->at, &value, sizeof(value));
	return MPP_OK;
}

static mpp_err set_all(struct params *p, const char *settings,
		       char error[PARAMS_ERROR])
{
	char one[TEXT];
	mpp_err err = MPP_OK;
	size_t n;

	while (*settings != '\0' && err == MPP_OK) {
		n = strcspn(settings, " ");
		(void)snprintf(one, sizeof(one), "%.*s", (int)n, settings);
		err = params_set(p, one, error);
		settings += n + (settings[n] == ' ');
	}
	return err;
}

void params_default(struct params *out)
{
	size_t i;

	for (i = 0; i < PARAMS; i++)
		memcpy((uint8_t *)out + params[i].at, &params[i].value,
		       sizeof(uint64_t));
}

mpp_err params_scenario(const char *name, struct params *out,
			char error[PARAMS_ERROR])
{
	size_t i;

	params_default(out);
	for (i = 0; i < SCENARIOS; i++) {
		if (strcmp(scenarios[i].name, name) == 0)
			return set_all(out, scenarios[i].settings, error);
	}
	return fail(error, MPP_ERR_NOTFOUND,
		    "%.64s: no such scenario; mppsim --list shows them", name);
}

void params_list(FILE *to)
{
	char value[TEXT], least[TEXT], most[TEXT];
	size_t i;

	(void)fputs("Scenarios:\n", to);
	for (i = 0; i < SCENARIOS; i++)
		(void)fprintf(to, "  %-14s %s\n  %-14s   %s\n",
			      scenarios[i].name, scenarios[i].help, "",
			      scenarios[i].settings);
	(void)fputs("\nSettings (--set NAME=VALUE), default, range:\n", to);
	for (i = 0; i < PARAMS; i++) {
		if (params[i].kind == NAME) {
			print_word(params[i].value, params[i].words, value);
			(void)fprintf(to,
				      "  %-18s %s\n  %-18s   %s, one of %s\n",
				      params[i].name, params[i].help, "", value,
				      params[i].words);
			continue;
		}
		print_value(params[i].value, params[i].kind, value);
		print_value(params[i].least, params[i].kind, least);
		print_value(params[i].most, params[i].kind, most);
		(void)fprintf(to, "  %-18s %s\n  %-18s   %s, %s to %s\n",
			      params[i].name, params[i].help, "", value, least,
			      most);
	}
}
