/* SPDX-License-Identifier: MIT */
/* netcheck_show.h - the report of a check, for people and for programs. */
#ifndef MPP_NETCHECK_SHOW_H
#define MPP_NETCHECK_SHOW_H

#include "netcheck/report.h"

/* @param server as it was given, or of the enrolment
 * @return 0, or an exit code having complained */
int netcheck_show_text(const struct report *r, const char *server);
int netcheck_show_json(const struct report *r, const char *server);

#endif
