/* SPDX-License-Identifier: MIT */
/* Binding requests that are under way: when they are repeated, and which
 * answers count. */
#include "head.h"

#include "crypto/fixed.h"
#include "netcheck/question.h"

enum { SOCKET = 3, OTHER_SOCKET = 4, START_MS = 5000 };

static struct questions qs;
static mpp_crypto crypto;
static struct question *q;

static const mpp_addr server = {{192, 0, 2, 1}, 3478, 4, 0};
static const mpp_addr alternate = {{192, 0, 2, 2}, 3479, 4, 0};
static const mpp_addr stranger = {{192, 0, 2, 9}, 3478, 4, 0};
static const mpp_addr mapped = {{203, 0, 113, 5}, 40000, 4, 0};

static mpp_time at_ms(uint64_t ms)
{
	return (mpp_time){(START_MS + ms) * 1000};
}

static int begin(void **state)
{
	(void)state;
	if (crypto_fixed_new(1, &crypto) != MPP_OK)
		return -1;
	questions_init(&qs, &crypto);
	q = questions_add(&qs, FOR_REACH, 0, SOCKET, &server);
	return 0;
}

static int end(void **state)
{
	(void)state;
	mpp_crypto_free(&crypto);
	return 0;
}

/* RFC 8489 6.2.1: 0, 500, 1500, 3500 ms; here every 2 s from then on. */
static void test_repeated_in_growing_intervals(void **state)
{
	static const uint64_t when_ms[] = {0, 500, 1500, 3500, 5500};
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++) {
		if (i > 0)
			assert_int_equal(questions_deadline(&qs).us,
					 at_ms(when_ms[i]).us);
		if (i > 0)
			assert_null(questions_due(
				&qs, (mpp_time){at_ms(when_ms[i]).us - 1}));
		assert_ptr_equal(questions_due(&qs, at_ms(when_ms[i])), q);
	}
	assert_null(questions_due(&qs, at_ms(6499)));
	assert_int_equal(q->state, QUESTION_WAITING);
	assert_null(questions_due(&qs, at_ms(6500)));
	assert_int_equal(q->state, QUESTION_SILENT);
	assert_int_equal(q->sends, 5);
	assert_int_equal(questions_deadline(&qs).us, MPP_TIME_NEVER.us);
	assert_false(questions_waiting(&qs, FOR_REACH));
}

static void test_the_one_that_waits_longest_goes_first(void **state)
{
	struct question *second =
		questions_add(&qs, FOR_TRIP, 0, SOCKET, &server);

	(void)state;
	q->next = at_ms(2);
	second->next = at_ms(1);
	assert_ptr_equal(questions_due(&qs, at_ms(10)), second);
	/* The pace holds the other one back. */
	assert_null(questions_due(&qs, at_ms(34)));
	assert_int_equal(questions_deadline(&qs).us, at_ms(35).us);
	assert_ptr_equal(questions_due(&qs, at_ms(35)), q);
}

static size_t answer(uint8_t *out, const struct stun_answer *a)
{
	mpp_buf buf = {out, 512, 0};

	assert_int_equal(stun_answer(a, &buf), MPP_OK);
	return buf.len;
}

static struct question *receive(uint8_t socket, const mpp_addr *from,
				const struct stun_answer *a)
{
	uint8_t out[512];
	const size_t len = answer(out, a);

	return questions_receive(&qs, socket, from, (mpp_bytes){out, len},
				 at_ms(10));
}

static void test_an_answer_counts(void **state)
{
	const struct stun_answer a = {
		.id = q->id, .mapped = mapped, .other = alternate};

	(void)state;
	assert_ptr_equal(questions_due(&qs, at_ms(0)), q);
	assert_ptr_equal(receive(SOCKET, &server, &a), q);
	assert_true(question_ok(q));
	assert_true(addr_same(&q->mapped, &mapped));
	assert_true(addr_same(&q->other, &alternate));
	assert_int_equal(q->answered.us, at_ms(10).us);
	assert_int_equal(q->answer_len, 44);
	assert_int_equal(questions_deadline(&qs).us, MPP_TIME_NEVER.us);
	/* Once. */
	assert_null(receive(SOCKET, &server, &a));
}

static void test_forged_answers_do_not_count(void **state)
{
	uint8_t other_id[STUN_ID_LEN];
	struct stun_answer a = {.id = q->id, .mapped = mapped};
	struct stun_answer wrong;

	(void)state;
	/* Before it was asked. */
	assert_null(receive(SOCKET, &server, &a));
	assert_ptr_equal(questions_due(&qs, at_ms(0)), q);
	assert_null(receive(SOCKET, &stranger, &a));
	assert_null(receive(OTHER_SOCKET, &server, &a));
	memcpy(other_id, q->id, sizeof(other_id));
	other_id[11] ^= 1;
	wrong = a;
	wrong.id = other_id;
	assert_null(receive(SOCKET, &server, &wrong));
	/* Success that says nothing, or of the other family. */
	wrong = a;
	wrong.mapped.family = 0;
	assert_null(receive(SOCKET, &server, &wrong));
	wrong.mapped.family = 6;
	assert_null(receive(SOCKET, &server, &wrong));
	assert_int_equal(q->state, QUESTION_WAITING);
	assert_ptr_equal(receive(SOCKET, &server, &a), q);
}

static void test_what_is_no_answer_does_not_count(void **state)
{
	uint8_t data[512];
	mpp_buf buf = {data, sizeof(data), 0};
	const struct stun_answer a = {.id = q->id, .mapped = mapped};
	size_t len, cut;

	(void)state;
	assert_ptr_equal(questions_due(&qs, at_ms(0)), q);
	/* Our own request, as from a reflector. */
	assert_int_equal(question_write(q, &buf), MPP_OK);
	assert_null(questions_receive(&qs, SOCKET, &server,
				      (mpp_bytes){data, buf.len}, at_ms(1)));
	len = answer(data, &a);
	for (cut = 0; cut < len; cut++)
		assert_null(questions_receive(&qs, SOCKET, &server,
					      (mpp_bytes){data, cut},
					      at_ms(1)));
	data[0] = 0x01;
	data[1] = 0x02; /* another method's success */
	assert_null(questions_receive(&qs, SOCKET, &server,
				      (mpp_bytes){data, len}, at_ms(1)));
	assert_int_equal(q->state, QUESTION_WAITING);
}

static void test_an_answer_from_the_alternate_address(void **state)
{
	const struct stun_answer a = {.id = q->id, .mapped = mapped};

	(void)state;
	q->expect = alternate;
	assert_ptr_equal(questions_due(&qs, at_ms(0)), q);
	assert_null(receive(SOCKET, &stranger, &a));
	assert_ptr_equal(receive(SOCKET, &alternate, &a), q);
	assert_true(question_ok(q));
}

static void test_an_answer_that_ignores_what_was_asked(void **state)
{
	const struct stun_answer a = {.id = q->id, .mapped = mapped};

	(void)state;
	q->expect = alternate;
	assert_ptr_equal(questions_due(&qs, at_ms(0)), q);
	assert_ptr_equal(receive(SOCKET, &server, &a), q);
	assert_int_equal(q->state, QUESTION_ANSWERED);
	assert_true(q->misplaced);
	assert_false(question_ok(q));
}

static void test_an_error_is_an_answer(void **state)
{
	const struct stun request = {.unknown = {3}, .n_unknown = 1};
	const struct stun_answer a = {.id = q->id,
				      .error = STUN_UNKNOWN_ATTRIBUTE,
				      .request = &request};

	(void)state;
	assert_ptr_equal(questions_due(&qs, at_ms(0)), q);
	assert_ptr_equal(receive(SOCKET, &server, &a), q);
	assert_int_equal(q->error, 420);
	assert_false(question_ok(q));
}

/* The request is read by the codec's other half; what fills it up is an
 * attribute that a server may skip. */
static void test_requests_say_what_they_should(void **state)
{
	uint8_t data[2048];
	mpp_buf buf = {data, sizeof(data), 0};
	struct stun m;

	(void)state;
	q->has = STUN_HAS_CHANGE;
	q->change = STUN_CHANGE_IP;
	q->length = 1200;
	assert_int_equal(question_write(q, &buf), MPP_OK);
	assert_int_equal(buf.len, 1200);
	assert_int_equal(stun_decode((mpp_bytes){data, buf.len}, &m), MPP_OK);
	assert_int_equal(m.class, STUN_REQUEST);
	assert_int_equal(m.n_unknown, 0);
	assert_int_equal(m.change, STUN_CHANGE_IP);
	assert_memory_equal(m.id, q->id, STUN_ID_LEN);
	buf.cap = 1199;
	assert_int_equal(question_write(q, &buf), MPP_ERR_NOSPACE);
}

static void test_every_question_has_its_own_id(void **state)
{
	size_t i, j;

	(void)state;
	for (i = 1; i < QUESTIONS_MAX - 1; i++)
		(void)questions_add(&qs, FOR_TRIP, (unsigned)i, SOCKET,
				    &server);
	assert_int_equal(qs.err, MPP_OK);
	for (i = 0; i < qs.n; i++) {
		for (j = 0; j < i; j++)
			assert_memory_not_equal(qs.list[i].id, qs.list[j].id,
						STUN_ID_LEN);
	}
	(void)questions_add(&qs, FOR_TRIP, 999, SOCKET, &server);
	assert_int_equal(qs.err, MPP_ERR_LIMIT);
	assert_null(questions_find(&qs, FOR_TRIP, 999));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(test_repeated_in_growing_intervals),
		CASE(test_the_one_that_waits_longest_goes_first),
		CASE(test_an_answer_counts),
		CASE(test_forged_answers_do_not_count),
		CASE(test_what_is_no_answer_does_not_count),
		CASE(test_an_answer_from_the_alternate_address),
		CASE(test_an_answer_that_ignores_what_was_asked),
		CASE(test_an_error_is_an_answer),
		CASE(test_requests_say_what_they_should),
		CASE(test_every_question_has_its_own_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
