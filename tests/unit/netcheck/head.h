/* SPDX-License-Identifier: MIT */
/* head.h - what every test of cmocka includes first. */
#ifndef TESTS_UNIT_NETCHECK_HEAD_H
#define TESTS_UNIT_NETCHECK_HEAD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
