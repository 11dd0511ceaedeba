//! The headers that tell a result: `Received-SPF` and `Authentication-Results`.

use super::{Scope, Verdict, scan::printable};

impl Verdict {
    /// The `Received-SPF` header in one line, as Mail::SPF writes it (RFC 7208, 9.1), for Postfix's action
    /// `PREPEND`.
    ///
    /// ```
    /// # use policy_dns::{Table, spf::{self, SpfRequest}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dns: Table = r#"acme.test TXT "v=spf1 ip4:192.0.2.0/28 -all""#.parse()?;
    /// let request = SpfRequest::mail_from("192.0.2.1".parse()?, "carol@acme.test", "mail.acme.test");
    /// let verdict = spf::check(&dns, &request, &spf::SpfOptions::default()).await;
    /// assert_eq!(
    ///     verdict.received_spf(),
    ///     "Received-SPF: pass (acme.test: 192.0.2.1 is authorized to use 'carol@acme.test' in 'mfrom' identity \
    ///      (mechanism 'ip4:192.0.2.0/28' matched)) receiver=unknown; identity=mailfrom; \
    ///      envelope-from=\"carol@acme.test\"; helo=mail.acme.test; client-ip=192.0.2.1"
    /// );
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn received_spf(&self) -> String {
        let request = &self.request;
        let mut pairs = vec![("receiver", receiver(&self.receiver).to_owned())];
        match request.scope {
            Scope::Helo => pairs.extend([
                ("identity", "helo".into()),
                ("helo", printable(&request.identity)),
            ]),
            Scope::MailFrom => pairs.extend([
                ("identity", "mailfrom".into()),
                ("envelope-from", printable(&request.identity)),
                ("helo", printable(&request.helo)),
            ]),
        }
        pairs.push(("client-ip", request.client.to_string()));
        let pairs: Vec<_> = pairs
            .into_iter()
            .map(|(key, value)| format!("{key}={}", word(&value)))
            .collect();
        format!(
            "Received-SPF: {} ({}) {}",
            self.result,
            comment(&self.local_explanation),
            pairs.join("; ")
        )
    }

    /// The `Authentication-Results` header in one line (RFC 8601, 2.7.2).
    ///
    /// ```
    /// # use policy_dns::{Table, spf::{self, SpfRequest}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dns: Table = r#"acme.test TXT "v=spf1 ip4:192.0.2.0/28 -all""#.parse()?;
    /// # let request = SpfRequest::mail_from("192.0.2.1".parse()?, "carol@acme.test", "mail.acme.test");
    /// let mut options = spf::SpfOptions::default();
    /// options.receiver = "mx.test".into();
    /// let verdict = spf::check(&dns, &request, &options).await;
    /// let header = "Authentication-Results: mx.test; spf=pass smtp.mailfrom=carol@acme.test";
    /// assert_eq!(verdict.authentication_results(), header);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn authentication_results(&self) -> String {
        let property = match self.request.scope {
            Scope::Helo => "helo",
            Scope::MailFrom => "mailfrom",
        };
        let identity = printable(&self.request.identity);
        let identity = match identity.rsplit_once('@') {
            Some((local_part, domain)) if is_dot_atom(domain) => {
                format!("{}@{domain}", word(local_part))
            }
            _ => word(&identity),
        };
        let receiver = word(receiver(&self.receiver));
        format!(
            "Authentication-Results: {receiver}; spf={} smtp.{property}={identity}",
            self.result
        )
    }
}

fn receiver(name: &str) -> &str {
    if name.is_empty() { "unknown" } else { name }
}

/// A value as it is if it is an atom with dots, in quotes otherwise. An empty one takes quotes as well.
fn word(value: &str) -> String {
    if is_dot_atom(value) {
        return value.into();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `dot-atom` (RFC 5322, 3.2.3).
fn is_dot_atom(value: &str) -> bool {
    let is_atext =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    value
        .split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// The text within a comment: parentheses that do not pair, and backslashes, would end it early or late.
fn comment(text: &str) -> String {
    let mut depth = 0usize;
    let pairs = text.bytes().all(|byte| match byte {
        b'(' => {
            depth += 1;
            true
        }
        b')' if depth == 0 => false,
        b')' => {
            depth -= 1;
            true
        }
        byte => byte != b'\\',
    });
    if pairs && depth == 0 {
        return text.into();
    }
    text.replace('\\', "\\\\")
        .replace('(', "\\(")
        .replace(')', "\\)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_no_atoms_are_quoted() {
        for (value, expected) in [
            ("mail.acme.test", "mail.acme.test"),
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "\"2001:db8::1\""),
            ("a..b", "\"a..b\""),
            ("", "\"\""),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("x;y", "\"x;y\""),
        ] {
            assert_eq!(word(value), expected);
        }
    }

    #[test]
    fn a_comment_cannot_be_left() {
        for (text, expected) in [
            ("a (b) c", "a (b) c"),
            ("a) b", r"a\) b"),
            ("a (b", r"a \(b"),
            (")(", r"\)\("),
            (r"a\x0a", r"a\\x0a"),
        ] {
            assert_eq!(comment(text), expected);
        }
    }
}
