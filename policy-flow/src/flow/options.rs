//! The options of a proxy.

use policy_proto::Response;

use super::Routing;

/// What a proxy does with requests. The struct may grow: start from the defaults, and say what differs.
///
/// ```
/// use policy_flow::FlowOptions;
///
/// let options = FlowOptions::default();
/// assert!(options.affinity);
/// assert_eq!(options.default.unwrap().as_str(), Some("DUNNO"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FlowOptions {
    /// Whether the requests of one message, by their `instance`, go to the backend that answered the last. True by
    /// default.
    pub affinity: bool,
    /// The reply where no backend answers; `None` closes the connection instead. `DUNNO` by default: the mail goes on
    /// to the next restriction.
    pub default: Option<Response>,
    /// Whether a request whose first line is that of another protocol, an HTTP request say, closes the connection. True
    /// by default.
    pub strict: bool,
    /// Which requests go to which group of backends, where there are several, or where listeners have rules of their
    /// own. By default all go to the first group.
    pub routing: Option<Box<Routing>>,
}

impl Default for FlowOptions {
    fn default() -> Self {
        Self {
            affinity: true,
            default: Some(Response::dunno()),
            strict: true,
            routing: None,
        }
    }
}

impl FlowOptions {
    /// The reply where nobody answers a request to this group that came over this listener; `None` closes the connection.
    pub(super) fn unanswered(&self, listener: u16, group: u16) -> Option<&Response> {
        let of_all = || self.default.as_ref();
        let Some(routing) = &self.routing else {
            return of_all();
        };
        let of_listener = routing
            .listener(listener)
            .and_then(|rules| rules.default.as_ref());
        let of_group = || Some(&routing.groups.get(usize::from(group))?.default);
        match of_listener.or_else(of_group) {
            Some(default) => default.response(),
            None => of_all(),
        }
    }
}
