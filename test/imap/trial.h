/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_IMAP_TRIAL_H
#define TEST_IMAP_TRIAL_H
/*
 * An extension for tests only, with a row of each kind that no extension of the server has yet, and
 * some more: for test/imap/trial.imt, which says `trial`.  For what the server has no engine yet
 * (SORT, NOTIFY), it has commands of its own.
 */
#include "imap/ext.h"

extern const struct imap_ext imap_ext_trial;
#endif
