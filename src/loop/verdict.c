/* SPDX-License-Identifier: MIT */
/* verdict.c - what an ending means. Contract: verdict.h. */
#include "loop/verdict.h"

#include <stdio.h>
#include <string.h>

#include "loop/fail.h"
#include "loop/names.h"

enum {
	TEXT_MAX = 120,
	PIN_SHOWN = 64, /* 260 bits with their hyphens */
	PINS_TEXT = MPP_PINS_MAX * (PIN_SHOWN + 4) + 1,
};

/* What each status says, and what to do about it. */
static const struct meaning {
	int status;
	int exit_code;
	bool enrolling; /* only then; a later row is for the other cases */
	const char *text;
} meanings[] = {
	{MPP_STATUS_MALFORMED, EX_PROTOCOL, false,
	 "it did not understand this program: update the older of the two"},
	{MPP_STATUS_UNAUTHENTIC, EX_NOPERM, false,
	 "it did not accept this device's proof: try again, and ask the "
	 "operator if it stays so"},
	{MPP_STATUS_FORBIDDEN, EX_NOPERM, true,
	 "the invitation is not known there, or was used by another device: "
	 "ask the operator for a new invitation"},
	{MPP_STATUS_FORBIDDEN, EX_NOPERM, false,
	 "this device is not enrolled there, or was removed: ask the operator "
	 "for a new invitation and run: mpp enroll URI"},
	{MPP_STATUS_OLDER, EX_PROTOCOL, false,
	 "something newer is stored there"},
	{MPP_STATUS_EXPIRED, EX_NOPERM, false,
	 "the invitation has expired or was used already: ask the operator "
	 "for a new invitation"},
	{MPP_STATUS_TOO_LARGE, EX_PROTOCOL, false,
	 "the question does not fit one packet: ask for fewer stores"},
	{MPP_STATUS_TOO_MANY, EX_TEMPFAIL, false,
	 "too many requests: try again later"},
	{MPP_STATUS_OVERLOADED, EX_TEMPFAIL, false,
	 "it is overloaded or going down: try again later"},
};

static const struct meaning *find(int status, bool enrolling)
{
	size_t i;

	for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (meanings[i].status == status &&
		    (enrolling || !meanings[i].enrolling))
			return &meanings[i];
	}
	return NULL;
}

static void refused(mpp_loop *l, const mpp_client_event *ev, const char *verb)
{
	const struct meaning *m = find(ev->status, l->state.pending);
	char text[TEXT_MAX];

	loop_printable(ev->text, text, sizeof(text));
	(void)loop_fail(&l->error, MPP_ERR_REFUSED,
			m == NULL ? EX_PROTOCOL : m->exit_code,
			"the service %s (%d%s%s): %s", verb, ev->status,
			text[0] == '\0' ? "" : " ", text,
			m == NULL ? "an answer not known to this program"
				  : m->text);
}

/* The pins, each on a line, as far as their 260 bits. */
static void list_pins(const mpp_loop *l, char out[PINS_TEXT])
{
	char udf[MPP_UDF_TEXT_MAX];
	uint8_t digest[MPP_UDF_LEN];
	size_t i, n = 0;

	out[0] = '\0';
	for (i = 0; i < l->state.n_pins; i++)
		n += (size_t)snprintf(out + n, PINS_TEXT - n, "\n  %.*s",
				      PIN_SHOWN, l->state.pins[i]);
	if (n > 0 || l->state.service_suite == 0 ||
	    mpp_udf_key(&l->crypto, l->state.service_suite,
			l->state.service_key, digest) != MPP_OK)
		return;
	(void)mpp_udf_text(digest, MPP_UDF_PIN_BITS, udf);
	(void)snprintf(out, PINS_TEXT, "\n  %.*s", PIN_SHOWN, udf);
}

static void key_changed(mpp_loop *l, const mpp_client_event *ev)
{
	char pins[PINS_TEXT], shown[MPP_UDF_TEXT_MAX];

	list_pins(l, pins);
	(void)mpp_udf_text(ev->udf, MPP_UDF_PIN_BITS, shown);
	(void)loop_fail(&l->error, MPP_ERR_KEY_CHANGED, EX_PROTOCOL,
			"THE SERVICE SHOWS ANOTHER KEY THAN THE PINNED ONE\n"
			"pinned:%s\nshown:\n  %s\n"
			"Somebody may be in between. Ask the operator; only a "
			"new invitation pins another key.",
			pins, shown);
}

void loop_verdict(mpp_loop *l, const mpp_client_event *ev)
{
	if (ev->kind == MPP_EV_KEY_CHANGED)
		key_changed(l, ev);
	else if (ev->kind == MPP_EV_REFUSED)
		refused(l, ev, "refused");
	else if (ev->status != MPP_STATUS_OK)
		refused(l, ev, "closed the connection");
	else
		(void)loop_fail(&l->error, MPP_ERR_CLOSED, EX_OK,
				"the connection was closed");
}

/* "a:1, b:2" of the addresses that were tried. */
static void list_tried(const mpp_loop *l, char *out, size_t cap)
{
	const struct loop_attempt *a = &l->attempt;
	const size_t tried = a->at + l->race.asked;
	char text[LOOP_ENDPOINT_TEXT];
	size_t i, n = 0;

	out[0] = '\0';
	for (i = 0; i < tried && n < cap; i++) {
		loop_address_text(&a->addresses.list[i], text);
		n += (size_t)snprintf(out + n, cap - n, "%s%s",
				      i == 0 ? "" : ", ", text);
	}
}

mpp_err loop_verdict_timeout(mpp_loop *l)
{
	const struct loop_attempt *a = &l->attempt;
	char tried[200];

	if (l->error.text[0] != '\0')
		return MPP_ERR_TIMEOUT; /* a refusal said "later" */
	if (l->web.why[0] != '\0')
		return loop_fail(&l->error, MPP_ERR_TIMEOUT, EX_TEMPFAIL,
				 "no answer within %g s by UDP, and none by "
				 "HTTP: %s",
				 l->timeout_ms / 1000.0, l->web.why);
	if (a->addresses.n == 0)
		return loop_fail(&l->error, MPP_ERR_TIMEOUT,
				 a->addresses.all_unknown ? EX_NOHOST
							  : EX_TEMPFAIL,
				 "%s",
				 a->addresses.why[0] != '\0'
					 ? a->addresses.why
					 : "the resolver did not answer");
	list_tried(l, tried, sizeof(tried));
	return loop_fail(&l->error, MPP_ERR_TIMEOUT, EX_TEMPFAIL,
			 "no answer from %s within %g s%s%s: is the service "
			 "running, and may UDP pass?",
			 tried, l->timeout_ms / 1000.0,
			 a->refusal == 0 ? "" : "; ",
			 a->refusal == 0 ? "" : strerror(a->refusal));
}
