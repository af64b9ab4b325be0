/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of change: first those that sessions submit, each followed by the steps that have
 * batches of their own.
 */
#include "store/kinds/steps_int.h"

const struct change_kind store_kinds[CHANGE_KINDS] = {
    [STORE_CHANGE_APPEND] = {"APPEND", .send = append_send, .hold = hold_for_uids,
        .prepare = append_prepare, .apply = append_apply, .undo = append_undo,
        .ended = claims_ended},
    [INNER_CLAIM] = {"claims of an APPEND", .prepare = claim_prepare},
    [STORE_CHANGE_RAISE] = {"RAISE", .hold = hold_for_uids, .prepare = raise_prepare},
    [STORE_CHANGE_FLAGS] = {"FLAGS", .prepare = flags_prepare},
    [STORE_CHANGE_EXPUNGE] = {"EXPUNGE", .prepare = expunge_prepare, .apply = expunge_apply,
        .undo = expunge_undo, .ended = expunge_ended},

    [STORE_CHANGE_COPY] = {"COPY", .send = transfer_send, .prepare = transfer_prepare},
    [STORE_CHANGE_MOVE] = {"MOVE", .send = transfer_send, .prepare = transfer_prepare},
    [INNER_PIECE] = {"piece of a transfer", .hold = piece_hold, .prepare = piece_prepare},
    [INNER_SHOW] = {"showing a COPY", .prepare = show_prepare},
    [INNER_UNSTAGE] = {"taking a COPY back", .prepare = unstage_prepare},
    [INNER_EXPORT] = {"transfer, export", .prepare = export_prepare},
    [INNER_IMPORT] = {"transfer, import", .hold = hold_for_uids, .prepare = import_prepare},
    [INNER_FINISH] = {"transfer, finish", .prepare = finish_prepare},
    [INNER_FORGET] = {"transfer, forget", .prepare = forget_prepare},
    [INNER_ENDED] = {"transfer, ended", .prepare = ended_prepare},

    [STORE_CHANGE_CREATE] = {"CREATE", .hold = hold_for_list, .prepare = create_prepare,
        .apply = own_apply, .undo = own_undo},
    [STORE_CHANGE_DELETE] = {"DELETE", .hold = hold_for_list, .prepare = delete_prepare},
    [STORE_CHANGE_RENAME] = {"RENAME", .send = rename_send, .hold = rename_hold,
        .prepare = rename_prepare, .ended = rename_ended},
    [INNER_RENAME_BEGIN] = {"RENAME of many, begin", .prepare = rename_begin_prepare},
    [INNER_RENAME_SHOW] = {"RENAME of many, show", .prepare = rename_show_prepare,
        .apply = rename_show_apply, .undo = rename_show_undo},
    [STORE_CHANGE_SUBSCRIBE] = {"SUBSCRIBE", .hold = hold_for_list, .prepare = subscribe_prepare},
    [STORE_CHANGE_UNSUBSCRIBE] = {"UNSUBSCRIBE", .hold = hold_for_list,
        .prepare = unsubscribe_prepare},

    [STORE_CHANGE_RECORDS] = {"RECORDS", .prepare = records_prepare},
    /* Raises the list's version. */
    [STORE_CHANGE_PROPERTIES] = {"PROPERTIES", .hold = hold_for_list, .prepare = properties_prepare,
        .apply = properties_apply, .undo = properties_undo},
    [INNER_SHARED_ROW] = {"row of what is shared", .prepare = shared_row_prepare},
    [STORE_CHANGE_OWN] = {"OWN", .prepare = own_prepare, .apply = own_apply, .undo = own_undo},
    [STORE_CHANGE_NOTICE] = {"NOTICE", .hold = notice_hold, .prepare = notice_prepare,
        .apply = notice_apply, .undo = notice_undo},
    [INNER_NEW_ACCOUNT] = {"new account", .prepare = new_account_prepare},
    [INNER_NEW_BARE] = {"new account, bare", .prepare = new_bare_prepare},
    [INNER_DROP_ACCOUNT] = {"removal of an account", .hold = hold_for_list,
        .prepare = drop_account_prepare, .apply = drop_account_apply, .undo = drop_account_undo},
};
