/* SPDX-License-Identifier: MIT */
/* main.c - mppsim, the service and its devices in a simulated network. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "mppsim/ladder.h"
#include "mppsim/report.h"

static const char help[] =
	"mppsim SCENARIO [options]  the presence service and its devices in a\n"
	"                           simulated network, by virtual time\n"
	"mppsim --file FILE [options]  the same with a scenario of your own\n"
	"\n"
	"  --seed N          everything depends on it alone (1)\n"
	"  --seeds N         so many runs, from --seed on (1)\n"
	"  --devices N       how many devices\n"
	"  --days N          virtual days, such as 0.5 (30 minutes)\n"
	"  --publications N  end after so many instead\n"
	"  --set NAME=VALUE  anything else of the scenario\n"
	"  --list            the scenarios and what can be set\n"
	"  --json            one line of JSON\n"
	"  --trace           every event as a line of text\n"
	"  --break WHAT      plant a fault that must be found: lose-commit, "
	"deaf,\n"
	"                    amplify, overrun, wall, untold\n"
	"  -h, --help        print this\n"
	"  --version         print the version\n"
	"\n"
	"Exit codes: 0 every invariant held, 1 one did not (the line that\n"
	"reproduces it is printed), 64 usage, 65 a line of FILE is wrong, 66 "
	"FILE\n"
	"cannot be read, 71 out of memory, 74 output.\n";

static double cpu_seconds(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
		return 0;
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void progress(const struct options *o, const struct report *r)
{
	if (o->seeds > 1 && isatty(STDERR_FILENO))
		(void)fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " seeds%s",
			      r->runs, o->seeds,
			      r->runs == o->seeds ? "\n" : "");
}

/* One long run: how far it is, once a second. */
static void show_time(const struct sim *s)
{
	static time_t shown;
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) != 0 || t.tv_sec == shown)
		return;
	if (shown == 0) {
		shown = t.tv_sec;
		return;
	}
	shown = t.tv_sec;
	if (s->p.publications != 0)
		(void)fprintf(stderr,
			      "\r%" PRIu64 " of %" PRIu64 " publications ",
			      s->n.published, s->p.publications);
	else
		(void)fprintf(stderr, "\r%.1f of %.1f virtual hours ",
			      (double)s->now / 3600e6,
			      (double)s->p.duration / 3600e6);
}

/* False: there is no memory. */
static bool one(const struct options *o, uint64_t seed, struct report *r)
{
	const bool shows = o->seeds == 1 && isatty(STDERR_FILENO);
	struct params p = o->p;
	const unsigned cell = o->ladder ? ladder_cell(seed, &p) : 0;
	struct sim *s;
	const mpp_err err =
		sim_new(&p, seed, o->plant, o->trace ? stdout : NULL, &s);

	if (err == MPP_OK && shows)
		s->progress = show_time;
	if (err == MPP_OK && !sim_run(s)) {
		(void)fprintf(stderr,
			      "mppsim: after %" PRIu64 ".%06" PRIu64
			      " s: %s\nreproduce: ",
			      s->now / 1000000, s->now % 1000000, s->why);
		report_reproduce(o, seed, stderr);
	}
	if (err == MPP_OK)
		report_add(r, s, cell);
	else
		(void)fprintf(stderr, "mppsim: %s\n", mpp_err_text(err));
	sim_free(s);
	return err == MPP_OK;
}

static int run(const struct options *o)
{
	struct report *r = calloc(1, sizeof(*r));
	const double start = cpu_seconds();
	bool good = true;
	uint64_t i;
	int code;

	if (r == NULL)
		return EX_OSERR;
	if (o->ladder) {
		r->cells = calloc(LADDER_CELLS, sizeof(*r->cells));
		good = r->cells != NULL;
	}
	for (i = 0; good && i < o->seeds; i++) {
		good = one(o, o->seed + i, r);
		progress(o, r);
	}
	if (good)
		report_print(r, o, cpu_seconds() - start, stdout);
	code = !good ? EX_OSERR : r->failed != 0 ? 1 : EX_OK;
	free(r->cells);
	free(r);
	return code;
}

int main(int argc, char **argv)
{
	struct options o;
	int code = options_parse(argc, argv, &o);

	if (code != 0)
		return code;
	if (o.help)
		(void)fputs(help, stdout);
	else if (o.version)
		(void)fputs("mppsim " MPP_VERSION "\n", stdout);
	else if (o.list)
		params_list(stdout);
	else
		code = run(&o);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		(void)fputs("mppsim: cannot write the output\n", stderr);
		return EX_IOERR;
	}
	return code;
}
