//! Configuration files have the values that Perl gives them, or are refused where Perl refuses them.

mod beside_perl;
mod programs;

use std::{collections::BTreeMap, fs, path::Path};

use policyd_weight::{config::DefaultSet, perl::evaluate};
use serde_json::{Map, Value};

/// Texts of which more than assignments is asked: they are refused, though Perl runs them.
const PROGRAMS: [&str; 9] = [
    "arr-splice.conf",
    "backtick.conf",
    "do-file.conf",
    "do-missing.conf",
    "env.conf",
    "hostname.conf",
    "sprintf.conf",
    "unless-post.conf",
    "use.conf",
];

fn bytes(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).expect("a byte"))
        .collect()
}

/// What a text changes, or that it is refused.
fn outcome(text: &[u8]) -> Result<BTreeMap<String, Vec<String>>, String> {
    let defaults = DefaultSet::Debian.options(true).unwrap();
    let evaluated = evaluate(text, &defaults).map_err(|problem| problem.to_string())?;
    Ok(evaluated.options.changed_from(&defaults))
}

fn expected(case: &Value) -> Result<BTreeMap<String, Vec<String>>, String> {
    if let Some(error) = case.get("error") {
        return Err(error.to_string());
    }
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let changed = case["changed"].as_object().expect("an object");
    let values = changed.iter().map(|(name, value)| {
        let texts = match value {
            Value::Array(items) => items.iter().map(text).collect(),
            one => vec![text(one)],
        };
        (name.clone(), texts)
    });
    Ok(values.collect())
}

fn cases(path: impl AsRef<Path>) -> Map<String, Value> {
    let text = fs::read_to_string(path).expect("the file");
    serde_json::from_str(&text).expect("JSON")
}

/// The cases that are not as expected.
fn differences(cases: impl Iterator<Item = (String, Vec<u8>, Value)>) -> Vec<String> {
    let mut differences = vec![];
    for (name, text, case) in cases {
        let got = outcome(&text);
        let expected = expected(&case);
        let agrees = match (&got, &expected) {
            (Err(_), Ok(_)) => PROGRAMS.contains(&name.as_str()),
            (Err(_), Err(_)) => true,
            (got, expected) => got == expected,
        };
        if !agrees {
            differences.push(format!("{name}: {got:?} is not {expected:?}"));
        }
    }
    differences
}

#[test]
fn texts_have_the_values_that_perl_gives_them() {
    let cases = cases("tests/data/evaluated.json");
    assert_eq!(cases.len(), 81);
    let cases = cases
        .into_iter()
        .map(|(name, case)| (name, bytes(case["input"].as_str().unwrap()), case));
    assert_eq!(differences(cases), Vec::<String>::new());
}

/// What 17 files in use have beside the defaults, without comments. Statements that set defaults are left out, unless a
/// variable is in them.
#[test]
fn statements_of_files_in_use_have_the_values_that_perl_gives_them() {
    let cases = cases("tests/data/in_use.json");
    assert_eq!(cases.len(), 17);
    let refused = cases.values().filter(|case| case.get("error").is_some());
    assert_eq!(refused.count(), 4);
    let cases = cases
        .into_iter()
        .map(|(name, case)| (name, bytes(case["input"].as_str().unwrap()), case));
    assert_eq!(differences(cases), Vec::<String>::new());
}

/// Files that others have written are not part of the repository: `POLICYD_WEIGHT_FILES` is a directory with
/// `wild.json` and `wild/`.
#[test]
#[ignore = "POLICYD_WEIGHT_FILES has to name the files"]
fn files_in_use_have_the_values_that_perl_gives_them() {
    let directory = std::env::var_os("POLICYD_WEIGHT_FILES").expect("the files' directory");
    let directory = Path::new(&directory);
    let cases = cases(directory.join("wild.json"));
    assert_eq!(cases.len(), 17);
    let cases = cases.into_iter().map(|(name, case)| {
        let text = fs::read(directory.join("wild").join(&name)).expect("the file");
        (name, text, case)
    });
    assert_eq!(differences(cases), Vec::<String>::new());
}

/// What Perl refuses is refused with its place and with what to write, which names what stands there.
#[test]
fn each_refusal_says_where_and_what() {
    let mut count = 0;
    for file in ["tests/data/evaluated.json", "tests/data/in_use.json"] {
        for (name, case) in cases(file) {
            let text = bytes(case["input"].as_str().unwrap());
            let Err(problem) = evaluate(&text, &DefaultSet::Debian.options(true).unwrap()) else {
                continue;
            };
            let lines: Vec<_> = text.split(|&byte| byte == b'\n').collect();
            let line = lines.get(problem.line - 1).expect("a line of the file");
            assert!(
                (1..=line.len() + 1).contains(&problem.column),
                "{name}: {problem}"
            );
            let says = ["write", "missing", "`", "save"].map(|word| problem.message.contains(word));
            assert!(says.contains(&true), "{name}: {problem}");
            count += 1;
        }
    }
    assert!(count > 25, "{count}");
}

#[test]
fn faults_are_shown_with_their_place_and_what_to_write() {
    let mut others = vec![];
    for (text, message) in [
        (
            "$REJECTLEVEL = 6h;",
            "line 1, column 16: `h` cannot follow a number",
        ),
        (
            "\u{ef}\u{bb}\u{bf}$REJECTLEVEL = 5;",
            "line 1, column 1: the file begins with a byte order mark",
        ),
        (
            "$REJECTLVEL = 5;",
            "line 1, column 1: there is no option `$REJECTLVEL`; did you mean `$REJECTLEVEL`?",
        ),
        (
            "@REJECTLEVEL = (5);",
            "line 1, column 1: there is no option `@REJECTLEVEL`; did you mean `$REJECTLEVEL`?",
        ),
        (
            "$ADD_X_HEADER = on;",
            "line 1, column 17: `on` is no value: write 1",
        ),
        (
            "$REJECTMSG = \"550 x@acme.test\";",
            "line 1, column 20: in double quotes `@acme` is an array",
        ),
        (
            "$REJECTLEVEL = 5\n$DEFER_LEVEL = 6;",
            "line 2, column 1: `$` cannot follow: is a `;` or a `,` missing",
        ),
        (
            "@dnsbl_score = (\n 'a', 1\n 'b');",
            "line 3, column 2: a `,` is missing before this item",
        ),
        (
            "@dnsbl_score = ('a', 1;",
            "line 1, column 23: `)` is missing",
        ),
        (
            "$NS = `hostname`;",
            "line 1, column 7: commands are not run",
        ),
        (
            "if ($DEBUG) { $NS = ''; }",
            "line 1, column 1: control structures (`if`)",
        ),
        (
            "$NS = '1.2.3.4",
            "line 1, column 7: the text that begins here has no end",
        ),
        (
            "REJECTLEVEL = 5;",
            "line 1, column 1: `REJECTLEVEL` is no value: an option begins with `$`",
        ),
        (
            "$NS = join(' ', 'a');",
            "line 1, column 7: functions (`join(..)`) are not called",
        ),
        (
            "$NS = \"${\\ 'x'}\";",
            "line 1, column 8: nothing is computed within quotes",
        ),
        (
            "@dnsbl_checks_only_regexps = (qr/(/);",
            "line 1, column 33: the regular expression cannot be read",
        ),
        ("$PTTL = 1/0;", "line 1, column 10: a division by zero"),
        ("%x = ();", "line 1, column 1: hashes are not read here"),
        (
            "$PTTL = undef - 1;",
            "line 1, column 15: after `undef` a `,`, a `;` or a `)` has to stand",
        ),
        (
            "$PTTL = 1 ++ 2;",
            "line 1, column 11: `++` and `--` are not read here",
        ),
        (
            "$PTTL = 1 == 1 == 1;",
            "line 1, column 16: `==` cannot follow another one",
        ),
        (
            "@rhsbl_score = ((1, 2) x 2);",
            "line 1, column 24: a list in parentheses is not repeated here",
        ),
        (
            "@rhsbl_score = (, 1);",
            "line 1, column 17: a list does not begin with a `,`",
        ),
        (
            "$NS = \"\\x{42 \";",
            "line 1, column 8: `\\x{` is not ended by digits",
        ),
        (
            "$PTTL = 7 % 1e100;",
            "line 1, column 11: a remainder of numbers above 18446744073709551615",
        ),
        (
            "$PTTL = qr/x/ + 1;",
            "line 1, column 15: a regular expression is no number",
        ),
        (
            "$PTTL = 9223372036854775807 + 1;",
            "line 1, column 29: the number grows beyond 9223372036854775807",
        ),
    ] {
        let found = outcome(&bytes(text)).expect_err(text);
        if !found.starts_with(message) {
            others.push(format!("{text}: {found}"));
        }
    }
    assert_eq!(others, Vec::<String>::new());
}

#[test]
fn what_does_nothing_is_a_warning() {
    let defaults = DefaultSet::Debian.options(true).unwrap();
    for (text, message) in [
        (
            "my $REJECTLEVEL = 3;",
            "this `$REJECTLEVEL` is a variable of the file's own",
        ),
        ("$REJECTLEVEL == 3;", "`==` compares, and sets nothing"),
        ("'x';", "this does nothing"),
        (
            "return;\n$NS = 'x';",
            "what comes after `return` is ignored",
        ),
        (
            "@dnsbl_checks_only_regexps = (/x/);",
            "a regular expression without `qr`",
        ),
        ("$NS = \"$1\";", "`$1` is a variable without a value"),
    ] {
        let warnings = evaluate(text.as_bytes(), &defaults).expect(text).warnings;
        let all: Vec<_> = warnings
            .iter()
            .map(|warning| warning.message.as_str())
            .collect();
        assert!(
            all.len() == 1 && all[0].starts_with(message),
            "{text}: {all:?}"
        );
    }
    assert_eq!(
        evaluate(b"$NS = '';\n1;\n", &defaults).unwrap().warnings,
        []
    );
}

#[test]
fn more_of_the_language_has_perls_values() {
    for (text, name, values) in [
        (
            "my $KEY = 'k'; @rhsbl_score = ($KEY.'.zen.dq.spamhaus.net', 1, 0, 'A');",
            "@rhsbl_score",
            &["k.zen.dq.spamhaus.net", "1", "0", "A"][..],
        ),
        (
            "@rhsbl_score = (@rhsbl_score, 'x', 1, 0, 'X');",
            "@rhsbl_score",
            &["multi.surbl.org", "4", "0", "SURBL", "x", "1", "0", "X"],
        ),
        (
            "$REJECTMSG .= '!'; $REJECTMSG = 'x' . $MAXDNSBLHITS . 'y';",
            "$REJECTMSG",
            &["x2y"],
        ),
        ("$PTTL = 60*4;", "$PTTL", &["240"]),
        ("$PTTL = 10/4;", "$PTTL", &["2.5"]),
        ("$PTTL = $POSCACHESIZE * 4 - -1;", "$PTTL", &["4001"]),
        ("$PTTL = 2 + 3 * 4 ** 2 % 7;", "$PTTL", &["8"]),
        ("$PTTL = -2 ** 2;", "$PTTL", &["-4"]),
        ("$PTTL = 2 ** 3 ** 2;", "$PTTL", &["512"]),
        ("$PTTL = 2 ** -3 ** 2 * 512;", "$PTTL", &["1"]),
        ("$PTTL = '3' + '4x';", "$PTTL", &["7"]),
        (
            "$PTTL = 0x1f + 0b11 + 1e3 + .5 + 1_000;",
            "$PTTL",
            &["2034.5"],
        ),
        ("$PTTL = @helo_score;", "$PTTL", &["2"]),
        ("$PTTL = 'a' x 2.9;", "$PTTL", &["aa"]),
        // Whole numbers beyond those that doubles print without an exponent.
        (
            "$PTTL = 999999999999999 + 1;",
            "$PTTL",
            &["1000000000000000"],
        ),
        (
            "$PTTL = 9007199254740993 * 3;",
            "$PTTL",
            &["27021597764222979"],
        ),
        (
            "$PTTL = 123456789012345678 / 2;",
            "$PTTL",
            &["61728394506172839"],
        ),
        ("$PTTL = -123456789012345678 % 1000;", "$PTTL", &["322"]),
        ("$PTTL = 10 ** 15;", "$PTTL", &["1000000000000000"]),
        ("$PTTL = 10 ** 17;", "$PTTL", &["1e+17"]),
        ("$PTTL = 2 ** 60;", "$PTTL", &["1.15292150460685e+18"]),
        ("$PTTL = 7 ** 20;", "$PTTL", &["79792266297612001"]),
        // Texts keep their letters where the sign changes.
        ("$PTTL = -'abc';", "$PTTL", &["-abc"]),
        ("$PTTL = -'-abc';", "$PTTL", &["+abc"]),
        ("$PTTL = -'+3';", "$PTTL", &["-3"]),
        ("$PTTL = -'3x';", "$PTTL", &["-3"]),
        // The last of a list, of which an array is its length.
        ("$PTTL = (5, @rhsbl_score);", "$PTTL", &["4"]),
        (
            "@rhsbl_score = (); $PTTL = $rhsbl_score[-1];",
            "$PTTL",
            &[""],
        ),
        ("$PTTL = 1 . 2 + 3;", "$PTTL", &["15"]),
        ("$NS = q(a (b) c);", "$NS", &["a (b) c"]),
        ("$NS = \"\\x41\\x{42}\\103\\e\";", "$NS", &["ABC\u{1b}"]),
        ("$NS = 'a\\\\b\\c';", "$NS", &["a\\b\\c"]),
        (
            "$NS = \"user\\@acme.test costs \\$5\";",
            "$NS",
            &["user@acme.test costs $5"],
        ),
        ("$helo_score[1] = -3;", "@helo_score", &["1.5", "-3"]),
        (
            "@dnsbl_checks_only_regexps = (qr/A\\Q.b\\E$/xi, qr'c$NS');",
            "@dnsbl_checks_only_regexps",
            &["qr:(?^ix:A\\.b$)", "qr:(?^:c$NS)"],
        ),
        (
            "push(@rhsbl_score, qw(a 1 0 A));",
            "@rhsbl_score",
            &["multi.surbl.org", "4", "0", "SURBL", "a", "1", "0", "A"],
        ),
        ("$NS = 'x' # comment\n;\n__END__\nanything (", "$NS", &["x"]),
    ] {
        let changed = outcome(&bytes(text)).expect(text);
        assert_eq!(
            changed.get(name).map(Vec::as_slice),
            Some(
                values
                    .iter()
                    .map(|&v| v.to_owned())
                    .collect::<Vec<_>>()
                    .as_slice()
            ),
            "{text}"
        );
    }
}
