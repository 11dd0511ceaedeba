//! The story of one request: its lines have one place, and it ends with the action.

use std::time::Instant;

use policy_proto::Request;

use super::{Traces, request_line};

/// The story of a request that somebody traces.
#[derive(Debug)]
pub struct Story<'a> {
    traces: &'a Traces,
    request: &'a Request,
    place: u64,
    begin: Instant,
}

impl Traces {
    /// Begins the story of a request that has come now, with a line about its attributes; the place is the number of its
    /// connection. `None` if nobody traces it, which costs a look at one number where there is no trace.
    ///
    /// ```
    /// use policy_daemon::trace::Traces;
    /// use policy_proto::Request;
    /// use std::time::Duration;
    ///
    /// let (traces, request) = (Traces::default(), Request::from_attributes([("sender", "a@b")]).unwrap());
    /// assert!(traces.story(&request, 7).is_none());
    ///
    /// let trace = traces.begin("sender=a@b".parse().unwrap()).unwrap();
    /// let story = traces.story(&request, 7).unwrap();
    /// story.lines("a list: no result");
    /// story.end("dunno");
    /// let lines = trace.lines(Duration::ZERO);
    /// let texts: Vec<_> = lines.lines().map(|line| &line[16..]).collect();
    /// assert_eq!(texts[..2], ["[7] request: sender=a@b", "[7] a list: no result"]);
    /// assert!(texts[2].starts_with("[7] action=dunno [") && texts[2].ends_with(" ms]"));
    /// ```
    #[inline]
    #[must_use]
    pub fn story<'a>(&'a self, request: &'a Request, place: u64) -> Option<Story<'a>> {
        if self.is_on() {
            self.begin_story(request, place)
        } else {
            None
        }
    }

    #[cold]
    fn begin_story<'a>(&'a self, request: &'a Request, place: u64) -> Option<Story<'a>> {
        let story = Story {
            traces: self,
            request,
            place,
            begin: Instant::now(),
        };
        self.has(|name| request.get(name)).then(|| {
            story.lines(&request_line(request.attributes()));
            story
        })
    }
}

impl Story<'_> {
    /// What has happened, in a line or several.
    pub fn lines(&self, text: &str) {
        for line in text.lines() {
            let attribute = |name: &str| self.request.get(name);
            self.traces.line(attribute, self.place, || line.to_owned());
        }
    }

    /// The request has its answer.
    pub fn end(self, action: &str) {
        let millis = self.begin.elapsed().as_secs_f64() * 1000.0;
        self.lines(&format!("action={action} [{millis:.1} ms]"));
    }
}
