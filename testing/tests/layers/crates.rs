//! The crates stand in ARCHITECTURE.md in the order in which they are built.

use std::fs;

use super::repository;

#[test]
fn each_crate_stands_below_those_that_it_is_built_of() {
    let text = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let list = text.split("```").nth(1).unwrap();
    let names = list
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split([' ', ',']).next());
    let listed: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    let mut found = 0;
    for entry in fs::read_dir(repository()).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else {
            continue;
        };
        let name = folder.file_name().unwrap().to_str().unwrap();
        if name == "benches" || name == "fuzz" {
            continue;
        }
        found += 1;
        let place = |name: &str| listed.iter().position(|listed| *listed == name);
        let own = place(name).unwrap_or_else(|| panic!("{name} is not in the list"));
        let dependencies = manifest
            .split("[dependencies]\n")
            .nth(1)
            .unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        for dependency in dependencies
            .lines()
            .filter_map(|line| line.split([' ', '.']).next())
        {
            let of = match dependency {
                "policy-testing" => "testing",
                "policy-simulation" => "simulation",
                "hapolicy" => "cli",
                name => name,
            };
            if let Some(of) = place(of) {
                assert!(of < own, "{name} is listed above {dependency}");
            }
        }
    }
    assert!(found >= 15, "{found}");
}
