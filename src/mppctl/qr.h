/* SPDX-License-Identifier: MIT */
/* qr.h - text as a QR code on a terminal. */
#ifndef MPPCTL_QR_H
#define MPPCTL_QR_H

/* Print a QR code, two modules to a character, with its quiet zone. On a
 * terminal it brings its own black and white; elsewhere, and with NO_COLOR,
 * what is light is a block: right on a dark ground.
 * @return 0, or an exit code having complained */
int qr_print(const char *text);

#endif
