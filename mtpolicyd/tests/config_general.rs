//! Config::General's grammar: what the original's parser made of 117 texts is what ours makes of them.

use std::{fs, path::Path};

use mtpolicyd::config_general::read_file;
use serde_json::Value;

#[test]
fn each_text_is_read_as_by_the_original() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config-general");
    let cases: Value =
        serde_json::from_slice(&fs::read(data.join("parses.json")).unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for name in ["inc-a.conf", "inc-b.conf", "inc-open.conf"] {
        fs::copy(data.join(name), directory.path().join(name)).unwrap();
    }
    fs::create_dir(directory.path().join("incdir")).unwrap();
    let mut wrong = Vec::new();
    let cases = cases.as_object().unwrap();
    for (name, case) in cases {
        let path = directory.path().join("main.conf");
        fs::write(&path, case["input"].as_str().unwrap()).unwrap();
        let found = match read_file(&path) {
            Ok(parsed) => serde_json::from_str::<Value>(&parsed.to_json()).unwrap(),
            Err(error) => Value::String(error.message),
        };
        let expected = case.get("ok").or_else(|| case.get("error")).unwrap();
        if *expected != found {
            wrong.push(format!(
                "{name}: {}\n expected {expected}\n found    {found}",
                case["input"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert_eq!(cases.len(), 117);
}

/// Texts of what the grammar is made of, in any order: most of them are what nobody would write.
#[cfg_attr(not(feature = "interop"), ignore = "needs Perl's Config::General")]
#[test]
fn texts_made_at_random_are_read_as_by_perl() {
    const WORDS: [&str; 40] = [
        "a",
        "b",
        "0",
        " ",
        "  ",
        "\t",
        "=",
        " = ",
        "\"",
        "\"x\"",
        "\"x y\"",
        "'",
        "#",
        "\\#",
        "\\",
        "\\\n",
        "\n",
        "\n",
        "\n",
        "\n",
        "<P>",
        "<P x>",
        "<Q \"x y\">",
        "<\"P\" x>",
        "</P>",
        "</P>",
        "</Q>",
        "<P x/>",
        "<<E",
        "=<<E",
        "\nE\n",
        "\n  E\n",
        "/*",
        "*/",
        "/",
        "<",
        ">",
        "$",
        "\\$",
        "k v",
    ];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % bound as u64).unwrap()
    };
    let texts: Vec<String> = (0..3000)
        .map(|_| {
            let count = 1 + next(24);
            (0..count).map(|_| WORDS[next(WORDS.len())]).collect()
        })
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config-general/read.pl");
    let input = directory.path().join("texts.json");
    fs::write(&input, serde_json::to_vec(&texts).unwrap()).unwrap();
    let mut perl = std::process::Command::new("perl");
    let perl = perl
        .arg(script)
        .arg(directory.path())
        .stdin(fs::File::open(input).unwrap());
    let output = perl.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let latin1: String = output.stdout.into_iter().map(char::from).collect();
    let expected: Vec<Value> = serde_json::from_str(&latin1).unwrap();
    assert_eq!(expected.len(), texts.len());
    let mut wrong = Vec::new();
    for (text, expected) in texts.iter().zip(&expected) {
        let path = directory.path().join("main.conf");
        fs::write(&path, text).unwrap();
        let found = match read_file(&path) {
            Ok(parsed) => serde_json::from_str::<Value>(&parsed.to_json()).unwrap(),
            Err(error) => serde_json::json!({ "error": error.message }),
        };
        if found != *expected {
            wrong.push(format!("{text:?}\n expected {expected}\n found    {found}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        texts.len(),
        wrong[..wrong.len().min(12)].join("\n")
    );
}
