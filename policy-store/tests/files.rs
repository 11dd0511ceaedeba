//! Files of Debian's own programs: what `postmap` writes and finds, files that change, and countries.

mod suite;
mod support;

use std::{fmt::Write as _, fs, net::Ipv4Addr, path::Path, process::Command};

use policy_store::{Countries, MapFile, MapKind};
use tempfile::TempDir;

use crate::support::run;

/// A source for `postmap`, with what is rare in it as well.
fn source(directory: &Path) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = (0..20_000)
        .map(|number| {
            (
                format!("user{number}@host{}.example", number % 97),
                format!("OK {number}"),
            )
        })
        .collect();
    pairs.push(("192.0.2.1".into(), "REJECT".into()));
    pairs.push(("long-value".into(), "v".repeat(9000)));
    pairs.push(("k".repeat(5000), "long key".into()));
    let mut text = String::new();
    for (key, value) in &pairs {
        writeln!(text, "{key} {value}").unwrap();
    }
    fs::write(directory.join("table"), text).unwrap();
    pairs
}

async fn reads_what_postmap_writes(kind: MapKind, name: &str) {
    let directory = tempfile::tempdir().unwrap();
    let pairs = source(directory.path());
    let path = directory.path().join("table");
    run("postmap", &[&format!("{name}:{}", path.display())]);
    let map = MapFile::open(kind, &path).await.unwrap();
    assert_eq!(map.map().len(), pairs.len());
    for (key, value) in &pairs {
        assert_eq!(
            map.get(key.as_bytes()).as_deref(),
            Some(value.as_bytes()),
            "{key}"
        );
    }
    assert_eq!(
        map.get(b"USER7@host7.example").as_deref(),
        Some(&b"OK 7"[..])
    );
    assert_eq!(map.get(b"nobody"), None);
}

#[tokio::test]
async fn every_key_of_a_hash_file_is_found() {
    reads_what_postmap_writes(MapKind::Hash, "hash").await;
}

#[tokio::test]
async fn every_key_of_a_constant_database_is_found() {
    reads_what_postmap_writes(MapKind::Cdb, "cdb").await;
}

/// What `postmap -q` finds.
fn postmap(name: &str, path: &Path, key: &str) -> String {
    let found = said(
        "postmap",
        &["-q", key, &format!("{name}:{}", path.display())],
    );
    found.trim_end_matches('\n').to_owned()
}

/// What a program prints.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn texts_mean_what_they_mean_to_postfix() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table");
    for (kind, name, text, keys) in [
        (
            MapKind::Texthash,
            "texthash",
            "# c\nFoo@bar  one  two \n  three\n\nx\ty\n  # c\n\"a b\" c\n",
            &["foo@bar", "FOO@BAR", "x", "a b", "\"a", "\"a b\"", "y"][..],
        ),
        (
            MapKind::Cidr,
            "cidr",
            "192.0.2.1 a\n!192.0.2.0/24 b\nif 192.0.2.128/25\n192.0.2.200 c\nendif\n192.0.2.0/24 d\n::/0 e\n",
            &[
                "192.0.2.1",
                "192.0.2.2",
                "192.0.2.200",
                "192.0.2.201",
                "198.51.100.1",
                "2001:db8::1",
            ],
        ),
        (
            MapKind::Regexp,
            "regexp",
            "/^(.*)@(spam)\\./ REJECT $2 ${1}x $(1)y $$\n!/@/ none\nif /^list-/\n/owner/ o\nendif\n/Case/i c\n/^[^a]+@/ d\n",
            &[
                "Bob@SPAM.x",
                "bob",
                "list-owner@",
                "owner@",
                "Case@",
                "case@",
            ],
        ),
    ] {
        fs::write(&path, text).unwrap();
        let map = MapFile::open(kind, &path).await.unwrap();
        for key in keys {
            let found = map.get(key.as_bytes()).unwrap_or_default();
            assert_eq!(
                String::from_utf8_lossy(&found),
                postmap(name, &path, key),
                "{name} {key}"
            );
        }
    }
}

async fn changing() -> (TempDir, std::path::PathBuf, MapFile) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table");
    fs::write(&path, "a 1\n").unwrap();
    let map = MapFile::open(MapKind::Texthash, &path).await.unwrap();
    assert_eq!(map.get(b"a").as_deref(), Some(&b"1"[..]));
    (directory, path, map)
}

#[tokio::test]
async fn a_file_that_is_written_is_read_again() {
    let (_directory, path, map) = changing().await;
    fs::write(&path, "a 2\n").unwrap();
    assert!(suite::eventually(async || map.get(b"a").as_deref() == Some(&b"2"[..])).await);
}

#[tokio::test]
async fn a_file_that_is_replaced_is_read_again() {
    let (directory, path, map) = changing().await;
    let other = directory.path().join("other");
    fs::write(&other, "a 3\n").unwrap();
    fs::rename(&other, &path).unwrap();
    assert!(suite::eventually(async || map.get(b"a").as_deref() == Some(&b"3"[..])).await);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_leaves_the_table_before() {
    let (_directory, path, map) = changing().await;
    fs::write(&path, "a\n").unwrap();
    let is_said = async || {
        map.get(b"a");
        map.error()
            .is_some_and(|error| error.to_string() == "line 1: `a` has no value")
    };
    assert!(suite::eventually(is_said).await);
    assert_eq!(map.get(b"a").as_deref(), Some(&b"1"[..]));
    fs::remove_file(&path).unwrap();
    let is_said = async || {
        map.get(b"a");
        map.error().is_some_and(|error| {
            error
                .to_string()
                .starts_with("cannot be read: No such file")
        })
    };
    assert!(suite::eventually(is_said).await);
    assert_eq!(map.get(b"a").as_deref(), Some(&b"1"[..]));
    fs::write(&path, "a 4\n").unwrap();
    assert!(suite::eventually(async || map.get(b"a").as_deref() == Some(&b"4"[..])).await);
    assert!(map.error().is_none());
}

#[test]
fn countries_are_those_of_geoiplookup() {
    let file = Countries::open("/usr/share/GeoIP/GeoIP.dat").unwrap();
    let mut seed = 7_u32;
    let mut known = 0;
    for _ in 0..300 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let address = Ipv4Addr::from(seed);
        let answer = said("geoiplookup", &[&address.to_string()]);
        let answer = answer.split(": ").nth(1).unwrap();
        let expected = if answer.starts_with("IP Address not found") {
            None
        } else {
            answer.split(',').next()
        };
        let found = file
            .country(address.into())
            .map(|country| country.to_string());
        assert_eq!(found.as_deref(), expected, "{address}");
        known += u32::from(expected.is_some());
    }
    assert!(known > 100, "{known}");
    let six = Countries::open("/usr/share/GeoIP/GeoIPv6.dat").unwrap();
    let answer = said("geoiplookup6", &["2001:608::1"]);
    let found = six
        .country("2001:608::1".parse().unwrap())
        .unwrap()
        .to_string();
    assert!(answer.contains(&format!(": {found},")), "{answer}");
}
