//! Programs within the part of Perl that is read, made from seeds: ours and perl have the same values, or both refuse.
//!
//! One perl runs them all. A program that was spoilt may be refused by ours alone; what ours reads has perl's values.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use policyd_weight::perl::{Value, define, evaluate};

use super::programs::{Seed, program, spoilt};

/// The options that the programs set.
const OPTIONS: &str = "$REJECTLEVEL = 1; $NS = ''; $REJECTMSG = '550 no'; $PTTL = 60; $NTIME = '30'; \
    @helo_score = (1.5, -2); @dnsbl_score = ('bl.test', 3.75, -1.5, 'BL'); @dnsbl_checks_only_regexps = ();";

/// Evaluates each program as the original does its file, between lexical variables, and prints the values in hexadecimal.
const SCRIPT: &str = r#"
use strict; no warnings;
my ($REJECTLEVEL, $NS, $REJECTMSG, $PTTL, $NTIME, @helo_score, @dnsbl_score, @dnsbl_checks_only_regexps);
sub run { eval $_[0]; return $@ ? 1 : 0 }
sub shown { my $v = shift; unpack 'H*', ref $v eq 'Regexp' ? "qr:$v" : defined $v ? "$v" : '' }
binmode STDIN; binmode STDOUT; $| = 1;
my ($options, $length, $text) = ($ARGV[0]);
while (defined($length = <STDIN>)) {
    read STDIN, $text, $length;
    eval $options; die $@ if $@;
    if (run($text)) { print "refused\n"; next }
    print join(' ', (map { shown($_) } $REJECTLEVEL, $NS, $REJECTMSG, $PTTL, $NTIME),
        map { '(' . join(',', map { shown($_) } @$_) . ')' } \(@helo_score, @dnsbl_score, @dnsbl_checks_only_regexps)), "\n";
}
"#;

/// What is refused of programs that Perl runs.
const BEYOND: [&str; 3] = [
    "grows beyond",
    "a remainder of numbers above",
    "a regular expression is no number",
];

fn hex(value: &Value) -> String {
    let text = value.shown();
    let bytes = text.chars().map(u32::from);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// What ours makes of a program, as the script prints it.
fn ours(text: &[u8]) -> String {
    let evaluated = match evaluate(text, &define(OPTIONS).unwrap()) {
        Ok(evaluated) => evaluated,
        // Perl has unsigned numbers, doubles and addresses there, which no file is meant to hold.
        Err(problem) if BEYOND.iter().any(|text| problem.message.contains(text)) => {
            return "beyond".to_owned();
        }
        Err(_) => return "refused".to_owned(),
    };
    let options = &evaluated.options;
    let scalars = ["REJECTLEVEL", "NS", "REJECTMSG", "PTTL", "NTIME"];
    let arrays = ["helo_score", "dnsbl_score", "dnsbl_checks_only_regexps"];
    let scalars = scalars.iter().map(|name| hex(options.scalar(name)));
    let arrays = arrays.iter().map(|name| {
        let items: Vec<_> = options.array(name).iter().map(hex).collect();
        format!("({})", items.join(","))
    });
    scalars.chain(arrays).collect::<Vec<_>>().join(" ")
}

/// What perl makes of programs.
fn perls(programs: &[Vec<u8>]) -> Vec<String> {
    let mut child = Command::new("perl")
        .args(["-e", SCRIPT, OPTIONS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("perl");
    let mut input = child.stdin.take().unwrap();
    let all: Vec<u8> = programs
        .iter()
        .flat_map(|text| [format!("{}\n", text.len()).as_bytes(), text].concat())
        .collect();
    let writer = std::thread::spawn(move || input.write_all(&all).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The programs of which ours makes something else.
fn differences(programs: &[Vec<u8>], may_refuse: bool) -> (Vec<String>, usize) {
    let perls = perls(programs);
    assert_eq!(perls.len(), programs.len());
    let mut read = 0;
    let mut differences = vec![];
    for (text, perl) in programs.iter().zip(perls) {
        let ours = ours(text);
        read += usize::from(!["refused", "beyond"].contains(&&*ours));
        let refuses_alone = ours == "beyond" || (may_refuse && ours == "refused");
        if ours != perl && !refuses_alone {
            let text = String::from_utf8_lossy(text);
            differences.push(format!("{text}\n ours: {ours}\n perl: {perl}\n"));
        }
    }
    (differences, read)
}

#[test]
fn programs_have_perls_values() {
    let programs: Vec<_> = (0..count())
        .map(|seed| program(&mut Seed::new(seed)).into_bytes())
        .collect();
    let (differences, read) = differences(&programs, false);
    let shown = differences.iter().take(10).cloned().collect::<String>();
    assert!(differences.is_empty(), "{}:\n{shown}", differences.len());
    assert!(read > programs.len() / 2, "{read}");
}

#[test]
fn a_program_that_is_spoilt_has_perls_values_or_is_refused() {
    let programs: Vec<_> = (0..count())
        .map(|seed| {
            let mut seed = Seed::new(seed);
            let text = program(&mut seed);
            spoilt(&mut seed, &text).into_bytes()
        })
        .collect();
    let (differences, read) = differences(&programs, true);
    let shown = differences.iter().take(10).cloned().collect::<String>();
    assert!(differences.is_empty(), "{}:\n{shown}", differences.len());
    assert!(read > programs.len() / 10, "{read}");
}

/// How many programs there are; `PERL_PROGRAMS=100000` for more.
fn count() -> u64 {
    let count = std::env::var("PERL_PROGRAMS").ok();
    count.map_or(600, |count| count.parse().expect("a number"))
}
