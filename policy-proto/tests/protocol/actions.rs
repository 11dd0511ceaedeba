//! The meaning of an action's text to Postfix, as a table: access(5) and `check_table_result`.

use policy_proto::{Action, InvalidResponse, Response};

macro_rules! parses {
    ($($name:ident: $text:expr => $action:expr;)+) => {$(
        #[test]
        fn $name() {
            use Action::*;
            assert_eq!(Action::parse($text), $action);
        }
    )+};
}

parses! {
    ok_accepts: b"OK" => Ok;
    the_text_of_ok_is_ignored: b"OK whatever it says" => Ok;
    relay_is_known: b"RELAY" => Relay;
    dunno_has_no_opinion: b"DUNNO" => Dunno;
    the_text_of_dunno_is_ignored: b"DUNNO really" => Dunno;
    reject_may_stand_alone: b"REJECT" => Reject(b"");
    reject_may_have_a_text: b"REJECT go away" => Reject(b"go away");
    an_enhanced_status_code_is_part_of_the_text: b"REJECT 5.7.1 go away" => Reject(b"5.7.1 go away");
    defer_may_stand_alone: b"DEFER" => Defer(b"");
    defer_may_have_a_text: b"DEFER 4.7.1 wait" => Defer(b"4.7.1 wait");
    defer_if_permit_is_not_defer: b"DEFER_IF_PERMIT wait" => DeferIfPermit(b"wait");
    defer_if_reject_is_not_defer: b"DEFER_IF_REJECT wait" => DeferIfReject(b"wait");
    discard_may_have_a_text: b"DISCARD into the void" => Discard(b"into the void");
    hold_may_stand_alone: b"HOLD" => Hold(b"");
    info_may_have_a_text: b"INFO seen" => Info(b"seen");
    warn_may_have_a_text: b"WARN seen" => Warn(b"seen");
    filter_has_a_destination: b"FILTER smtp:[127.0.0.1]:10025" => Filter(b"smtp:[127.0.0.1]:10025");
    prepend_has_a_header: b"PREPEND X-Greylist: delayed 300 s" => Prepend(b"X-Greylist: delayed 300 s");
    redirect_has_an_address: b"REDIRECT abuse@example.org" => Redirect(b"abuse@example.org");
    bcc_has_an_address: b"BCC log@example.org" => Bcc(b"log@example.org");

    lower_case_is_the_same: b"reject go away" => Reject(b"go away");
    mixed_case_is_the_same: b"Defer_If_Permit wait" => DeferIfPermit(b"wait");
    lower_case_ok_is_the_same: b"ok" => Ok;
    the_case_of_a_text_stays: b"reject Go Away" => Reject(b"Go Away");
    a_tab_ends_the_command: b"REJECT\tgo away" => Reject(b"go away");
    several_blanks_are_one: b"REJECT \t  go  away" => Reject(b"go  away");
    other_white_space_is_skipped_behind_a_blank: b"REJECT \x0b\x0cgo away" => Reject(b"go away");
    other_white_space_does_not_end_the_command: b"REJECT\x0cgo" => Other(b"REJECT\x0cgo");
    a_blank_behind_a_command_is_no_text: b"REJECT " => Reject(b"");
    blanks_at_the_end_of_a_text_stay: b"REJECT go away " => Reject(b"go away ");
    a_text_need_not_be_ascii: b"REJECT caf\xe9" => Reject(b"caf\xe9");

    a_result_that_is_all_digits_is_ok: b"1234567890" => Ok;
    three_digits_alone_are_ok: b"450" => Ok;
    one_digit_is_ok: b"0" => Ok;
    digits_with_a_text_are_no_ok: b"1234 text" => Other(b"1234 text");
    digits_with_a_blank_are_no_ok: b"450 " => Other(b"450 ");
    digits_with_white_space_are_no_status: b"450 \x0b" => Other(b"450 \x0b");

    a_4nn_code_and_a_text_refuse_for_now: b"450 wait" => Status { code: 450, text: b"wait" };
    a_5nn_code_and_a_text_refuse: b"554 5.7.1 no" => Status { code: 554, text: b"5.7.1 no" };
    the_lowest_code_is_400: b"400 x" => Status { code: 400, text: b"x" };
    the_highest_code_is_599: b"599 x" => Status { code: 599, text: b"x" };
    a_tab_ends_a_code: b"521\tbye" => Status { code: 521, text: b"bye" };
    a_code_below_400_is_no_status: b"399 x" => Other(b"399 x");
    a_code_above_599_is_no_status: b"600 x" => Other(b"600 x");
    two_digits_are_no_status: b"45 x" => Other(b"45 x");
    four_digits_are_no_status: b"4500 x" => Other(b"4500 x");
    a_code_with_a_letter_is_no_status: b"45x y" => Other(b"45x y");
    a_code_with_a_letter_in_its_middle_is_no_status: b"4x0 y" => Other(b"4x0 y");

    a_restriction_is_no_command: b"permit_mynetworks, reject" => Other(b"permit_mynetworks, reject");
    a_leading_blank_hides_the_command: b" OK" => Other(b" OK");
    a_leading_blank_hides_a_code: b" 450 wait" => Other(b" 450 wait");
    a_longer_word_is_no_command: b"OKAY" => Other(b"OKAY");
    a_shorter_word_is_no_command: b"REJEC" => Other(b"REJEC");
    a_comma_does_not_end_a_command: b"OK,reject" => Other(b"OK,reject");
    an_empty_text_is_no_command: b"" => Other(b"");
}

macro_rules! builds {
    ($($name:ident: $action:expr => $result:expr;)+) => {$(
        #[test]
        fn $name() {
            use Action::*;
            let result: Result<&[u8], InvalidResponse> = $result;
            let response = Response::try_from($action);
            assert_eq!(response.as_ref().map(Response::as_bytes), result.as_ref().copied());
        }
    )+};
}

mod building {
    use super::*;

    builds! {
        ok: Ok => Result::Ok(b"OK");
        relay: Relay => Result::Ok(b"RELAY");
        dunno: Dunno => Result::Ok(b"DUNNO");
        reject: Reject(b"5.7.1 no") => Result::Ok(b"REJECT 5.7.1 no");
        reject_without_a_text_has_no_blank: Reject(b"") => Result::Ok(b"REJECT");
        defer: Defer(b"wait") => Result::Ok(b"DEFER wait");
        defer_if_permit: DeferIfPermit(b"wait") => Result::Ok(b"DEFER_IF_PERMIT wait");
        defer_if_reject: DeferIfReject(b"wait") => Result::Ok(b"DEFER_IF_REJECT wait");
        status: Status { code: 450, text: b"4.7.1 wait" } => Result::Ok(b"450 4.7.1 wait");
        the_lowest_status: Status { code: 400, text: b"x" } => Result::Ok(b"400 x");
        the_highest_status: Status { code: 599, text: b"x" } => Result::Ok(b"599 x");
        discard: Discard(b"x") => Result::Ok(b"DISCARD x");
        hold: Hold(b"x") => Result::Ok(b"HOLD x");
        info: Info(b"x") => Result::Ok(b"INFO x");
        warn: Warn(b"x") => Result::Ok(b"WARN x");
        filter: Filter(b"smtp:x") => Result::Ok(b"FILTER smtp:x");
        prepend: Prepend(b"X: y") => Result::Ok(b"PREPEND X: y");
        redirect: Redirect(b"a@b") => Result::Ok(b"REDIRECT a@b");
        bcc: Bcc(b"a@b") => Result::Ok(b"BCC a@b");
        anything_else_is_written_as_it_is: Other(b"permit_mynetworks, reject") => Result::Ok(b"permit_mynetworks, reject");

        a_line_feed_in_a_text_is_refused: Reject(b"no\n\naction=OK")
            => Err(InvalidResponse::ControlCharacter { offset: 9 });
        a_cr_in_a_text_is_refused: Other(b"a\rb") => Err(InvalidResponse::ControlCharacter { offset: 1 });
        a_nul_in_a_text_is_refused: Other(b"\0") => Err(InvalidResponse::ControlCharacter { offset: 0 });
        an_empty_text_is_refused: Other(b"") => Err(InvalidResponse::Blank);
        a_blank_text_is_refused: Other(b" \t\x0b\x0c") => Err(InvalidResponse::Blank);
        a_status_below_400_is_refused: Status { code: 399, text: b"x" } => Err(InvalidResponse::Status);
        a_status_above_599_is_refused: Status { code: 600, text: b"x" } => Err(InvalidResponse::Status);
        a_status_of_four_digits_is_refused: Status { code: 4500, text: b"x" } => Err(InvalidResponse::Status);
        // It would be all digits, which Postfix takes for `OK`.
        a_status_without_a_text_is_refused: Status { code: 450, text: b"" } => Err(InvalidResponse::Status);
        a_status_with_a_blank_text_is_refused: Status { code: 450, text: b" \x0b" } => Err(InvalidResponse::Status);
    }

    #[test]
    fn an_action_without_what_postfix_needs_of_it_is_refused() {
        use Action::{Bcc, Filter, Prepend, Redirect};

        for (action, message) in [
            (Filter(b""), "FILTER needs transport:destination"),
            (Filter(b"smtp"), "FILTER needs transport:destination"),
            (Redirect(b""), "REDIRECT needs user@domain"),
            (Redirect(b"alice"), "REDIRECT needs user@domain"),
            (Bcc(b"alice"), "BCC needs user@domain"),
            (
                Prepend(b""),
                "PREPEND needs a header, such as 'X-Name: value'",
            ),
            (
                Prepend(b"delayed"),
                "PREPEND needs a header, such as 'X-Name: value'",
            ),
        ] {
            let error = Response::try_from(action).unwrap_err();
            assert_eq!(error.to_string(), message, "{action:?}");
        }
    }

    #[test]
    fn an_action_is_shown_as_postfix_is_told_it() {
        use Action::{Other, Reject, Status};

        for (action, display, debug) in [
            (Action::Ok, "OK", "Ok"),
            (Reject(b""), "REJECT", "Reject(\"\")"),
            (
                Reject(b"caf\xe9"),
                "REJECT caf\\xe9",
                "Reject(\"caf\\xe9\")",
            ),
            (
                Status {
                    code: 450,
                    text: b"wait",
                },
                "450 wait",
                "Status { code: 450, text: \"wait\" }",
            ),
            (
                Other(b"permit_mynetworks"),
                "permit_mynetworks",
                "Other(\"permit_mynetworks\")",
            ),
        ] {
            assert_eq!(action.to_string(), display);
            assert_eq!(format!("{action:?}"), debug);
        }
    }

    #[test]
    fn a_line_of_16_kib_is_the_longest() {
        let room = 16 * 1024 - "action=".len();
        assert!(Response::new(vec![b'x'; room]).is_ok());
        let too_long = Response::new(vec![b'x'; room + 1]);
        assert_eq!(too_long, Err(InvalidResponse::TooLong { limit: 16 * 1024 }));
    }
}
