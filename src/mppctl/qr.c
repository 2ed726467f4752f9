/* SPDX-License-Identifier: MIT */
/* qr.c - text as a QR code on a terminal. Contract: qr.h. */
#include "mppctl/qr.h"

#include <errno.h>
#include <qrencode.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "mppctl/complain.h"

enum { QUIET = 4 }; /* modules around it, ISO/IEC 18004 */

static bool is_light(const QRcode *q, int x, int y)
{
	if (x < 0 || y < 0 || x >= q->width || y >= q->width)
		return true;
	return (q->data[y * q->width + x] & 1) == 0;
}

static bool may_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0');
}

/* Rows y and y + 1. */
static void print_line(const QRcode *q, int y)
{
	static const char *const blocks[2][2] = {{" ", "▄"}, {"▀", "█"}};
	const bool colour = may_colour();
	int x;

	(void)fputs(colour ? "\033[40;97m" : "", stdout);
	for (x = -QUIET; x < q->width + QUIET; x++)
		(void)fputs(blocks[is_light(q, x, y)][is_light(q, x, y + 1)],
			    stdout);
	(void)fputs(colour ? "\033[0m\n" : "\n", stdout);
}

int qr_print(const char *text)
{
	QRcode *q = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
	int y;

	if (q == NULL)
		return complain(EX_OSERR, "cannot make a QR code: %s",
				strerror(errno));
	for (y = -QUIET; y < q->width + QUIET; y += 2)
		print_line(q, y);
	QRcode_free(q);
	return 0;
}
