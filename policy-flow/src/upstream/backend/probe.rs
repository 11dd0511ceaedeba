//! The request of a health check, and the answers that will do.

use policy_proto::{Request, Response};

/// A request that shows whether a backend works.
///
/// It is a request like all others, and a policy server may count it: it should be about a sender, a
/// client and a recipient that nobody has.
///
/// ```
/// use policy_flow::Probe;
/// use policy_proto::{Request, Response};
///
/// let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
/// let probe = Probe::new(request);
/// assert!(probe.passes(&Response::new("REJECT")?), "any answer does");
///
/// let probe = probe.expecting(Response::new("DEFER_IF_PERMIT")?);
/// assert!(probe.passes(&Response::new("defer_if_permit greylisted for 299 s")?));
/// assert!(!probe.passes(&Response::new("DUNNO")?));
///
/// let probe = probe.expecting(Response::new("REJECT probed")?);
/// assert!(!probe.passes(&Response::new("REJECT no quota left")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Probe {
    request: Request,
    action: Option<Response>,
}

impl Probe {
    /// This request, to which any answer will do.
    #[must_use]
    pub const fn new(request: Request) -> Self {
        Self {
            request,
            action: None,
        }
    }

    /// The same, with this action for an answer: one without a text stands for all texts, and case
    /// does not matter.
    #[must_use]
    pub fn expecting(self, action: Response) -> Self {
        Self {
            action: Some(action),
            ..self
        }
    }

    /// What is asked.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// Whether this answer will do.
    #[must_use]
    pub fn passes(&self, answer: &Response) -> bool {
        let Some(action) = &self.action else {
            return true;
        };
        let (action, answer) = (action.as_bytes(), answer.as_bytes());
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let answer = if action.iter().any(is_blank) {
            answer
        } else {
            answer.split(is_blank).next().unwrap_or_default()
        };
        answer.eq_ignore_ascii_case(action)
    }
}
