/* SPDX-License-Identifier: MIT */
/* A program of steps (tests/session/steps.h) against a live service and live
 * clients: connecting in every mode, requests, publications, a network that
 * does what it likes, strangers and somebody on the way, a store that fails,
 * an operator who removes and revokes, and crashes. The rules of
 * tests/session/check.h hold after each step. */
#include "session/steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	session_run(data, size);
	return 0;
}
