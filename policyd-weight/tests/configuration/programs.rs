//! Programs from seeds: statements that set options, with all kinds of values.

/// A source of choices: the same ones for the same seed (xorshift).
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn new(number: u64) -> Self {
        let mut seed = Self(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        seed.below(1);
        seed
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// One time in so many.
    fn seldom(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// A program of some statements.
pub(super) fn program(seed: &mut Seed) -> String {
    let mut text = String::new();
    let mut own = vec![];
    for _ in 0..=seed.below(5) {
        text.push_str(&statement(seed, &mut own));
        text.push_str(seed.one_of(&[";", ";\n", " ; ", ";# it's a \"comment\";\n", ";;\n"]));
        if seed.seldom(30) {
            text.push_str("\n=pod\n\n$NS = 'not read';\n\n=cut\n\n");
        }
    }
    text.push_str(seed.one_of(&[
        "",
        "",
        "1;\n",
        "\n__END__\n$NS = (",
        "return 1; $NS = 'late';",
    ]));
    text
}

/// A program with a character less, one twice, or another one.
pub(super) fn spoilt(seed: &mut Seed, text: &str) -> String {
    let mut all: Vec<char> = text.chars().collect();
    let at = seed.below(all.len());
    match seed.below(3) {
        0 => drop(all.remove(at)),
        1 => all.insert(at, all[at]),
        _ => {
            all[at] = seed
                .one_of(&[";", "'", "\"", "(", ")", ",", "$", "=", " ", "0"])
                .chars()
                .next()
                .unwrap()
        }
    }
    all.into_iter().collect()
}

fn statement(seed: &mut Seed, own: &mut Vec<String>) -> String {
    let blank = seed.one_of(&["", " ", "\n", "  "]);
    match seed.below(12) {
        0..=3 => {
            let name = scalar(seed, own);
            let value = value(seed, own, 3);
            format!("{name}{blank}= {value}")
        }
        4 | 5 => {
            let name = scalar(seed, own);
            let operator = seed.one_of(&[".=", "+=", "-=", "*=", "/=", "x=", "**=", "%="]);
            let value = if operator == "x=" {
                seed.below(4).to_string()
            } else {
                value(seed, own, 1)
            };
            format!("{name} {operator} {value}")
        }
        6 | 7 => {
            let name = array(seed);
            format!("{name}{blank}= {}", list(seed, own))
        }
        8 => {
            let (name, item) = (array(seed), value(seed, own, 2));
            let form = seed.below(3);
            match form {
                0 => format!("push {name}, {item}"),
                1 => format!("push({name}, {item}, {item})"),
                _ => format!("push @helo_score, {}", list(seed, own)),
            }
        }
        9 => {
            let name = format!("$own{}", own.len());
            let value = value(seed, own, 2);
            own.push(name.clone());
            format!("my {name} = {value}")
        }
        10 => {
            let element = element(seed);
            let value = value(seed, own, 2);
            format!("{element} = {value}")
        }
        _ => {
            let [a, b] = [scalar(seed, own), scalar(seed, own)];
            format!("{a} = {b} = {}", value(seed, own, 2))
        }
    }
}

fn scalar(seed: &mut Seed, own: &[String]) -> String {
    if !own.is_empty() && seed.seldom(4) {
        return own[seed.below(own.len())].clone();
    }
    let name = seed.one_of(&["$REJECTLEVEL", "$NS", "$REJECTMSG", "$PTTL", "$NTIME"]);
    if seed.seldom(20) {
        return format!("${{{}}}", &name[1..]);
    }
    name.to_owned()
}

fn array(seed: &mut Seed) -> &'static str {
    seed.one_of(&["@helo_score", "@dnsbl_score", "@dnsbl_checks_only_regexps"])
}

fn element(seed: &mut Seed) -> String {
    let array = array(seed);
    let index = seed.one_of(&["0", "1", "2", "5"]);
    format!("${}[{index}]", &array[1..])
}

fn list(seed: &mut Seed, own: &[String]) -> String {
    if seed.seldom(6) {
        return seed
            .one_of(&["()", "qw(a 1 -2 b.test)", "(qw[x y], 3)", "'x'"])
            .to_owned();
    }
    let mut text = "(".to_owned();
    for _ in 0..seed.below(4) {
        let item = match seed.below(6) {
            0 => array(seed).to_owned(),
            1 => "name".to_owned() + " => " + &value(seed, own, 1),
            2 => regex(seed),
            _ => value(seed, own, 2),
        };
        text.push_str(&item);
        text.push_str(seed.one_of(&[", ", ",", " ,\n", ", # more\n"]));
    }
    text.push(')');
    text
}

fn regex(seed: &mut Seed) -> String {
    seed.one_of(&[
        r"qr/\.acme\.test$/",
        r"qr{^a+b}i",
        r"qr'c$NS'x",
        r"qr/\Qa.b\E|c/ms",
        r"qr!x{2,3}!",
        r"qr/a$NTIME/",
    ])
    .to_owned()
}

/// A value, which holds others down to a depth.
fn value(seed: &mut Seed, own: &[String], depth: usize) -> String {
    if depth == 0 || seed.seldom(3) {
        return leaf(seed, own);
    }
    let [left, right] = [0; 2].map(|_| value(seed, own, depth - 1));
    let blank = seed.one_of(&[" ", " ", "\n"]);
    match seed.below(14) {
        0 => format!("({left})"),
        1 => format!("-{right}").replace("--", "- -"),
        2 => {
            // A list in parentheses would be repeated as a whole.
            let left = leaf(seed, own).replace("(undef)", "7");
            format!("({left} x {})", seed.below(4))
        }
        3 => format!("({left} == {right})"),
        4 => format!("({left}, {right})"),
        5 => format!("+{right}").replace("++", "+ +"),
        _ => {
            let operator = seed.one_of(&["+", "-", "*", "/", "%", ".", ".", "+", "**"]);
            format!("{left}{blank}{operator}{blank}{right}")
        }
    }
}

fn leaf(seed: &mut Seed, own: &[String]) -> String {
    match seed.below(9) {
        0..=2 => number(seed).to_owned(),
        3..=4 => text(seed).to_owned(),
        5 => scalar(seed, own),
        6 => element(seed),
        7 => seed
            .one_of(&[
                "(undef)",
                "@helo_score",
                "$dnsbl_score[-1]",
                "$nothing",
                "''",
            ])
            .to_owned(),
        _ => {
            let name = scalar(seed, own);
            let text = seed.one_of(&[
                "\"a NAME b\"",
                "\"NAME\"",
                "qq(NAME, x)",
                "\"x@helo_score\"",
                "'NAME'",
                "\"NAME\\n\"",
            ]);
            text.replace("NAME", &name)
        }
    }
}

fn number(seed: &mut Seed) -> &'static str {
    seed.one_of(&[
        "0",
        "1",
        "2",
        "3",
        "7",
        "10",
        "42",
        "60",
        "1.5",
        "-1.5",
        "0.1",
        ".25",
        "3.",
        "1e3",
        "2.5e-3",
        "1E2",
        "0x1f",
        "0X1F",
        "0b101",
        "017",
        "1_000",
        "1_0.2_5",
        "100000",
        "0.30000000000000004",
        "1e-5",
        "1e100",
        "08",
        "6h",
        "0.0",
        "00",
    ])
}

fn text(seed: &mut Seed) -> &'static str {
    seed.one_of(&[
        "'a'",
        "'3.5abc'",
        "'4'",
        "' 7 '",
        "'-2'",
        "'1e2x'",
        "'0x10'",
        "''",
        "'0'",
        "'0.0'",
        "'abc'",
        "'-abc'",
        "'it\\'s'",
        "'a\\\\b\\c'",
        "\"a\\tb\"",
        "\"\\x41\\x{42}\\103\"",
        "\"\\e\\a\"",
        "\"costs \\$5, x\\@y\"",
        "q(a (b) c)",
        "q{x\\}y}",
        "qq[\\n]",
        "q'x'",
        "\"a\nb\"",
        "\"x@y.test\"",
        "'.5'",
        "'+3'",
        "'1_000'",
    ])
}
