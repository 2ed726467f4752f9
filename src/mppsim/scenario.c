/* SPDX-License-Identifier: MIT */
/* scenario.c - see scenario.h. */
#include "mppsim/scenario.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 200, SETTINGS = 200 };

struct reading {
	const char *path;
	unsigned line;
	struct params *p;
	char *error;
	unsigned settings;
	char names[SETTINGS][32];
};

static mpp_err fail(const struct reading *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static mpp_err fail(const struct reading *r, const char *format, ...)
{
	const int n =
		snprintf(r->error, SCENARIO_ERROR, "%s:%u: ", r->path, r->line);
	va_list ap;

	va_start(ap, format);
	if (n >= 0 && n < SCENARIO_ERROR)
		(void)vsnprintf(r->error + n, (size_t)(SCENARIO_ERROR - n),
				format, ap);
	va_end(ap);
	return MPP_ERR_SYNTAX;
}

/* Without blanks at both ends and around the first "=". */
static void squeeze(const char *from, char to[LINE + 1])
{
	static const char blank[] = " \t\r\n";
	size_t n;

	from += strspn(from, blank);
	n = strcspn(from, "=");
	memcpy(to, from, n);
	while (n > 0 && strchr(blank, to[n - 1]) != NULL)
		n--;
	to[n] = '\0';
	from = strchr(from, '=');
	if (from == NULL)
		return;
	to[n++] = '=';
	from++;
	from += strspn(from, blank);
	memcpy(to + n, from, strlen(from) + 1);
	for (n += strlen(from); n > 0 && strchr(blank, to[n - 1]) != NULL; n--)
		to[n - 1] = '\0';
}

/* A name may stand once, or the second would silently win. */
static mpp_err once(struct reading *r, const char *setting)
{
	const size_t n = strcspn(setting, "=");
	unsigned i;

	for (i = 0; i < r->settings; i++) {
		if (strlen(r->names[i]) == n &&
		    memcmp(r->names[i], setting, n) == 0)
			return fail(r,
				    "%s stands here for the second time; "
				    "give it once",
				    r->names[i]);
	}
	(void)snprintf(r->names[r->settings++ % SETTINGS], sizeof(r->names[0]),
		       "%.*s", (int)(n < 31 ? n : 31), setting);
	return MPP_OK;
}

static mpp_err take(struct reading *r, const char *setting)
{
	static const char base[] = "scenario=";
	char error[PARAMS_ERROR];
	mpp_err err = once(r, setting);

	if (err != MPP_OK)
		return err;
	if (strncmp(setting, base, sizeof(base) - 1) != 0) {
		err = params_set(r->p, setting, error);
		return err == MPP_OK ? err : fail(r, "%s", error);
	}
	setting += sizeof(base) - 1;
	if (r->settings != 1)
		return fail(r, "scenario=%.64s: give it before everything else",
			    setting);
	if (strcmp(setting, "ladder") == 0)
		return fail(r, "scenario=ladder: many scenarios; give one of "
			       "the others");
	err = params_scenario(setting, r->p, error);
	return err == MPP_OK ? err : fail(r, "scenario=%s", error);
}

static mpp_err take_line(struct reading *r, const char *line, size_t len)
{
	char setting[LINE + 1];

	r->line++;
	if (strlen(line) != len)
		return fail(r, "an octet of zero; give text");
	if (len > LINE)
		return fail(r, "%zu octets; a line has at most %d", len, LINE);
	if (strchr("#\n\r", line[strspn(line, " \t")]) != NULL)
		return MPP_OK;
	squeeze(line, setting);
	if (setting[0] == '=' || strchr(setting, '=') == NULL)
		return fail(r, "%.64s: give name=value, or # and a comment",
			    setting);
	return take(r, setting);
}

static mpp_err read_lines(struct reading *r, FILE *f)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	mpp_err err = MPP_OK;

	while (err == MPP_OK && (n = getline(&line, &room, f)) >= 0)
		err = take_line(r, line, (size_t)n);
	free(line);
	if (err == MPP_OK && ferror(f) != 0) {
		(void)snprintf(r->error, SCENARIO_ERROR, "%s: %s", r->path,
			       strerror(errno));
		return MPP_ERR_IO;
	}
	return err;
}

mpp_err scenario_read(const char *path, struct params *out,
		      char error[SCENARIO_ERROR])
{
	struct reading r = {.path = path, .p = out, .error = error};
	FILE *f = fopen(path, "r");
	mpp_err err;

	params_default(out);
	if (f == NULL) {
		(void)snprintf(error, SCENARIO_ERROR, "%s: %s", path,
			       strerror(errno));
		return MPP_ERR_IO;
	}
	err = read_lines(&r, f);
	(void)fclose(f);
	return err;
}
