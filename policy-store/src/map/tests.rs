//! Tables in text, and files that are none.

use super::*;

fn found(map: &Map, key: &str) -> String {
    let value = map.get(key.as_bytes());
    value.map_or_else(
        || "-".to_owned(),
        |value| String::from_utf8_lossy(&value).into_owned(),
    )
}

fn refused(kind: MapKind, text: &str) -> String {
    Map::parse(kind, text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn texthash_is_read_as_postmap_reads_it() {
    let text = "# comment\n192.0.2.1 OK\nFoo@Bar.example\tREJECT go\n  away\n\n \"a b\" quoted\nx  1 2  \n # c\n y\n";
    let map = Map::parse(MapKind::Texthash, text.as_bytes()).unwrap();
    for (key, value) in [
        ("192.0.2.1", "OK"),
        ("foo@bar.example", "REJECT go  away \"a b\" quoted"),
        ("FOO@bar.example", "REJECT go  away \"a b\" quoted"),
        ("x", "1 2   y"),
        ("y", "-"),
    ] {
        assert_eq!(found(&map, key), value, "{key}");
    }
    let quoted = Map::parse(MapKind::Texthash, b"\"a \\\" b\"@x c d\n").unwrap();
    assert_eq!(found(&quoted, "\"a \\\" b\"@x"), "c d");
    assert_eq!(
        refused(MapKind::Texthash, "\n\na b\nc\n"),
        "line 4: `c` has no value"
    );
}

#[test]
fn the_first_network_that_matches_counts() {
    let text = "192.0.2.1 first\n192.0.2.0/24 second\n!198.51.100.0/24 third\n\
        if 198.51.100.0/25\n198.51.100.1 fourth\nif !198.51.100.2\n198.51.100.3 fifth\nendif\nENDIF\n[198.51.100.130] sixth\n";
    let map = Map::parse(MapKind::Cidr, text.as_bytes()).unwrap();
    for (key, value) in [
        ("192.0.2.1", "first"),
        ("192.0.2.2", "second"),
        ("203.0.113.1", "third"),
        ("198.51.100.1", "fourth"),
        ("198.51.100.2", "-"),
        ("198.51.100.3", "fifth"),
        ("198.51.100.130", "sixth"),
        ("198.51.100.131", "-"),
        ("2001:db8::1", "-"),
        ("name", "-"),
    ] {
        assert_eq!(found(&map, key), value, "{key}");
    }
    assert_eq!(map.len(), 6);
}

#[test]
fn what_is_no_network_is_refused() {
    for (text, error) in [
        ("x OK", "line 1: `x` is no network"),
        ("192.0.2.1/24 OK", "line 1: `192.0.2.1/24` is no network"),
        ("192.0.2.0/33 OK", "line 1: `192.0.2.0/33` is no network"),
        ("192.0.2.0/24", "line 1: a network without a value"),
        ("if 192.0.2.0/24\n192.0.2.1 OK", "line 2: if without endif"),
        ("\nendif", "line 2: endif without if"),
    ] {
        assert_eq!(refused(MapKind::Cidr, text), error);
    }
}

#[cfg(feature = "regexp")]
#[test]
fn the_first_expression_that_matches_counts() {
    let text = "/^(.*)@(spam)\\.example$/ REJECT $2 of ${1}, $(2)x $$1\n!/@/ no address\n\
        if /^list-/\n/-(?=owner)/ owner\nendif\n/Case/i exact\n|a\\|b| bar\n/x/ $9.\n";
    let map = Map::parse(MapKind::Regexp, text.as_bytes()).unwrap();
    for (key, value) in [
        ("Bob@SPAM.example", "REJECT SPAM of Bob, SPAMx $1"),
        ("nobody", "no address"),
        ("list-owner@x", "owner"),
        ("other-owner@", "-"),
        ("Case@", "exact"),
        ("case@", "-"),
        ("a|b@", "bar"),
        ("x@", "."),
        ("\u{e9}@", "-"),
    ] {
        assert_eq!(found(&map, key), value, "{key}");
    }
}

#[cfg(feature = "regexp")]
#[test]
fn a_list_gives_the_line_that_matches() {
    let map = Map::parse(MapKind::RegexpList, b"# dial-up\n^dsl-\\d+\n\n(\\w)\\1$\n").unwrap();
    for (key, value) in [
        ("dsl-12.example", "^dsl-\\d+"),
        ("xx", "(\\w)\\1$"),
        ("DSL-12", "-"),
    ] {
        assert_eq!(found(&map, key), value, "{key}");
    }
}

#[cfg(feature = "regexp")]
#[test]
fn an_expression_that_would_take_for_ever_does_not_match() {
    let map = Map::parse(MapKind::RegexpList, b"^(a+)+$\n").unwrap();
    assert_eq!(found(&map, "aaa"), "^(a+)+$");
    assert_eq!(found(&map, &format!("{}!", "a".repeat(60))), "-");
}

#[cfg(feature = "regexp")]
#[test]
fn many_expressions_that_would_take_for_ever_end_the_look_up() {
    let key = format!("{}!", "a".repeat(60));
    for (count, value) in [(9, "!$"), (10, "-")] {
        let text = "^(a+)+$\n".repeat(count) + "!$\n";
        let map = Map::parse(MapKind::RegexpList, text.as_bytes()).unwrap();
        assert_eq!(found(&map, &key), value, "{count}");
    }
}

#[cfg(feature = "regexp")]
#[test]
fn what_is_no_expression_is_refused() {
    for (text, error) in [
        ("/a", "line 1: no end of the expression"),
        ("aba x", "line 1: `a` does not delimit an expression"),
        ("/a/ ", "line 1: an expression without a value"),
        ("/a/q x", "line 1: flag `q` is not known"),
        (
            "!/(a)/ $1",
            "line 1: `$1` of an expression that does not match",
        ),
        (
            "/(*LIMIT_MATCH=9)a/ x",
            "line 1: an expression that begins with a verb",
        ),
        ("if /a/\n/b/ x", "line 2: if without endif"),
        ("endif", "line 1: endif without if"),
    ] {
        assert_eq!(refused(MapKind::Regexp, text), error);
    }
    assert!(
        refused(MapKind::Regexp, "/(/ x").starts_with("line 1: PCRE2: error compiling pattern")
    );
    assert!(
        refused(MapKind::RegexpList, "ok\n[").starts_with("line 2: PCRE2: error compiling pattern")
    );
}

#[test]
fn files_of_other_formats_are_refused() {
    let mut btree = vec![0; 4096];
    btree[12..16].copy_from_slice(&0x0005_3162_u32.to_le_bytes());
    for (kind, bytes, error) in [
        (
            MapKind::Hash,
            &b""[..],
            "no Berkeley DB hash file: too short",
        ),
        (
            MapKind::Hash,
            &btree,
            "no Berkeley DB hash file: it is a btree",
        ),
        (
            MapKind::Hash,
            &[7; 4096],
            "no Berkeley DB hash file: another magic number",
        ),
        (MapKind::Cdb, b"", "no constant database: too short"),
        (
            MapKind::Cdb,
            &[0; 4096],
            "no constant database: its tables are not in it",
        ),
    ] {
        assert_eq!(Map::parse(kind, bytes).unwrap_err().to_string(), error);
    }
    assert_eq!(
        "btree".parse::<MapKind>().unwrap_err().to_string(),
        "`btree` is no kind of table that is known"
    );
}
