//! The sentences that the cases rest on, and the documents that have them.

/// A sentence of a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Source {
    pub(crate) document: &'static str,
    /// The document's own words; of source code what it does.
    pub(crate) sentence: &'static str,
}

const fn readme(sentence: &'static str) -> Source {
    Source {
        document: "SMTPD_POLICY_README",
        sentence,
    }
}

const fn access(sentence: &'static str) -> Source {
    Source {
        document: "access(5)",
        sentence,
    }
}

const fn postconf(sentence: &'static str) -> Source {
    Source {
        document: "postconf(5)",
        sentence,
    }
}

pub(super) const ANSWERED: Source =
    readme("The client sends a request and the server sends a response.");
pub(super) const KEPT: Source = readme(
    "Unless there was an error, the server must not close the connection, so that the same connection can be used \
     multiple times.",
);
pub(super) const REQUEST_FORM: Source = readme(
    "The client request is a sequence of name=value attributes separated by newline, and is terminated by an empty line.",
);
pub(super) const ANSWER_FORM: Source = readme(
    "The server reply is one name=value attribute and it, too, is terminated by an empty line.",
);
pub(super) const ORDER: Source = readme("The order of the attributes does not matter.");
pub(super) const IGNORED: Source =
    readme("The policy server should ignore any attributes that it does not care about.");
pub(super) const DUPLICATES: Source = readme(
    "When the same attribute name is sent more than once, the server may keep the first value or the last attribute \
     value.",
);
pub(super) const UNAVAILABLE: Source = readme(
    "When an attribute value is unavailable, the client either does not send the attribute, sends the attribute with an \
     empty value (\"name=\"), or sends a zero value (\"name=0\") in the case of a numerical attribute.",
);
pub(super) const CHARACTERS: Source = readme(
    "An attribute name must not contain \"=\", null or newline, and an attribute value must not contain null or newline.",
);
pub(super) const ADDRESSES: Source = readme(
    "The remote client or local server IP address is an IPv4 dotted quad in the form 1.2.3.4 or it is an IPv6 address in \
     the form 1:2:3::4:5:6.",
);
pub(super) const SASL: Source = readme(
    "The \"sasl_*\" attributes (Postfix 2.2 and later) specify information about how the client was authenticated via SASL.",
);
pub(super) const CERTIFICATES: Source = readme(
    "As of Postfix 2.2.11 these attribute values are encoded as xtext: some characters are represented by +XX, where XX is \
     the two-digit hexadecimal representation of the character value.",
);
pub(super) const TLS: Source = readme(
    "The \"encryption_*\" attributes (Postfix 2.3 and later) specify information about how the connection is encrypted.",
);
pub(super) const STRESS: Source = readme("The \"stress\" attribute is either empty or \"yes\".");
pub(super) const SIZE: Source = readme(
    "The \"size\" attribute value specifies the message size that the client specified in the MAIL FROM command (zero if \
     none was specified).",
);
pub(super) const RECIPIENTS: Source = readme(
    "The \"recipient_count\" attribute (Postfix 2.3 and later) is non-zero only in the \"DATA\" and \"END-OF-MESSAGE\" \
     stages.",
);
pub(super) const CONTEXT: Source = readme(
    "The \"policy_context\" attribute provides a way to pass information that is not available via other attributes \
     (Postfix version 3.1 and later).",
);
pub(super) const STAGES: Source = readme(
    "Protocol states are CONNECT, EHLO, HELO, MAIL, RCPT, DATA, END-OF-MESSAGE, VRFY or ETRN",
);
pub(super) const VERSIONS: Source = readme(
    "Here is an example of all the attributes that the Postfix SMTP server sends in a delegated SMTPD access policy request",
);
pub(super) const INSTANCE: Source = readme(
    "The \"instance\" attribute value can be used to correlate different requests regarding the same message delivery.",
);
pub(super) const NEXT_INSTANCE: Source = readme(
    "Once Postfix sends a query with a different instance attribute over that same policy connection, the previous message \
     delivery is either completed or aborted.",
);
pub(super) const REQUIRED: Source = readme(
    "The \"request\" attribute is required. In this example the request type is \"smtpd_access_policy\".",
);
pub(super) const TROUBLE: Source = readme(
    "In case of trouble the policy server must not send a reply. Instead the server must log a warning and disconnect.",
);
pub(super) const ACTIONS: Source = readme(
    "The policy server replies with any action that is allowed in a Postfix SMTPD access(5) table.",
);
pub(super) const MANY_USES: Source = readme(
    "On active systems a policy daemon process is used multiple times, for up to $max_use incoming SMTP connections.",
);
pub(super) const REFUSED: Source = readme(
    "Line 2: specify a \"0\" process limit instead of the default \"-\", to avoid \"connection refused\" and other problems \
     when you increase the smtpd process limit.",
);

pub(super) const CODE: Source = access(
    "4NN text, 5NN text: Reject the address etc. that matches the pattern, and respond with the numerical three-digit code \
     and text.",
);
pub(super) const TARGETS: Source = access(
    "FILTER transport:destination; PREPEND headername: headervalue; REDIRECT user@domain; BCC user@domain",
);
pub(super) const NAMED: Source = access(
    "Apply the named UCE restriction(s) (permit, reject, reject_unauth_destination, and so on).",
);
pub(super) const PREPEND: Source = access(
    "Note: this action must execute before the message content is received; it cannot execute in the context of \
     smtpd_end_of_data_restrictions.",
);
pub(super) const STATUS_CODES: Source =
    access("Postfix version 2.3 and later support enhanced status codes as defined in RFC 3463.");

pub(super) const IDLE: Source = postconf(
    "smtpd_policy_service_max_idle (default: 300s): The time after which an idle SMTPD policy service connection is closed.",
);
pub(super) const TIME_LIMIT: Source = postconf(
    "smtpd_policy_service_timeout (default: 100s): The time limit for connecting to, writing to, or receiving from a \
     delegated SMTPD policy server.",
);
pub(super) const LIFETIME: Source = postconf(
    "smtpd_policy_service_max_ttl (default: 1000s): The time after which an active SMTPD policy service connection is \
     closed.",
);
pub(super) const PROCESSES: Source = postconf(
    "default_process_limit (default: 100): The default maximal number of Postfix child processes that provide a given \
     service.",
);
pub(super) const LINE_LENGTH: Source = postconf(
    "line_length_limit (default: 2048): Upon input, long lines are chopped up into pieces of at most this length",
);

pub(super) const READABLE: Source = Source {
    document: "attr_clnt.c",
    sentence: "If the stream is readable before we send anything, then assume the remote end disconnected.",
};
pub(super) const CARRIAGE_RETURN: Source = Source {
    document: "attr_scan_plain.c",
    sentence: "A line ends at its line feed alone: a carriage return belongs to the value, and a line that holds one is not \
               empty.",
};
pub(super) const MISSING: Source = Source {
    document: "smtpd_check.c",
    sentence: "An answer without the attribute \"action\" is a failed request: the default action is taken.",
};
pub(super) const UTF8: Source = Source {
    document: "smtpd_check.c",
    sentence: "Where smtputf8_enable is on, which is the default, an action that is not valid UTF-8 is replaced by the \
               default action.",
};
pub(super) const EIGHT_BIT: Source = Source {
    document: "smtpd_check.c",
    sentence: "Names and addresses are sent as the client gave them: with bytes over 127, in UTF-8 or not.",
};
pub(super) const UNKNOWN_CLIENT: Source = Source {
    document: "smtpd_peer.c",
    sentence: "A client without a name is \"unknown\".",
};
pub(super) const ONE_AT_A_TIME: Source = Source {
    document: "attr_clnt.c",
    sentence: "Postfix sends a request once it has the answer before. A proxy or a test may send several: each is ended by \
               its empty line.",
};
pub(super) const REPLY_LINE: Source = Source {
    document: "RFC 5321, 4.5.3.1.5",
    sentence: "The maximum total length of a reply line including the reply code and the <CRLF> is 512 octets.",
};
pub(super) const REPLY_TEXT: Source = Source {
    document: "RFC 5321, 4.2",
    sentence: "textstring = 1*(%d09 / %d32-126) ; HT, SP, Printable US-ASCII",
};
