/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For fuzzers of a whole server: turns off libFuzzer's entropic schedule, whose bookkeeping grows
 * with the features of all inputs and costs more than a run.
 */
int LLVMFuzzerInitialize(int *argc, char ***argv);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char off[] = "-entropic=0";
	static char *args[64];
	int n = *argc;

	if (n < 1 || n > 62)
		return 0;
	args[0] = (*argv)[0];
	args[1] = off; /* later options override it */
	for (int i = 1; i < n; i++)
		args[i + 1] = (*argv)[i];
	*argv = args;
	*argc = n + 1;
	return 0;
}
