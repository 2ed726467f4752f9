/* SPDX-License-Identifier: MIT */
/* smallest_client.c - wait for one publication, print its stores, end.
 *
 *     cc -o smallest_client smallest_client.c \
 *         $(pkg-config --cflags --libs --static mpp)
 *
 * The device was enrolled before, with `mpp enroll --state DIR -`. */
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include <mpp/loop.h>

/* A line for each publication; it may come in parts.
 * @return true after its last part */
static bool show(const mpp_client_event *ev)
{
	uint8_t room[MPP_STORE_MAX + MPP_DIGEST_MAX];
	mpp_buf scratch = {room, sizeof(room), 0};
	mpp_store_status store;
	size_t cursor = 0;

	if (ev->kind != MPP_EV_PUBLICATION)
		return false;
	printf("serial %" PRIu64 ":", ev->serial);
	while (mpp_client_store_next(ev, &cursor, &scratch, &store)) {
		printf(" %.*s=%" PRIu64, (int)store.store.len,
		       (const char *)store.store.p, store.index);
		scratch.len = 0;
	}
	printf("\n");
	return !ev->more;
}

int main(int argc, char **argv)
{
	mpp_loop_config config = {.mode = MPP_MODE_SUBSCRIBE};
	mpp_loop_error failure;
	mpp_client_event ev;
	mpp_loop *loop;
	mpp_err err;

	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: smallest_client STATE-DIRECTORY\n");
		return EX_USAGE;
	}
	config.state_dir = argv[1];
	if (mpp_loop_open(&config, &loop, &failure) != MPP_OK) {
		fprintf(stderr, "smallest_client: %s\n", failure.text);
		return failure.exit_code;
	}
	do {
		err = mpp_loop_wait(loop, -1, &ev);
	} while (err == MPP_ERR_AGAIN || (err == MPP_OK && !show(&ev)));
	failure = *mpp_loop_last_error(loop);
	mpp_loop_close(loop);
	if (err == MPP_OK)
		return EX_OK;
	fprintf(stderr, "smallest_client: %s\n", failure.text);
	return failure.exit_code;
}
