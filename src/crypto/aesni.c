/* SPDX-License-Identifier: MIT */
/* aesni.c - see aesni.h. */
#include "crypto/aesni.h"

#include "base/mem.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <sodium.h>

enum { ROUNDS = 10 };

#define AESNI __attribute__((target("aes,sse2")))

bool aesni_available(void)
{
	return sodium_runtime_has_aesni() == 1;
}

static inline AESNI __m128i load(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline AESNI void store(uint8_t *p, __m128i v)
{
	_mm_storeu_si128((__m128i *)(void *)p, v);
}

/* FIPS 197 section 5.2: each word is the sum of the one before it and the one
 * four places before it; the first takes the rotated and substituted one. */
static inline AESNI __m128i next_key(__m128i k, __m128i assist)
{
	k = _mm_xor_si128(k, _mm_slli_si128(k, 4));
	k = _mm_xor_si128(k, _mm_slli_si128(k, 8));
	return _mm_xor_si128(k, _mm_shuffle_epi32(assist, 0xff));
}

/* The round constant is part of the instruction, so no loop. */
#define NEXT(i, constant) \
	k[i] = next_key(k[i - 1], _mm_aeskeygenassist_si128(k[i - 1], constant))

static inline AESNI void expand(const uint8_t *key, __m128i k[ROUNDS + 1])
{
	k[0] = load(key);
	NEXT(1, 0x01);
	NEXT(2, 0x02);
	NEXT(3, 0x04);
	NEXT(4, 0x08);
	NEXT(5, 0x10);
	NEXT(6, 0x20);
	NEXT(7, 0x40);
	NEXT(8, 0x80);
	NEXT(9, 0x1b);
	NEXT(10, 0x36);
}

AESNI void aesni_encrypt(const uint8_t key[16], const uint8_t in[16],
			 uint8_t out[16])
{
	__m128i k[ROUNDS + 1], v;
	unsigned i;

	expand(key, k);
	v = _mm_xor_si128(load(in), k[0]);
	for (i = 1; i < ROUNDS; i++)
		v = _mm_aesenc_si128(v, k[i]);
	store(out, _mm_aesenclast_si128(v, k[ROUNDS]));
	mem_wipe(k, sizeof(k));
}

/* The equivalent inverse cipher, FIPS 197 section 5.3.5. */
AESNI void aesni_decrypt(const uint8_t key[16], const uint8_t in[16],
			 uint8_t out[16])
{
	__m128i k[ROUNDS + 1], v;
	unsigned i;

	expand(key, k);
	v = _mm_xor_si128(load(in), k[ROUNDS]);
	for (i = ROUNDS - 1; i > 0; i--)
		v = _mm_aesdec_si128(v, _mm_aesimc_si128(k[i]));
	store(out, _mm_aesdeclast_si128(v, k[0]));
	mem_wipe(k, sizeof(k));
}

#else

bool aesni_available(void)
{
	return false;
}

/* Never called: see above. */
void aesni_encrypt(const uint8_t key[16], const uint8_t in[16], uint8_t out[16])
{
	(void)key;
	(void)in;
	mem_wipe(out, 16);
}

void aesni_decrypt(const uint8_t key[16], const uint8_t in[16], uint8_t out[16])
{
	aesni_encrypt(key, in, out);
}

#endif
