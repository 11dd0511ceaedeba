//! Requests.

use bytes::BytesMut;
use policy_proto::{DecodeError, Limits, MessageDecoder};

use super::{LENIENT, STRICT, limits};
use crate::support::{Flaw, Outcome, drive};

cases! {
    // Whole requests.
    an_empty_stream_holds_no_request: STRICT, b"" => [], Ok(());
    a_request_is_the_bytes_that_arrived: STRICT,
        b"request=smtpd_access_policy\nsender=a@example.com\n\n"
        => [b"request=smtpd_access_policy\nsender=a@example.com\n\n"], Ok(());
    one_attribute_makes_a_request: STRICT, b"a=b\n\n" => [b"a=b\n\n"], Ok(());
    a_value_may_be_empty: STRICT, b"sender=\n\n" => [b"sender=\n\n"], Ok(());
    a_value_may_hold_equal_signs: STRICT, b"a==b=\n\n" => [b"a==b=\n\n"], Ok(());
    blanks_belong_to_name_and_value: STRICT, b" a = b\t\n\n" => [b" a = b\t\n\n"], Ok(());
    bytes_beyond_ascii_pass: STRICT, b"helo_name=caf\xe9\xff\n\n"
        => [b"helo_name=caf\xe9\xff\n\n"], Ok(());
    control_characters_pass: STRICT, b"a=\x01\x1b\x7f\x0b\n\n" => [b"a=\x01\x1b\x7f\x0b\n\n"], Ok(());
    duplicates_stay_as_they_came: STRICT, b"a=1\na=2\na=1\n\n" => [b"a=1\na=2\na=1\n\n"], Ok(());
    pipelined_requests_come_one_by_one: STRICT, b"a=1\n\nb=2\nc=3\n\nd=4\n\n"
        => [b"a=1\n\n", b"b=2\nc=3\n\n", b"d=4\n\n"], Ok(());

    // Blank lines.
    blank_lines_before_a_request_are_skipped: STRICT, b"\n\n\na=b\n\n" => [b"a=b\n\n"], Ok(());
    blank_lines_between_requests_are_skipped: STRICT, b"a=1\n\n\n\nb=2\n\n"
        => [b"a=1\n\n", b"b=2\n\n"], Ok(());
    blank_lines_alone_are_no_request: STRICT, b"\n\r\n\n" => [], Ok(());
    blank_lines_after_a_request_are_a_clean_end: STRICT, b"a=b\n\n\n" => [b"a=b\n\n"], Ok(());
    a_line_of_spaces_is_not_blank: STRICT, b"a=b\n \n\n"
        => [], Err(Flaw::NoEquals { offset: 4 });

    // CR LF.
    cr_lf_becomes_lf: STRICT, b"a=1\r\nb=2\r\n\r\n" => [b"a=1\nb=2\n\n"], Ok(());
    one_cr_lf_among_others_becomes_lf: STRICT, b"a=1\nb=2\r\nc=3\n\n" => [b"a=1\nb=2\nc=3\n\n"], Ok(());
    a_blank_line_may_end_in_cr_lf: STRICT, b"a=1\n\r\n" => [b"a=1\n\n"], Ok(());
    a_request_in_lf_after_one_in_cr_lf_is_its_bytes: STRICT, b"a=1\r\n\r\nb=2\n\n"
        => [b"a=1\n\n", b"b=2\n\n"], Ok(());
    cr_lf_before_a_request_leaves_it_as_it_is: STRICT, b"\r\n\r\na=1\n\n" => [b"a=1\n\n"], Ok(());
    an_empty_value_may_end_in_cr_lf: STRICT, b"a=\r\n\n" => [b"a=\n\n"], Ok(());

    // What is no attribute.
    a_line_without_an_equal_sign_is_refused: STRICT, b"EHLO there\n\n"
        => [], Err(Flaw::NoEquals { offset: 0 });
    a_name_must_not_be_empty: STRICT, b"a=b\n=c\n\n" => [], Err(Flaw::EmptyName { offset: 4 });
    a_nul_in_a_value_is_refused: STRICT, b"a=b\nc=\0d\n\n" => [], Err(Flaw::Nul { offset: 4 });
    a_nul_in_a_name_is_refused: STRICT, b"a=b\nc\0=d\n\n" => [], Err(Flaw::Nul { offset: 4 });
    a_nul_alone_is_refused: STRICT, b"\0\n" => [], Err(Flaw::Nul { offset: 0 });
    a_cr_within_a_value_is_refused: STRICT, b"a=b\nc=d\re\n\n"
        => [], Err(Flaw::CarriageReturn { offset: 4 });
    a_cr_within_a_name_is_refused: STRICT, b"c\rd=e\n\n"
        => [], Err(Flaw::CarriageReturn { offset: 0 });
    a_nul_is_refused_before_the_request_ends: STRICT, b"a=\0\nb=1\n" => [], Err(Flaw::Nul { offset: 0 });
    a_cr_is_refused_before_the_request_ends: STRICT, b"a=\r1\nb=1\n"
        => [], Err(Flaw::CarriageReturn { offset: 0 });
    only_one_cr_before_the_lf_is_dropped: STRICT, b"a=b\r\r\n\n"
        => [], Err(Flaw::CarriageReturn { offset: 0 });
    the_first_flaw_in_a_line_is_named: STRICT, b"a\rb\0\n" => [], Err(Flaw::CarriageReturn { offset: 0 });
    an_empty_name_comes_before_a_nul_behind_it: STRICT, b"=\0\n" => [], Err(Flaw::EmptyName { offset: 0 });
    the_first_bad_line_is_named: STRICT, b"a=b\nbad\n=worse\n" => [], Err(Flaw::NoEquals { offset: 4 });
    requests_before_a_bad_line_are_kept: STRICT, b"a=1\n\nb=2\nbad\n\nc=3\n\n"
        => [b"a=1\n\n"], Err(Flaw::NoEquals { offset: 4 });
    blank_lines_before_a_request_do_not_move_its_offsets: STRICT, b"\n\n\r\na=b\nbad\n"
        => [], Err(Flaw::NoEquals { offset: 4 });
    a_cr_counts_in_the_offset: STRICT, b"a=b\r\nbad\n" => [], Err(Flaw::NoEquals { offset: 5 });
    a_bad_line_is_judged_when_it_is_whole: STRICT, b"a=b\n\0\0\0" => [], Err(Flaw::UnexpectedEnd);

    // The end of the stream.
    the_end_within_a_line_is_unexpected: STRICT, b"a=b\n\nc=" => [b"a=b\n\n"], Err(Flaw::UnexpectedEnd);
    the_end_before_the_blank_line_is_unexpected: STRICT, b"a=b\n" => [], Err(Flaw::UnexpectedEnd);
    the_end_within_a_blank_line_is_unexpected: STRICT, b"a=b\n\r" => [], Err(Flaw::UnexpectedEnd);

    // Lenient.
    a_lenient_decoder_leaves_bad_lines_out: LENIENT, b"a=1\nbad\nb=2\n=x\nc=\0\nd\r=\ne=5\n\n"
        => [b"a=1\nb=2\ne=5\n\n"], Ok(()), leaving out [b"bad", b"=x", b"c=\0", b"d\r="];
    a_lenient_decoder_leaves_good_requests_as_they_are: LENIENT, b"a=1\nb==\n\n" => [b"a=1\nb==\n\n"], Ok(());
    a_bad_line_may_come_first: LENIENT, b"bad\na=1\n\n" => [b"a=1\n\n"], Ok(()), leaving out [b"bad"];
    a_bad_line_is_reported_without_its_end: LENIENT, b"bad\r\na=1\n\n"
        => [b"a=1\n\n"], Ok(()), leaving out [b"bad"];
    bad_lines_alone_are_no_request: LENIENT, b"bad\nworse\n\na=1\n\n"
        => [b"a=1\n\n"], Ok(()), leaving out [b"bad", b"worse"];
    bad_lines_of_one_request_do_not_touch_the_next: LENIENT, b"a=1\nbad\n\nb=2\n\n"
        => [b"a=1\n\n", b"b=2\n\n"], Ok(()), leaving out [b"bad"];
    a_lenient_decoder_takes_cr_lf_too: LENIENT, b"a=1\r\nbad\r\r\nb=2\n\r\n"
        => [b"a=1\nb=2\n\n"], Ok(()), leaving out [b"bad\r"];
    a_lenient_decoder_knows_the_end_within_a_message: LENIENT, b"bad\n"
        => [], Err(Flaw::UnexpectedEnd), leaving out [b"bad"];

    // Limits.
    a_line_may_be_as_long_as_its_limit: limits(5, 100), b"a=345\n\n" => [b"a=345\n\n"], Ok(());
    a_line_must_not_be_longer: limits(5, 100), b"a=3456\n\n" => [], Err(Flaw::LineTooLong { limit: 5 });
    a_line_without_an_end_is_refused_at_its_limit: limits(5, 100), b"a=3456"
        => [], Err(Flaw::LineTooLong { limit: 5 });
    a_line_at_its_limit_may_still_end: limits(5, 100), b"a=345" => [], Err(Flaw::UnexpectedEnd);
    a_cr_counts_in_the_line: limits(5, 100), b"a=345\r\n\n" => [], Err(Flaw::LineTooLong { limit: 5 });
    a_cr_within_the_limit_is_no_harm: limits(5, 100), b"a=34\r\n\n" => [b"a=34\n\n"], Ok(());
    each_line_has_the_whole_limit: limits(5, 100), b"a=345\nb=345\n\n" => [b"a=345\nb=345\n\n"], Ok(());
    the_limit_of_a_line_holds_in_every_line: limits(5, 100), b"a=1\n\nb=2\nc=3456\n\n"
        => [b"a=1\n\n"], Err(Flaw::LineTooLong { limit: 5 });
    a_message_may_be_as_long_as_its_limit: limits(50, 9), b"a=1\nb=2\n\n" => [b"a=1\nb=2\n\n"], Ok(());
    a_message_must_not_be_longer: limits(50, 8), b"a=1\nb=2\n\n"
        => [], Err(Flaw::MessageTooLong { limit: 8 });
    a_message_at_its_limit_is_not_yet_beyond_it: limits(50, 8), b"a=1\nb=2\n"
        => [], Err(Flaw::UnexpectedEnd);
    a_cr_counts_in_the_message: limits(50, 9), b"a=1\r\nb=2\n\n"
        => [], Err(Flaw::MessageTooLong { limit: 9 });
    each_message_has_the_whole_limit: limits(50, 5), b"a=1\n\nb=2\n\n" => [b"a=1\n\n", b"b=2\n\n"], Ok(());
    blank_lines_between_requests_do_not_count: limits(50, 5), b"\n\n\n\n\n\n\na=1\n\n\n\n\n\n\n\n"
        => [b"a=1\n\n"], Ok(());
    the_line_is_named_where_its_limit_is_crossed_first: limits(5, 10), b"a=3\nb=3456789\n\n"
        => [], Err(Flaw::LineTooLong { limit: 5 });
    the_message_is_named_where_its_limit_is_crossed_first: limits(5, 9), b"a=345\nb=3456\n\n"
        => [], Err(Flaw::MessageTooLong { limit: 9 });
    the_line_is_named_where_both_are_crossed_by_one_byte: limits(5, 5), b"a=3456"
        => [], Err(Flaw::LineTooLong { limit: 5 });
    the_message_is_named_where_its_limit_is_crossed_by_a_line_feed: limits(5, 5), b"a=345\n\n"
        => [], Err(Flaw::MessageTooLong { limit: 5 });
    a_bad_line_within_the_limits_is_named_before_them: limits(50, 8), b"a=1\nbad\nc=3\n\n"
        => [], Err(Flaw::NoEquals { offset: 4 });
    a_long_line_is_too_long_before_it_is_bad: limits(5, 100), b"\0\0\0\0\0\0\n"
        => [], Err(Flaw::LineTooLong { limit: 5 });
    lines_that_are_left_out_count_in_the_message: limits(50, 9).lenient(), b"a=1\nbad\nc=3\n\n"
        => [], Err(Flaw::MessageTooLong { limit: 9 }), leaving out [b"bad"];
    without_room_for_a_message_the_first_byte_is_too_much: limits(50, 0), b"a"
        => [], Err(Flaw::MessageTooLong { limit: 0 });
    without_room_for_a_message_an_empty_stream_is_no_harm: limits(50, 0), b"" => [], Ok(());
    without_room_for_a_line_blank_ones_pass: limits(0, 50), b"\n\na=1\n\n"
        => [], Err(Flaw::LineTooLong { limit: 0 });
    a_limit_may_be_the_greatest_number: limits(usize::MAX, usize::MAX), b"a=1\n\n" => [b"a=1\n\n"], Ok(());
}

#[test]
fn an_error_is_final() {
    let mut decoder = MessageDecoder::new();
    let error = decoder.request(&mut BytesMut::from("bad\n"));
    assert_eq!(
        error.clone().map_err(Flaw::from),
        Err(Flaw::NoEquals { offset: 0 })
    );
    assert_eq!(decoder.request(&mut BytesMut::from("a=1\n\n")), error);
}

#[test]
fn an_error_is_told_at_the_end_of_the_stream_too() {
    let mut decoder = MessageDecoder::new();
    let error = decoder.request(&mut BytesMut::from("bad\n")).unwrap_err();
    assert_eq!(decoder.finish(&BytesMut::new()), Err(error));
}

#[test]
fn an_error_of_a_line_has_its_offset_and_no_other() {
    for (stream, offset) in [
        ("a=1\nbad\n", Some(4)),
        ("a=1\n=x\n", Some(4)),
        ("a=1\n\0=x\n", Some(4)),
        ("a=1\nb\r=x\n", Some(4)),
    ] {
        let error = MessageDecoder::new()
            .request(&mut stream.into())
            .unwrap_err();
        assert_eq!(error.offset(), offset, "{error}");
    }
    for (stream, offset) in [
        ("a=1\n\n", Some(4)),
        ("a=1\naction= \n", Some(4)),
        ("a=1\nb=123456789\n", None),
        ("a=1\nb=1\nc=1\nd=1\n", None),
    ] {
        let limits = Limits::default().with_line(10).with_message(14);
        let mut decoder = MessageDecoder::new().with_limits(limits);
        let error = decoder.response(&mut stream.into()).unwrap_err();
        assert_eq!(error.offset(), offset, "{error}");
    }
    assert_eq!(DecodeError::UnexpectedEnd.offset(), None);
}

#[test]
fn a_request_is_shown_with_its_bytes_escaped() {
    let request = MessageDecoder::new().request(&mut BytesMut::from(&b"a=\"\xe9\n\n"[..]));
    let request = request.unwrap().unwrap();
    assert_eq!(format!("{request:?}"), r#"Request("a=\"\xe9\n\n")"#);
}

#[test]
fn what_follows_a_request_stays_in_the_buffer() {
    let mut buf = BytesMut::from("a=1\n\n\nb=2\n\nc=");
    MessageDecoder::new().request(&mut buf).unwrap();
    assert_eq!(buf, "\nb=2\n\nc=");
}

#[test]
fn lines_that_were_left_out_are_told_once() {
    let mut decoder = MessageDecoder::new().lenient();
    decoder
        .request(&mut BytesMut::from("bad\na=1\n\n"))
        .unwrap();
    decoder.take_skipped();
    assert!(decoder.take_skipped().is_empty());
}

#[test]
fn of_the_lines_that_are_left_out_the_first_eight_of_each_request_are_told_and_the_others_counted()
{
    let requests = [7, 8, 9, 100, 1].map(|lines| {
        let lines = (0..lines).map(|line| format!("line {line}\n"));
        lines.collect::<String>() + "a=1\n\n"
    });
    let stream = requests.concat();
    for pieces in drive::every_cut(stream.as_bytes()) {
        let (told, more) = drive::requests(MessageDecoder::new().lenient(), pieces).ignored;
        let of = |lines: usize| (0..lines).map(|line| format!("line {line}").into_bytes());
        let expected: Vec<_> = [7, 8, 8, 8, 1].into_iter().flat_map(of).collect();
        assert_eq!((told, more), (expected, 1 + 92));
    }
}

#[test]
fn a_long_line_that_is_left_out_is_told_by_its_first_512_bytes() {
    for length in [511, 512, 513, 16 * 1024] {
        let mut decoder = MessageDecoder::new().lenient();
        let line = "x".repeat(length);
        let mut buf = BytesMut::from(&*format!("{line}\na=1\n\n"));
        decoder.request(&mut buf).unwrap().unwrap();
        assert_eq!(decoder.take_skipped().lines, [&line[..length.min(512)]]);
    }
}

#[test]
fn lines_that_nobody_takes_are_no_more_than_eight_in_all() {
    let mut decoder = MessageDecoder::new().lenient();
    let mut buf = BytesMut::from(&*"bad\nworse\na=1\n\n".repeat(100));
    while decoder.request(&mut buf).unwrap().is_some() {}
    let ignored = decoder.take_skipped();
    assert_eq!((ignored.lines.len(), ignored.more), (8, 192));
    assert!(!ignored.is_empty() && decoder.take_skipped().is_empty());
}

#[test]
fn the_default_limits_are_16_kib_a_line_and_128_kib_in_all() {
    let of = |value: usize| [b"a=".to_vec(), vec![b'v'; value - 2], b"\n".to_vec()].concat();
    let full = of(16 * 1024);
    // Seven full lines, one that leaves room for the blank line, and the blank line.
    let rest = of(128 * 1024 - 7 * full.len() - 2);
    let whole = [full.repeat(7), rest, b"\n".to_vec()].concat();
    assert_eq!(whole.len(), 128 * 1024);
    let mut decoder = MessageDecoder::new();
    assert!(
        decoder
            .request(&mut BytesMut::from(&whole[..]))
            .unwrap()
            .is_some()
    );
    let longer = [&whole[..whole.len() - 1], b"b=\n\n"].concat();
    let read = decoder.request(&mut BytesMut::from(&longer[..]));
    assert_eq!(
        read.map_err(Flaw::from),
        Err(Flaw::MessageTooLong { limit: 128 * 1024 })
    );
}

#[test]
fn lines_that_are_left_out_count_until_a_request_ends_whatever_blank_lines_are_between() {
    let limits = Limits::default().with_message(100);
    let mut decoder = MessageDecoder::new().with_limits(limits).lenient();
    let mut buf = BytesMut::new();
    let error = (0..100).find_map(|_| {
        buf.extend_from_slice(b"garbage\n\n");
        decoder.request(&mut buf).err().map(Flaw::from)
    });
    assert_eq!(error, Some(Flaw::MessageTooLong { limit: 100 }));
    assert_eq!(decoder.take_skipped().lines.len(), 8);
}
