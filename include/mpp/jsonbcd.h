/* SPDX-License-Identifier: MIT */
/** @file mpp/jsonbcd.h  Reading and writing JSON and JSON-B.
 *
 * draft-hallambaker-jsonbcd: JSON text (RFC 8259) and its binary items may be
 * mixed freely. Read: objects, arrays, strings, binary data, integers of 64
 * bits, booleans, null; any other number comes as the slice of its text (then
 * text.quoted is true) or, for binary64, of its 8 octets in network order
 * (text.quoted is false). JSON-C and JSON-D items are refused with
 * MPP_ERR_UNSUPPORTED, and so are numbers of more than 64 bits in binary. -0
 * is the INTEGER 0, not negative. Member names may be quoted strings, b-strings
 * (0x80..0x87) or the 0xB4..0xB7 heads that the draft's author's code writes.
 *
 * Strict: UTF-8 is checked (also behind \u escapes: lone surrogates are
 * MPP_ERR_UTF8), leading, trailing and doubled commas, missing colons after
 * quoted names, leading zeros and control characters in JSON strings are
 * MPP_ERR_SYNTAX (white space 09 0A 0D excepted inside quoted strings, which
 * the author's writer puts into base64). After a binary item, before one, and
 * after } or ] once a binary item was seen, the comma (and after a binary name
 * the colon) may be missing.
 *
 * No heap, no recursion; nesting is bounded by MPP_JSON_DEPTH_MAX. Items point
 * into the input and are valid as long as it is. Value types. */
#ifndef MPP_JSONBCD_H
#define MPP_JSONBCD_H

#include <mpp/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MPP_JSON_DEPTH_MAX = 16 };

typedef enum mpp_json_kind {
	MPP_JSON_END = 1, /**< the outermost value is complete */
	MPP_JSON_OBJECT,  /**< { : members follow until MPP_JSON_CLOSE */
	MPP_JSON_ARRAY,   /**< [ : items follow until MPP_JSON_CLOSE */
	MPP_JSON_CLOSE,   /**< } or ] */
	MPP_JSON_STRING,  /**< quoted or b-string */
	MPP_JSON_DATA,    /**< b-data; in JSON text binary is a STRING */
	MPP_JSON_INTEGER, /**< fits negative + 64-bit magnitude */
	MPP_JSON_NUMBER,  /**< any other number, as raw slice: of text if
				    text.quoted, else binary64 */
	MPP_JSON_BOOLEAN,
	MPP_JSON_NULL,
} mpp_json_kind;

/** A run of text or data as it stands in the input. */
typedef struct mpp_json_text {
	mpp_bytes raw; /**< without quotes; or, if chunked, with all heads */
	bool escaped;  /**< raw holds JSON escapes */
	bool chunked;  /**< raw is a sequence of chunks and a term */
	bool quoted;   /**< was JSON text: a quoted string, or the digits of
			     a NUMBER */
} mpp_json_text;

typedef struct mpp_json_item {
	mpp_json_kind kind;
	uint8_t depth; /**< of this item: 0 is the outermost value; a
				  CLOSE has the depth of what it closes */
	bool has_name; /**< a member of an object */
	bool negative; /**< INTEGER: value is -integer */
	bool boolean;
	mpp_json_text name;
	mpp_json_text text; /**< STRING, DATA, NUMBER */
	uint64_t integer;   /**< INTEGER: magnitude */
} mpp_json_item;

typedef struct mpp_json_reader {
	const uint8_t *p;
	size_t left;
	mpp_err err;
	uint8_t depth;
	bool binary_seen;
	uint8_t state;
	uint8_t prev;
	uint8_t stack[MPP_JSON_DEPTH_MAX];
} mpp_json_reader;

/** Start reading. @param in lent until the last item was used */
void mpp_json_reader_init(mpp_json_reader *r, mpp_bytes in);

/** The next item. After MPP_JSON_END the reader stands behind the value:
 * mpp_json_rest() tells what is left (padding is the caller's matter); further
 * calls give MPP_JSON_END again.
 * @retval MPP_ERR_TRUNCATED, MPP_ERR_SYNTAX, MPP_ERR_UTF8, MPP_ERR_DEPTH,
 *   MPP_ERR_UNSUPPORTED  drop the document; sticky. @p item is untouched
 *   and the reader stays where the failed item begins */
MPP_MUSTCHECK mpp_err mpp_json_next(mpp_json_reader *r, mpp_json_item *item);

/** Skip what @p item opened (OBJECT, ARRAY) up to and with its CLOSE; nothing
 * for other kinds. Errors as mpp_json_next(). */
MPP_MUSTCHECK mpp_err mpp_json_skip(mpp_json_reader *r,
				    const mpp_json_item *item);

/** What has not been read. */
mpp_bytes mpp_json_rest(const mpp_json_reader *r);

/** Is the (un-escaped, un-chunked) text equal to a NUL-terminated string? */
bool mpp_json_text_is(const mpp_json_text *text, const char *s);

/** Append the text with escapes resolved and chunks joined.
 * @retval MPP_ERR_NOSPACE  out is full: nothing was appended */
MPP_MUSTCHECK mpp_err mpp_json_text_copy(const mpp_json_text *text,
					 mpp_buf *out);

/** Append the octets of a binary value: b-data as it is, a quoted string as
 * base64url (RFC 4648 section 5; "=" at the end and white space are skipped,
 * bits left over must be zero).
 * @param item STRING (quoted) or DATA
 * @retval MPP_ERR_SYNTAX  not base64url  @retval MPP_ERR_TYPE  not binary
 * @retval MPP_ERR_NOSPACE  out is full: nothing was appended */
MPP_MUSTCHECK mpp_err mpp_json_data_copy(const mpp_json_item *item,
					 mpp_buf *out);

typedef enum mpp_json_encoding {
	MPP_JSON_TEXT = 1, /**< compact JSON, binary as base64url */
	MPP_JSON_B,        /**< JSON-B without colons, and without commas
				  except where the reader needs one: between
				  array items of which none is binary */
	MPP_JSON_PRETTY,   /**< JSON, two spaces, a member a line */
} mpp_json_encoding;

/** A writer. Sticky error; counts only when p is NULL. */
typedef struct mpp_json_writer {
	uint8_t *p;
	size_t cap;
	size_t n; /**< written or counted */
	mpp_err err;
	uint8_t encoding;
	uint8_t depth;
	bool fresh;       /**< nothing written yet at this depth */
	bool named;       /**< mpp_json_name() was just written */
	bool binary_seen; /**< something binary was written */
	uint8_t prev;     /**< what the last value was */
	uint32_t arrays;  /**< bit d: depth d is an array */
} mpp_json_writer;

/** Start. @param p lent, or NULL to count */
void mpp_json_writer_init(mpp_json_writer *w, mpp_json_encoding encoding,
			  uint8_t *p, size_t cap);

/** Every value takes the member's name, NULL inside an array or outermost; a
 * call that does not fit (such as a second outermost value) makes the sticky
 * error MPP_ERR_STATE, nesting over MPP_JSON_DEPTH_MAX MPP_ERR_DEPTH.
 * Names are NUL-terminated UTF-8. JSON-B writes b-strings (0x80..), the
 * shortest head, integers in the shortest form. */
void mpp_json_object(mpp_json_writer *w, const char *name);
void mpp_json_array(mpp_json_writer *w, const char *name);
void mpp_json_close(mpp_json_writer *w);
/** Text must be valid UTF-8 (not checked again); escaped as JSON asks. */
void mpp_json_string(mpp_json_writer *w, const char *name, mpp_bytes text);
void mpp_json_cstring(mpp_json_writer *w, const char *name, const char *text);
void mpp_json_data(mpp_json_writer *w, const char *name, mpp_bytes data);
void mpp_json_uint(mpp_json_writer *w, const char *name, uint64_t value);
void mpp_json_int(mpp_json_writer *w, const char *name, int64_t value);
void mpp_json_bool(mpp_json_writer *w, const char *name, bool value);
void mpp_json_null(mpp_json_writer *w, const char *name);
/** Write a member's name that is a slice; the value must follow at once,
 * written with name NULL. */
void mpp_json_name(mpp_json_writer *w, mpp_bytes name);
/** A number (or any literal) exactly as its text stands. */
void mpp_json_literal(mpp_json_writer *w, const char *name, mpp_bytes text);

/** The sticky error, or MPP_ERR_STATE when something is still open. The
 * output is w->p[0 .. w->n). */
MPP_MUSTCHECK mpp_err mpp_json_finish(const mpp_json_writer *w);

#ifdef __cplusplus
}
#endif
#endif
