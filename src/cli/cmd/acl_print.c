/* SPDX-License-Identifier: Apache-2.0 */
/* How `turnstone acl explain` prints what it is told. */
#include "cli/cmd/acl_print.h"

#include <stdio.h>

#include "control/rows.h"

enum { RIGHTS = 11 };

static bool
row_says_yes(struct str row, const char *key)
{
	struct buf value = {0};
	bool yes = row_find(row, key, 0, &value) && str_eq(buf_as_str(&value), STR("yes"));

	buf_fini(&value);
	return yes;
}

/* Prints " WORD A, B", or nothing if the row has no such value; returns whether it has. */
static bool
print_list(struct str row, const char *key, const char *word)
{
	struct buf value = {0};
	size_t i = 0;

	for (; row_find(row, key, i, &value) && value.n > 0; i++)
		printf("%s%.*s", i == 0 ? word : ", ", STR_ARG(buf_as_str(&value)));
	buf_fini(&value);
	return i > 0;
}

static void
print_person(struct str verdict)
{
	struct buf state = {0};

	(void)print_list(verdict, "who", "");
	if (row_find(verdict, "who_is", 0, &state)) {
		if (str_eq(buf_as_str(&state), STR("missing")))
			printf(": there is no such user");
		else if (str_eq(buf_as_str(&state), STR("disabled")))
			printf(" is disabled and cannot log in");
		else if (str_eq(buf_as_str(&state), STR("unknown")))
			printf(": the user database does not answer");
		else
			printf(" is a user");
	}
	(void)print_list(verdict, "groups", ", a member of ");
	putchar('\n');
	buf_fini(&state);
}

static void
print_mailbox(struct str verdict)
{
	(void)print_list(verdict, "mailbox", "mailbox ");
	(void)print_list(verdict, "owner", " of ");
	if (row_says_yes(verdict, "is_owner"))
		printf(", the owner");
	else if (!print_list(verdict, "name", ", for others "))
		printf(", which has no name for others (sharing.others_prefix, "
		       "sharing.shared_prefix)");
	if (!print_list(verdict, "rights", "\nrights: "))
		printf("\nrights: none");
	putchar('\n');
}

static void
print_right(struct str row)
{
	static const char *const words[RIGHTS][2] = {{"l", "see it in lists"}, {"r", "read it"},
	    {"s", "keep what is read"}, {"w", "set flags and keywords"}, {"i", "add messages"},
	    {"p", "have mail delivered to it"}, {"k", "create mailboxes below it"},
	    {"x", "delete or rename it"}, {"t", "mark messages as deleted"}, {"e", "expunge"},
	    {"a", "administer its rights"}};
	bool has = row_says_yes(row, "has"), given;
	struct buf letter = {0}, value = {0};
	int width =
	    row_find(row, "given_by", 0, &value) || row_find(row, "taken_by", 0, &value) ? 25 : 0;

	(void)row_find(row, "right", 0, &letter);
	for (size_t i = 0; i < RIGHTS; i++)
		if (str_eq(buf_as_str(&letter), str_of(words[i][0])))
			printf(
			    "  %s %s %-*s", words[i][0], has ? "yes" : "no ", width, words[i][1]);
	given = print_list(row, "given_by", " given by ");
	(void)print_list(row, "taken_by", given ? ", but taken by " : " taken by ");
	putchar('\n');
	buf_fini(&letter);
	buf_fini(&value);
}

void
acl_print_explained(struct str rows)
{
	struct str row;

	if (!rows_next(&rows, &row))
		return;
	print_person(row);
	print_mailbox(row);
	for (size_t i = 0; i < RIGHTS && rows_next(&rows, &row); i++)
		print_right(row);
	while (rows_next(&rows, &row)) {
		(void)print_list(row, "identifier", "entry ");
		(void)print_list(row, "rights", " ");
		(void)print_list(row, "reason", ": ");
		putchar('\n');
	}
	puts("A login that acts for somebody has these rights as far as its grant goes: see "
	     "turnstone grant explain");
}

void
acl_print_explained_json(struct str rows)
{
	struct str verdict, rest = rows, row;

	if (!rows_next(&rows, &verdict))
		return;
	rest = rows;
	for (size_t i = 0; i < RIGHTS; i++)
		(void)rows_next(&rest, &row);
	printf("{\"verdict\": ");
	row_print_json(verdict);
	printf(", \"rights\": ");
	rows_print_json(str_range(rows.p, rest.p));
	printf(", \"entries\": ");
	rows_print_json(rest);
	printf("}\n");
}

bool
acl_has_rights(struct str rows)
{
	struct buf rights = {0};
	struct str verdict;
	bool any =
	    rows_next(&rows, &verdict) && row_find(verdict, "rights", 0, &rights) && rights.n > 0;

	buf_fini(&rights);
	return any;
}
