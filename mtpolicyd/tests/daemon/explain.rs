//! `--explain`: what each plugin does with one request.

use super::world::{World, host};

pub(super) const PLUGINS: &str = "\
<Plugin person>
  module = Condition
  key = sender
  match = a@x
  score = 3
  <Plugin mark>
    module = SetField
    key = mark
    value = yes
  </Plugin>
</Plugin>
<Plugin list>
  module = RegexList
  key = sender
  regex = ^a@
  score = -1.5
</Plugin>
<Plugin broken>
  module = Condition
  key = q:x
  on_error = continue
</Plugin>
<Plugin head>
  module = AddScoreHeader
</Plugin>
";

/// The text with `T` in the place of each time.
pub(super) fn without_times(text: &str) -> String {
    let cut = |part: &str| match part.rsplit_once('[') {
        Some((before, _)) => format!("{before}[T"),
        None => part.to_owned(),
    };
    let mut parts: Vec<_> = text.split(" ms").collect();
    let last = parts.pop().unwrap_or_default();
    let parts: Vec<_> = parts
        .into_iter()
        .map(cut)
        .chain([last.to_owned()])
        .collect();
    parts.join(" ms")
}

#[test]
fn each_plugin_is_shown_in_its_order_with_what_it_found_and_what_it_did() {
    let world = World::new(&host(PLUGINS));
    let ended = world.run_with(&["--explain"], "sender=a@x\ninstance=1\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let expected = format!(
        "virtual host test ({})
  person (Condition): no result [T ms, score +3]
    mark (SetField): no result [T ms]
  list (RegexList): no result [T ms, score -1.5]
      sender=a@x matched list
  broken (Condition): error: unknown scope q while retrieving variable for q:x [T ms]
  head (AddScoreHeader): PREPEND X-MtScore: NO score=1.5 [person=3, list=-1.5] [T ms]
action=PREPEND X-MtScore: NO score=1.5 [person=3, list=-1.5]
",
        world.port.number()
    );
    assert_eq!(without_times(&ended.out), expected);
}

#[test]
fn with_json_programs_can_read_it() {
    let world = World::new(&host(PLUGINS));
    let ended = world.run_with(&["--explain", "--json"], "sender=a@x\ninstance=1\n\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let found: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let steps = found["steps"].as_array().unwrap();
    let steps: Vec<_> = steps
        .iter()
        .map(|step| {
            assert!(step["elapsed_ms"].as_f64().is_some(), "{step}");
            let text = |name: &str| step[name].as_str().unwrap().to_owned();
            (
                text("name"),
                step["depth"].as_u64().unwrap(),
                step["points"].as_f64().unwrap(),
                step["looked_up"].as_array().unwrap().len(),
            )
        })
        .collect();
    let step = |name: &str, depth, points, notes| (name.to_owned(), depth, points, notes);
    let expected = [
        step("person", 0, 3.0, 0),
        step("mark", 1, 0.0, 0),
        step("list", 0, -1.5, 1),
        step("broken", 0, 0.0, 0),
        step("head", 0, 0.0, 0),
    ];
    assert_eq!(steps, expected);
    assert_eq!(
        found["action"],
        "PREPEND X-MtScore: NO score=1.5 [person=3, list=-1.5]"
    );
}

#[test]
fn a_failure_is_shown_as_what_closes_the_connection() {
    let broken = "<Plugin broken>\nmodule=Condition\nkey=q:x\n</Plugin>\n";
    let ended = World::new(&host(broken)).run_with(&["--explain"], "sender=a@x\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let closed =
        "action=(connection closed without an answer: plugin broken failed: unknown scope q";
    assert!(ended.out.contains(closed), "{}", ended.out);
}

#[test]
fn what_is_no_request_is_an_error() {
    let world = World::new(&host("<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n"));
    for input in ["", "no attribute\n"] {
        let ended = world.run_with(&["--explain"], input);
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{input}");
        assert!(ended.err.starts_with("mtpolicyd: "), "{}", ended.err);
    }
}
