/* SPDX-License-Identifier: MIT */
/* main.c - mppbench: what the service costs beside what the same I/O costs
 * without it. */
#include <stdio.h>
#include <sysexits.h>

#include "mppbench/compare.h"
#include "mppbench/complain.h"
#include "mppbench/measure.h"
#include "mppbench/options.h"
#include "mppbench/print.h"

static const char help[] =
	"mppbench heartbeat   requests of devices, answered\n"
	"mppbench publish     notifications, acknowledged by devices\n"
	"mppbench stun        Binding requests of STUN, answered\n"
	"mppbench dns         names resolved for devices, beside plain "
	"unbound\n"
	"mppbench floor       the floor against itself: how far noise goes\n"
	"\n"
	"The real service is in a process of its own, the devices (real "
	"clients) are in\n"
	"another. Its processor time an operation is compared with that of "
	"the same I/O\n"
	"without a protocol; both are measured in turn.\n"
	"\n"
	"  --seconds S        of each interval; there are two a round (1)\n"
	"  --rounds N         at least 5 (5)\n"
	"  --devices N        subscribed, each with an address of its own "
	"(1000)\n"
	"  --fanout N         publish: devices of each account, 1 to 64 (1)\n"
	"  --window N         operations of a burst, 1 to 64 (64)\n"
	"  --json             one line of JSON\n"
	"  --break HOW        for tests: deaf, forge or miscount; must fail\n"
	"  --help, --version\n"
	"\n"
	"Exit codes: 0 measured (also when a goal is missed, which is said), "
	"64 usage,\n"
	"70 what was counted does not go together, or the service did not do "
	"its work,\n"
	"71 the system lacks something, 74 the output cannot be written.\n";

static int run(struct plan *plan)
{
	static struct result result;
	struct fault f = {EX_SOFTWARE, ""};

	if (measure(plan, &result, &f) != MPP_OK)
		return complain(f.exit_code, "%s", f.text);
	print_result(plan, &result);
	return complain_stdout();
}

static int run_dns(struct plan *plan)
{
	static struct comparison result;
	struct fault f = {EX_SOFTWARE, ""};

	if (compare(plan, &result, &f) != MPP_OK)
		return complain(f.exit_code, "%s", f.text);
	compare_print(plan, &result);
	return complain_stdout();
}

static int start(struct plan *plan)
{
	struct fault f = {EX_SOFTWARE, ""};

	if (plan_complete(plan, &f) != MPP_OK)
		return complain(f.exit_code, "%s", f.text);
	return plan->scenario == SCENARIO_DNS ? run_dns(plan) : run(plan);
}

int main(int argc, char **argv)
{
	struct options o;
	int code;

	if ((code = options_parse(argc, argv, &o)) != 0)
		return code;
	if (o.help || o.version) {
		(void)fputs(o.help ? help : "mppbench " MPP_VERSION "\n",
			    stdout);
		return complain_stdout();
	}
	return start(&o.plan);
}
