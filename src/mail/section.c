/* SPDX-License-Identifier: Apache-2.0 */
/* Sections: see section.h. */
#include "mail/section.h"

/* Returns the child of that number, or 0 (part 0 is nobody's child). */
static uint32_t
child(const struct mail_summary *s, uint32_t index, uint32_t number)
{
	struct mail_part p, c;

	mail_summary_part(s, index, &p);
	for (uint32_t i = index + 1; i < p.end; i = c.end) {
		mail_summary_part(s, i, &c);
		if (c.number == number)
			return i;
	}
	return 0;
}

/*
 * Goes one number further: `message` is the message (part 0 or the child of a
 * MESSAGE part), or a multipart.  A message that is not multipart has a part 1,
 * which is its own body (RFC 9051 section 6.4.5.1).
 */
static bool
descend(const struct mail_summary *s, uint32_t number, uint32_t *index, bool *at_message)
{
	struct mail_part p;
	uint32_t c;

	mail_summary_part(s, *index, &p);
	if (!*at_message && p.kind == MAIL_PART_MESSAGE) {
		/* Its parts are those of the message inside. */
		++*index;
		*at_message = true;
		mail_summary_part(s, *index, &p);
	}
	if (p.kind == MAIL_PART_MULTIPART) {
		c = child(s, *index, number);
		if (c == 0)
			return false;
		*index = c;
		*at_message = false;
		return true;
	}
	if (!*at_message || number != 1)
		return false;
	*at_message = false;
	return true;
}

static bool
find_part(const struct mail_summary *s, const uint32_t *path, size_t depth, uint32_t *index_r)
{
	bool at_message = true;

	*index_r = 0;
	for (size_t i = 0; i < depth; i++)
		if (!descend(s, path[i], index_r, &at_message))
			return false;
	return true;
}

bool
mail_section_part(
    const struct mail_summary *s, const uint32_t *path, size_t depth, struct mail_part *part_r)
{
	uint32_t index;

	if (!find_part(s, path, depth, &index))
		return false;
	mail_summary_part(s, index, part_r);
	return true;
}

bool
mail_section_find(const struct mail_summary *s, const uint32_t *path, size_t depth,
    enum mail_section kind, struct mail_range *range_r)
{
	struct mail_part p;
	uint32_t index;

	if (!find_part(s, path, depth, &index))
		return false;
	mail_summary_part(s, index, &p);
	if (depth > 0 && (kind == MAIL_SECTION_HEADER || kind == MAIL_SECTION_TEXT)) {
		if (p.kind != MAIL_PART_MESSAGE)
			return false;
		mail_summary_part(s, index + 1, &p);
	}
	switch (kind) {
	case MAIL_SECTION_WHOLE:
		*range_r = depth == 0 ? (struct mail_range){0, s->size}
		                      : (struct mail_range){p.body_off, p.body_len};
		return true;
	case MAIL_SECTION_HEADER:
		*range_r = (struct mail_range){p.header_off, p.header_len};
		return true;
	case MAIL_SECTION_TEXT:
		*range_r = (struct mail_range){p.body_off, p.body_len};
		return true;
	case MAIL_SECTION_MIME:
		*range_r = (struct mail_range){p.header_off, p.header_len};
		return depth > 0;
	}
	return false;
}
