//! Answers.

use bytes::BytesMut;
use policy_proto::{Limits, MessageDecoder};

use super::{ANSWER, answer_limits};
use crate::support::{Flaw, Outcome};

cases! {
    // Whole answers.
    an_answer_is_the_text_of_its_action: ANSWER, b"action=DEFER_IF_PERMIT wait\n\n"
        => [b"DEFER_IF_PERMIT wait"], Ok(());
    attributes_before_the_action_are_skipped: ANSWER, b"a=b\nversion=1\naction=ok\n\n" => [b"ok"], Ok(());
    what_follows_the_action_is_skipped: ANSWER, b"action=ok\naction=reject\n\0 220 hello\r\n\n" => [b"ok"], Ok(());
    a_text_may_hold_equal_signs: ANSWER, b"action=prepend X: a=b\n\n" => [b"prepend X: a=b"], Ok(());
    blanks_around_a_text_belong_to_it: ANSWER, b"action= ok \n\n" => [b" ok "], Ok(());
    a_text_need_not_be_utf_8: ANSWER, b"action=REJECT caf\xe9\n\n" => [b"REJECT caf\xe9"], Ok(());
    two_answers_come_one_by_one: ANSWER, b"action=ok\n\naction=dunno\n\n" => [b"ok", b"dunno"], Ok(());
    cr_lf_is_dropped: ANSWER, b"action=ok\r\n\r\naction=dunno\r\n\r\n" => [b"ok", b"dunno"], Ok(());

    // The end of the stream.
    no_answer_is_a_clean_end_of_nothing: ANSWER, b"" => [], Ok(());
    an_answer_without_its_blank_line_is_whole: ANSWER, b"action=ok\n" => [b"ok"], Ok(());
    an_answer_cut_within_its_rest_is_whole: ANSWER, b"action=ok\nfoo" => [b"ok"], Ok(());
    an_answer_without_a_line_feed_is_cut: ANSWER, b"action=ok" => [], Err(Flaw::UnexpectedEnd);
    an_answer_cut_before_its_action_is_cut: ANSWER, b"a=b\n" => [], Err(Flaw::UnexpectedEnd);
    a_second_answer_can_be_cut: ANSWER, b"action=ok\n\nact" => [b"ok"], Err(Flaw::UnexpectedEnd);
    an_action_without_its_blank_line_hides_the_next: ANSWER, b"action=ok\naction=dunno\n\n" => [b"ok"], Ok(());

    // What is no answer.
    a_banner_is_refused_at_once: ANSWER, b"220 mail.example.com ESMTP\r\n"
        => [], Err(Flaw::NoEquals { offset: 0 });
    a_banner_after_an_attribute_is_refused: ANSWER, b"a=b\nhello\n" => [], Err(Flaw::NoEquals { offset: 4 });
    a_blank_line_before_the_action_is_refused: ANSWER, b"\naction=ok\n\n" => [], Err(Flaw::NoAction { offset: 0 });
    attributes_without_an_action_are_refused: ANSWER, b"a=b\n\n" => [], Err(Flaw::NoAction { offset: 4 });
    a_blank_line_in_cr_lf_before_the_action_is_refused: ANSWER, b"\r\n" => [], Err(Flaw::NoAction { offset: 0 });
    a_second_blank_line_after_an_answer_is_refused: ANSWER, b"action=ok\n\n\n"
        => [b"ok"], Err(Flaw::NoAction { offset: 0 });
    an_action_must_not_be_empty: ANSWER, b"action=\n\n" => [], Err(Flaw::BlankAction { offset: 0 });
    an_action_must_not_be_blank: ANSWER, b"a=b\naction= \t\n\n" => [], Err(Flaw::BlankAction { offset: 4 });
    an_action_of_other_white_space_is_blank: ANSWER, b"action=\x0b\x0c\r\n\n"
        => [], Err(Flaw::BlankAction { offset: 0 });
    action_is_lower_case: ANSWER, b"ACTION=ok\n\n" => [], Err(Flaw::NoAction { offset: 10 });
    action_has_no_blank_before_the_equal_sign: ANSWER, b"action =ok\n\n" => [], Err(Flaw::NoAction { offset: 11 });
    action_has_no_blank_before_it: ANSWER, b" action=ok\n\n" => [], Err(Flaw::NoAction { offset: 11 });
    action_needs_its_equal_sign: ANSWER, b"action ok\n\n" => [], Err(Flaw::NoEquals { offset: 0 });
    a_nul_in_an_action_is_refused: ANSWER, b"action=o\0k\n\n" => [], Err(Flaw::Nul { offset: 0 });
    a_cr_within_an_action_is_refused: ANSWER, b"action=o\rk\n\n" => [], Err(Flaw::CarriageReturn { offset: 0 });
    an_attribute_without_a_name_is_refused: ANSWER, b"=x\naction=ok\n\n" => [], Err(Flaw::EmptyName { offset: 0 });
    answers_before_a_bad_one_are_kept: ANSWER, b"action=ok\n\nbye\n" => [b"ok"], Err(Flaw::NoEquals { offset: 0 });
    leniency_has_no_effect_on_answers: ANSWER.lenient(), b"bad\naction=ok\n\n"
        => [], Err(Flaw::NoEquals { offset: 0 });

    // Limits.
    an_answer_may_be_as_long_as_its_limits: answer_limits(9, 11), b"action=ok\n\n" => [b"ok"], Ok(());
    an_action_line_must_not_be_longer: answer_limits(9, 100), b"action=nok\n\n"
        => [], Err(Flaw::LineTooLong { limit: 9 });
    an_endless_line_is_refused_at_its_limit: answer_limits(9, 100), b"xxxxxxxxxx"
        => [], Err(Flaw::LineTooLong { limit: 9 });
    an_answer_must_not_be_longer: answer_limits(50, 13), b"a=b\naction=ok\n"
        => [], Err(Flaw::MessageTooLong { limit: 13 });
    the_rest_counts_in_the_answer: answer_limits(50, 20), b"action=ok\na=1\nb=2\nc=3\n\n"
        => [b"ok"], Err(Flaw::MessageTooLong { limit: 20 });
    the_rest_may_fill_the_answer: answer_limits(50, 19), b"action=ok\na=1\nb=2\n\naction=no\n\n"
        => [b"ok", b"no"], Ok(());
    a_line_of_the_rest_must_not_be_longer: answer_limits(9, 100), b"action=ok\n0123456789"
        => [b"ok"], Err(Flaw::LineTooLong { limit: 9 });
    an_answer_that_fills_its_limit_may_end_with_the_stream: answer_limits(50, 10), b"action=ok\n"
        => [b"ok"], Ok(());
    a_blank_line_beyond_the_limit_is_refused: answer_limits(50, 10), b"action=ok\n\n"
        => [b"ok"], Err(Flaw::MessageTooLong { limit: 10 });
    each_answer_has_the_whole_limit: answer_limits(9, 11), b"action=ok\n\naction=no\n\n" => [b"ok", b"no"], Ok(());
}

#[test]
fn an_answer_is_shown_with_its_bytes_escaped() {
    let response = MessageDecoder::new().response(&mut BytesMut::from(&b"action=\"\xe9\n"[..]));
    let response = response.unwrap().unwrap();
    assert_eq!(format!("{response:?}"), r#"Response("\"\xe9")"#);
}

#[test]
fn the_answer_counts_before_its_blank_line() {
    let mut buf = BytesMut::from("action=ok\n");
    let response = MessageDecoder::new().response(&mut buf).unwrap().unwrap();
    assert_eq!(response.as_bytes(), b"ok");
}

#[test]
fn the_rest_is_skipped_in_pieces() {
    let mut decoder = MessageDecoder::new();
    let mut buf = BytesMut::from("action=ok\n");
    decoder.response(&mut buf).unwrap();
    let arrived = [&b""[..], b"no", b"te=1", b"\n", b"x=2\n", b"\r", b"\n"].map(|piece| {
        buf.extend_from_slice(piece);
        decoder.skip_rest(&mut buf)
    });
    assert_eq!(
        arrived,
        [false, false, false, false, false, false, true].map(Ok)
    );
}

#[test]
fn skipping_the_rest_leaves_what_follows() {
    let mut decoder = MessageDecoder::new();
    let mut buf = BytesMut::from("action=ok\n\nstray");
    decoder.response(&mut buf).unwrap();
    assert_eq!(decoder.skip_rest(&mut buf), Ok(true));
    assert_eq!(buf, "stray");
}

#[test]
fn before_the_first_answer_there_is_no_rest() {
    let mut buf = BytesMut::from("action=ok\n\n");
    assert_eq!(MessageDecoder::new().skip_rest(&mut buf), Ok(true));
    assert_eq!(buf, "action=ok\n\n");
}

#[test]
fn an_error_in_the_rest_is_final() {
    let mut decoder = MessageDecoder::new().with_limits(Limits::default().with_line(9));
    let mut buf = BytesMut::from("action=ok\n0123456789\n\naction=no\n\n");
    decoder.response(&mut buf).unwrap();
    let error = Err(Flaw::LineTooLong { limit: 9 });
    assert_eq!(decoder.skip_rest(&mut buf).map_err(Flaw::from), error);
    assert_eq!(
        decoder.response(&mut buf).map(|_| true).map_err(Flaw::from),
        error
    );
}

#[test]
fn an_error_is_final() {
    let mut decoder = MessageDecoder::new();
    let error = decoder.response(&mut BytesMut::from("220 hello\n"));
    assert_eq!(
        error.clone().map_err(Flaw::from),
        Err(Flaw::NoEquals { offset: 0 })
    );
    assert_eq!(
        decoder.response(&mut BytesMut::from("action=ok\n\n")),
        error
    );
}
