/* SPDX-License-Identifier: MIT */
/* path_report.c - what the answers of one family say. Contract: path.h. */
#include <string.h>

#include "netcheck/behaviour.h"
#include "netcheck/path.h"
#include "netcheck/sizes.h"
#include "netcheck/trips.h"

static bool ok(const struct path *p, enum question_purpose purpose,
	       unsigned index)
{
	return question_ok(questions_find(&p->qs, purpose, index));
}

static enum mapping mapping(const struct path *p)
{
	struct observation seen[PATH_SERVERS_MAX + 3];
	size_t i, n = 0;

	for (i = 0; i < p->qs.n; i++) {
		const struct question *q = &p->qs.list[i];

		if ((q->purpose == FOR_REACH || q->purpose == FOR_MAPPING) &&
		    question_ok(q))
			seen[n++] = (struct observation){q->to, q->mapped};
	}
	return behaviour_mapping(&p->c.local[PATH_MAIN], seen, n);
}

static enum filtering filtering(const struct path *p)
{
	const struct filter_facts facts = {
		.plain = ok(p, FOR_FILTERING, FILTER_PLAIN),
		.both = ok(p, FOR_FILTERING, FILTER_BOTH),
		.port = ok(p, FOR_FILTERING, FILTER_PORT),
		.both_path = ok(p, FOR_MAPPING, ALTERNATE_A2P2),
		.port_path = ok(p, FOR_MAPPING, ALTERNATE_A1P2),
	};
	const struct question *both =
		questions_find(&p->qs, FOR_FILTERING, FILTER_BOTH);
	const struct question *port =
		questions_find(&p->qs, FOR_FILTERING, FILTER_PORT);

	/* Answered, but not as it was asked: nothing was tried. */
	if (both == NULL || (both->state != QUESTION_SILENT && !facts.both) ||
	    (port->state != QUESTION_SILENT && !facts.port))
		return FILTERING_UNKNOWN;
	return behaviour_filtering(&facts);
}

/* Does a socket have the same port outside as inside? */
static enum yesno ports_kept(const struct path *p)
{
	unsigned kept = 0, changed = 0;
	size_t i;

	for (i = 0; i < p->qs.n; i++) {
		const struct question *q = &p->qs.list[i];

		if (!question_ok(q) || q->purpose == FOR_HAIRPIN ||
		    q->purpose == FOR_LIFE_ASK)
			continue;
		if (q->mapped.port == p->c.local[q->from].port)
			kept++;
		else
			changed++;
	}
	if (kept != 0 && changed != 0)
		return ANSWER_PARTLY;
	return kept != 0 ? ANSWER_YES : ANSWER_NO;
}

static enum yesno hairpinning(const struct path *p)
{
	if (!p->hairpin_asked)
		return ANSWER_UNKNOWN;
	return ok(p, FOR_HAIRPIN, 0) || ok(p, FOR_HAIRPIN, 1) ? ANSWER_YES
							      : ANSWER_NO;
}

static struct trips_report trips(const struct path *p)
{
	uint32_t us[TRIPS_MAX];
	unsigned n = 0, sent = 0, i;

	for (i = 0; i < TRIPS_MAX; i++) {
		const struct question *q = questions_find(&p->qs, FOR_TRIP, i);

		if (q == NULL || q->sends == 0)
			continue;
		sent++;
		if (q->state == QUESTION_ANSWERED)
			us[n++] = (uint32_t)(q->answered.us - q->first.us);
	}
	return trips_report(us, n, sent);
}

/* Of a purpose: the largest that was answered, the smallest above it that was
 * given up. */
static struct size_report sizes_up(const struct path *p)
{
	struct size_report r = {.passes = 0};
	unsigned i;

	for (i = 0; i < SIZES; i++) {
		const struct question *q = questions_find(&p->qs, FOR_UP, i);
		const unsigned packet =
			sizes_packet(p->primary.family, sizes_payload[i]);

		if (q == NULL)
			continue;
		if (q->state == QUESTION_ANSWERED) {
			r.passes = packet;
			r.fails = 0;
		} else if (q->state == QUESTION_SILENT && r.fails == 0) {
			r.fails = packet;
		}
	}
	return r;
}

/* A longer one than is ever sent says as much as the longest. */
static unsigned packet_of(const struct path *p, size_t payload)
{
	const size_t most = sizes_payload[SIZES - 1];

	return sizes_packet(p->primary.family, payload < most ? payload : most);
}

/* An answer that is missing was too long only where others came. */
static struct size_report sizes_down(const struct path *p)
{
	const struct question *q = questions_find(&p->qs, FOR_PADDING, 0);
	struct size_report r = {.passes = 0};
	unsigned i;

	if (question_ok(q) && q->answer_len >= SIZES_NEEDED)
		r.passes = packet_of(p, q->answer_len);
	for (i = 0; i < SIZES; i++) {
		q = questions_find(&p->qs, FOR_DOWN, i);
		if (q == NULL)
			continue;
		if (question_ok(q)) {
			r.passes = packet_of(p, q->answer_len);
			r.fails = 0;
		} else if (q->state == QUESTION_SILENT && r.fails == 0) {
			r.fails = packet_of(p, sizes_payload[i]);
		}
	}
	return r;
}

static void lifetime(const struct path *p, struct lifetime_report *out)
{
	out->method = p->life_method;
	if (p->life_method == METHOD_RESPONSE_PORT ||
	    p->life_method == METHOD_NEW_MAPPING)
		lifetime_report(&p->life, out);
}

void path_report(const struct path *p, struct path_report *out)
{
	const struct question *q = path_reached(p);

	memset(out, 0, sizeof(*out));
	out->tested = out->have_local = true;
	out->answered = q != NULL;
	out->refused = p->refused && q == NULL;
	out->server = q != NULL ? q->to : p->c.servers[0];
	out->local = p->c.local[PATH_MAIN];
	out->nat = ANSWER_UNKNOWN;
	out->mapping = MAPPING_UNKNOWN;
	out->filtering = FILTERING_UNKNOWN;
	out->ports_kept = out->hairpinning = ANSWER_UNKNOWN;
	out->lifetime.method = METHOD_NOT_TESTED;
	if (q == NULL)
		return;
	out->mapped = q->mapped;
	out->alternate = p->other.family != 0;
	out->nat = addr_same(&q->mapped, &out->local) ? ANSWER_NO : ANSWER_YES;
	out->mapping = mapping(p);
	out->filtering = filtering(p);
	out->ports_kept = ports_kept(p);
	out->hairpinning = hairpinning(p);
	out->trips = trips(p);
	out->up = sizes_up(p);
	out->down = sizes_down(p);
	lifetime(p, &out->lifetime);
}
