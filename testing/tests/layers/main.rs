//! The repository shows how it is built: what a crate, a folder or a file imports stands below it.

mod crates;
mod imports;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use imports::{Sources, paths};

/// What imports, with what it imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_folder_imports_one_that_imports_it() {
    for source in sources() {
        let mut folders = Imports::new();
        for (file, imported) in Sources::read(&source).imports() {
            let top = top(&file);
            let others = imported
                .iter()
                .map(|name| self::top(name))
                .filter(|name| *name != top);
            folders.entry(top.clone()).or_default().extend(others);
        }
        let circle = circle(folders);
        assert!(circle.is_empty(), "{}: {circle:?}", source.display());
    }
}

#[test]
fn no_file_imports_one_that_imports_it() {
    for source in sources().into_iter().chain(programs_of_benches()) {
        let circle = circle(Sources::read(&source).imports());
        assert!(circle.is_empty(), "{}: {circle:?}", source.display());
    }
}

/// A file that calls such a method shows by no import on what it depends.
#[test]
fn no_folder_gives_methods_to_the_type_of_another() {
    for source in sources() {
        let sources = Sources::read(&source);
        let types = sources.types();
        for (name, at) in sources.methods() {
            let is_elsewhere = types
                .get(&name)
                .is_some_and(|defining| !defining.contains(&at));
            assert!(!is_elsewhere, "{}: {name} in {at}", source.display());
        }
    }
}

#[test]
fn a_reader_sees_all_of_a_crate_at_once() {
    for source in sources() {
        let entries = fs::read_dir(&source).unwrap();
        let files = entries.filter(|entry| entry.as_ref().unwrap().path().is_file());
        let count = files.count();
        assert!(count <= 16, "{}: {count}", source.display());
    }
}

#[test]
fn each_path_of_a_use_is_found() {
    let found = paths("crate::{a::{B, C as D}, e,\n    super::f::*}");
    let found: Vec<String> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(
        found,
        [
            "crate::a::B",
            "crate::a::C",
            "crate::e",
            "crate::super::f::*"
        ]
    );
}

/// The sources of all crates.
fn sources() -> Vec<PathBuf> {
    let crates = fs::read_dir(repository()).unwrap();
    let sources = crates.map(|entry| entry.unwrap().path().join("src"));
    let sources: Vec<_> = sources.filter(|source| source.is_dir()).collect();
    assert!(sources.len() >= 16, "{sources:?}");
    sources
}

/// The programs that have folders of their own.
fn programs_of_benches() -> Vec<PathBuf> {
    let programs = fs::read_dir(repository().join("benches/src/bin")).unwrap();
    let programs = programs.map(|entry| entry.unwrap().path());
    programs.filter(|program| program.is_dir()).collect()
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn top(file: &str) -> String {
    file.split('/').next().unwrap_or_default().to_owned()
}

/// What imports each other in a circle, and what stands on that.
fn circle(mut imports: Imports) -> Imports {
    // What imports none of those that are left can be taken off the bottom.
    while let Some(lowest) = lowest(&imports) {
        imports.remove(&lowest);
    }
    // What none of them imports stands on the circle only.
    while let Some(highest) = highest(&imports) {
        imports.remove(&highest);
    }
    let left: BTreeSet<String> = imports.keys().cloned().collect();
    imports
        .values_mut()
        .for_each(|imported| imported.retain(|name| left.contains(name)));
    imports
}

fn lowest(imports: &Imports) -> Option<String> {
    let mut all = imports.iter();
    let lowest = all.find(|(_, imported)| !imported.iter().any(|name| imports.contains_key(name)));
    lowest.map(|(name, _)| name.clone())
}

fn highest(imports: &Imports) -> Option<String> {
    let mut all = imports.keys();
    all.find(|name| !imports.values().any(|imported| imported.contains(*name)))
        .cloned()
}
