/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_IMAP_TRIAL_H
#define TEST_IMAP_TRIAL_H
/*
 * An extension that no server has, with a row of each kind that none of the server's has yet, and
 * some more: for test/imap/trial.imt, which says `trial`.  What the server has no engine for yet
 * (SORT, NOTIFY) it asks by commands of its own.
 */
#include "imap/ext.h"

extern const struct imap_ext imap_ext_trial;
#endif
