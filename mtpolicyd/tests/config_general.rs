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
