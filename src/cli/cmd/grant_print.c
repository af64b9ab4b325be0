/* SPDX-License-Identifier: Apache-2.0 */
/* Printing grants for people: see grant_print.h. */
#include "cli/cmd/grant_print.h"

#include <stdio.h>

#include "control/rows.h"

/* Prints " WORD A B", or nothing if the row has no such value. */
static void
print_values(struct str row, const char *key, const char *word)
{
	struct buf value = {0};

	for (size_t i = 0; row_find(row, key, i, &value) && value.n > 0; i++)
		printf("%s%.*s", i == 0 ? word : ", ", STR_ARG(buf_as_str(&value)));
	buf_fini(&value);
}

static void
print_bounds(struct str row)
{
	print_values(row, "mailboxes", ", mailboxes ");
	print_values(row, "rights", ", rights ");
	print_values(row, "from", ", from ");
	print_values(row, "until", ", until ");
}

static bool
is(struct str row, const char *key)
{
	struct buf value = {0};
	bool yes = row_find(row, key, 0, &value) && value.n > 0 && value.p[0] == 'y';

	buf_fini(&value);
	return yes;
}

static void
print_grant(struct str row)
{
	print_values(row, "name", "");
	print_values(row, "source", " (");
	print_values(row, "who", "): ");
	print_values(row, "for", " for ");
	print_bounds(row);
}

void
grant_print_list(struct str rows)
{
	struct str row;

	while (rows_next(&rows, &row)) {
		print_grant(row);
		printf("%s\n", is(row, "expired") ? " (expired)" : "");
	}
}

static void
print_person(struct str row, const char *key, const char *state, const char *database)
{
	print_values(row, key, "");
	print_values(row, state, " is ");
	print_values(row, database, ", in the database ");
	putchar('\n');
}

static void
print_verdict(struct str row)
{
	if (!is(row, "permitted")) {
		print_values(row, "why", "not permitted: ");
		putchar('\n');
		return;
	}
	printf("permitted");
	print_values(row, "why", " ");
	print_values(row, "grant", " by ");
	print_bounds(row);
	putchar('\n');
}

void
grant_print_explained(struct str rows)
{
	struct str verdict, row;
	struct buf others = {0};
	uint64_t shown = 0, n = 0;

	if (!rows_next(&rows, &verdict))
		return;
	print_person(verdict, "who", "who_is", "who_database");
	print_person(verdict, "for", "for_is", "for_database");
	while (rows_next(&rows, &row)) {
		struct buf reason = {0};

		printf("  ");
		print_grant(row);
		print_values(row, "reason", "\n    ");
		putchar('\n');
		(void)row_find(row, "reason", 0, &reason);
		shown += str_has_prefix(buf_as_str(&reason), STR("who: "));
		buf_fini(&reason);
	}
	if (row_find(verdict, "others", 0, &others) &&
	    str_u64(buf_as_str(&others), UINT64_MAX, &n) && n > shown)
		printf(
		    "  and %llu more by which others may act\n", (unsigned long long)(n - shown));
	buf_fini(&others);
	print_verdict(verdict);
}

void
grant_print_explained_json(struct str rows)
{
	struct str verdict;

	if (!rows_next(&rows, &verdict))
		return;
	printf("{\"verdict\": ");
	row_print_json(verdict);
	printf(", \"grants\": ");
	rows_print_json(rows);
	printf("}\n");
}
