/* SPDX-License-Identifier: MIT */
/* leap.h - TAI - UTC from the system's leap-seconds file, in the form in which
 * the IERS publishes it (leap-seconds.list; tzdata installs it):
 *
 *   #@ 3991593600                 expires, seconds since 1900
 *   3692217600  37  # 1 Jan 2017  from then on TAI - UTC is 37
 *
 * Other lines that begin with # are comments. */
#ifndef HOST_LEAP_H
#define HOST_LEAP_H

#include <mpp/base.h>

#define LEAP_FILE "/usr/share/zoneinfo/leap-seconds.list"

/* What holds at `now`, and until when that is known.
 * Errors: SYNTAX (a line that is neither), MISSING (no expiry, or nothing
 * holds yet), REPLAY (expired: get a newer file). */
MPP_MUSTCHECK mpp_err leap_parse(mpp_bytes text, mpp_wall now,
				 unsigned *tai_utc, mpp_wall *until);

/* The same from a file. Also: NOTFOUND, IO. */
MPP_MUSTCHECK mpp_err leap_read(const char *path, mpp_wall now,
				unsigned *tai_utc, mpp_wall *until);

#endif
