//! The size of the programs: the smaller one is, the sooner it starts.

use std::fs;

use policy_testing::process::{hapolicy, policy_client};

#[test]
fn hapolicy_holds_no_tokio_and_policy_client_does() {
    let ours = symbols(hapolicy());
    let client = symbols(policy_client());
    // Each name in a symbol has its length before it.
    for name in ["5tokio", "10policy_net"] {
        assert!(!holds(&ours, name), "{name}");
        assert!(holds(&client, name), "it would be seen: {name}");
    }
    assert!(holds(&ours, "11policy_flow"));
}

fn holds(symbols: &[u8], name: &str) -> bool {
    let mut all = symbols.windows(name.len());
    all.any(|window| window == name.as_bytes())
}

/// The names in the symbol table of a program: elf(5). Its debug information names more than it holds.
fn symbols(program: &str) -> Vec<u8> {
    let file = fs::read(program).unwrap();
    let number = |at: usize, bytes: usize| {
        let mut number = [0; 8];
        number[..bytes].copy_from_slice(&file[at..at + bytes]);
        usize::try_from(u64::from_le_bytes(number)).unwrap()
    };
    let (headers, size, count) = (number(0x28, 8), number(0x3a, 2), number(0x3c, 2));
    let header = |index: usize| headers + index * size;
    let is_symbol_table = |at: &usize| number(at + 4, 4) == 2;
    let table = (0..count).map(header).find(is_symbol_table);
    let names = header(number(table.expect("it is not stripped") + 0x28, 4));
    let (begin, length) = (number(names + 0x18, 8), number(names + 0x20, 8));
    file[begin..begin + length].to_vec()
}
