//! GeoIPLookup and GeoIPAction.

use std::fs;

use policy_testing::{
    geoip::{CN, DE, US, geoip_dat},
    mmdb::mmdb,
};

use crate::support::{Checker, found};

fn countries(networks: &[(&str, u8, u32)]) -> Vec<u8> {
    let networks = networks.iter();
    let networks =
        networks.map(|(address, length, number)| (address.parse().unwrap(), *length, *number));
    geoip_dat(&networks.collect::<Vec<_>>())
}

fn file() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("geo.dat");
    let networks = [
        ("100.64.2.0", 24, DE),
        ("100.66.100.0", 24, CN),
        ("100.65.113.0", 25, US),
    ];
    fs::write(&path, countries(&networks)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

const END: &str = "<Plugin z>\nmodule=AddScoreHeader\n</Plugin>\n";

#[tokio::test(start_paused = true)]
async fn countries_are_found_and_acted_on() {
    let (_directory, path) = file();
    let blocks = format!(
        r#"
<Plugin geo>
 module = "GeoIPLookup"
 database={path}
</Plugin>
<Plugin good>
 module = "GeoIPAction"
 result_from=geo
 country_codes="DE, AT,CH"
 mode=passive
 score=-1
</Plugin>
<Plugin bad>
 module = "GeoIPAction"
 result_from=geo
 country_codes=CN,RU
 reject_message="no mail from %CC% (%IP%)"
</Plugin>
<Plugin acc>
 module = "GeoIPAction"
 result_from=geo
 country_codes=US
 mode=accept
</Plugin>
<Plugin no>
 module = "GeoIPAction"
 result_from=nosuch
 country_codes=DE
</Plugin>
{END}"#
    );
    for compat in [false, true] {
        Checker::with(&blocks, "", compat)
            .expect(&[
                ("", "PREPEND X-MtScore: NO score=-1 [good=-1]"),
                (
                    "client_address=100.66.100.1",
                    "reject no mail from CN (100.66.100.1)",
                ),
                ("client_address=100.65.113.1", "dunno"),
                (
                    "client_address=100.65.113.200",
                    "PREPEND X-MtScore: NO score=0",
                ),
                (
                    "client_address=2001:db8::1",
                    "PREPEND X-MtScore: NO score=0",
                ),
                ("client_address=unknown", "PREPEND X-MtScore: NO score=0"),
                ("client_address=(absent)", "PREPEND X-MtScore: NO score=0"),
            ])
            .await;
    }
}

fn action(path: &str, parameters: &str) -> String {
    format!(
        "<Plugin geo>\nmodule=GeoIPLookup\ndatabase={path}\n</Plugin>\n\
         <Plugin a>\nmodule=GeoIPAction\nresult_from=geo\n{parameters}\n</Plugin>\n{END}"
    )
}

#[tokio::test(start_paused = true)]
async fn each_parameter_does_what_it_says() {
    let (_directory, path) = file();
    let none = "PREPEND X-MtScore: NO score=0";
    let rejected = "reject delivery from DE (100.64.2.10) rejected";
    for (parameters, answer) in [
        ("country_codes=DE", rejected),
        ("country_codes=FR", none),
        ("country_codes=de", none),
        ("country_codes=DE\nenabled=off", none),
        ("country_codes=DE\nmode=passive", none),
        ("country_codes=DE\nmode=accept", "dunno"),
        ("country_codes=DE\nmode=dunno", "dunno"),
        ("country_codes=DE\nmode=other", none),
        ("country_codes=DE\nreject_message=%CC%%CC%", "reject DE%CC%"),
        (
            "country_codes=DE\nmode=passive\nscore=2",
            "PREPEND X-MtScore: NO score=2 [a=2]",
        ),
        (
            "country_codes=DE\nmode=passive\nscore=2\nscore_field=x",
            none,
        ),
    ] {
        let mut checker = Checker::new(&action(&path, parameters), "");
        assert_eq!(checker.ask("").await, answer, "{parameters}");
    }
    for (field, value, answer) in [("m", "reject", rejected), ("e", "off", none)] {
        let set = format!("<Plugin s>\nmodule=SetField\nkey={field}\nvalue={value}\n</Plugin>\n");
        let own = action(
            &path,
            "country_codes=DE\nmode=passive\nuc_mode=m\nuc_enabled=e",
        );
        assert_eq!(
            Checker::new(&(set + &own), "").ask("").await,
            answer,
            "{field}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_of_today_s_format_is_read_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("GeoLite2-Country.mmdb");
    fs::write(&path, mmdb("DE", "US")).unwrap();
    let blocks = action(path.to_str().unwrap(), "country_codes=US");
    Checker::new(&blocks, "")
        .expect(&[
            (
                "client_address=203.0.113.1",
                "reject delivery from US (203.0.113.1) rejected",
            ),
            ("", "PREPEND X-MtScore: NO score=0"),
        ])
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_words_of_the_original() {
    let (_directory, path) = file();
    let mut checker = Checker::new(&action(&path, "country_codes=US"), "");
    checker.ask("client_address=100.65.113.200").await;
    assert_eq!(checker.notes, ["no GeoIP record for 100.65.113.200 found"]);
    checker.ask("").await;
    assert_eq!(
        checker.notes[1],
        "country_code DE of IP not in country_code lista"
    );
    checker.ask("client_address=100.65.113.1").await;
    assert_eq!(checker.notes[1], "country code US on lista");
}

#[tokio::test(start_paused = true)]
async fn a_new_file_takes_the_place_of_the_old() {
    let (_directory, path) = file();
    let mut checker = Checker::new(&action(&path, "country_codes=US"), "");
    assert!(checker.ask("").await.starts_with("PREPEND"));
    let new = format!("{path}.new");
    fs::write(&new, countries(&[("100.64.2.0", 24, US)])).unwrap();
    fs::rename(&new, &path).unwrap();
    for _ in 0..1000 {
        checker.advance(1).await;
        if checker.ask("").await.starts_with("reject") {
            return;
        }
        tokio::task::spawn_blocking(|| {}).await.unwrap();
    }
    panic!("the new file is not read");
}

#[test]
fn mistakes_are_found_at_the_start() {
    let (directory, path) = file();
    let other = directory.path().join("other.dat");
    fs::write(&other, "This is a text of some length.").unwrap();
    for (blocks, finding) in [
        (
            action("/nonexistent/GeoIP.dat", "country_codes=DE"),
            "error: `database`: /nonexistent/GeoIP.dat: ",
        ),
        (
            action(other.to_str().unwrap(), "country_codes=DE"),
            "error: `database`: ",
        ),
        (
            action(&path, ""),
            "error: `country_codes` is missing in `a`",
        ),
        (
            action(&path, "country_codes=DE,germany"),
            "warning: `country_codes`: `germany` is no country",
        ),
    ] {
        let found = found(&blocks);
        assert!(
            found.iter().any(|text| text.starts_with(finding)),
            "{finding}: {found:?}"
        );
    }
}
