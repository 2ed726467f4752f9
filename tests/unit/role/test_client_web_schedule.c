/* SPDX-License-Identifier: MIT */
/* test_client_web_schedule.c - UDP and HTTP that come and go. */
#include "web_subscriber.h"

/* UDP and HTTP come and go as a seed says, the service restarts, and meanwhile
 * things are published. At the end everything goes, and the device holds what
 * was published last; serials never went back. */
static void one_schedule(uint64_t seed)
{
	struct world_device *d = subscriber(seed, seed % 3 == 0);
	uint64_t serial = web_publish(&w, ALICE, "mmm_a", 1);
	unsigned i, index = 1;

	w.loss_pct = (unsigned)(world_random(&w) % 10);
	web.request_loss_pct = (unsigned)(world_random(&w) % 15);
	web.answer_loss_pct = (unsigned)(world_random(&w) % 15);
	web.jitter_us = 100000;
	for (i = 0; i < 25; i++) {
		switch (world_random(&w) % 12) {
		case 0:
		case 1:
			web.udp_cut = !web.udp_cut;
			break;
		case 2:
			web.http_down = !web.http_down;
			break;
		case 3:
			if (world_random(&w) % 4 == 0) {
				world_stop_service(&w);
				web_run(&w, world_random(&w) % (3 * S));
				world_start_service(&w);
			}
			break;
		case 4:
			d->addr.port++;
			mpp_client_moved(d->c, world_now(&w));
			break;
		default:
			serial = web_publish(&w, ALICE, "mmm_a", ++index);
		}
		web_run(&w, world_random(&w) % (i % 5 == 0 ? 40 * S : 4 * S));
	}
	w.loss_pct = web.request_loss_pct = web.answer_loss_pct = 0;
	web.udp_cut = web.http_down = false;
	web_run(&w, 150 * S);
	assert_told_once(d, serial);
	assert_int_equal(world_last(d, MPP_EV_PUBLICATION)->index[0], index);
	assert_int_equal(world_acknowledged(&w, ALICE), serial);
	assert_int_equal(info(0).now, MPP_TRANSPORT_UDP);
	world_end(&w);
}

static void no_schedule_loses_or_repeats_a_publication(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1000; seed < 2000; seed++)
		one_schedule(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_schedule_loses_or_repeats_a_publication),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
