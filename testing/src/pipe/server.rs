//! A policy server made of pipes: what it does, and what it has seen.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::BytesMut;
use policy_net::{Address, Connect};
use policy_proto::MessageDecoder;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::{Manner, mark_of, s};

/// One server, and what it has seen.
#[derive(Clone, Debug)]
pub struct Server(Arc<State>);

#[derive(Debug)]
struct State {
    manner: Mutex<Manner>,
    connects: AtomicUsize,
    seen: Mutex<Vec<(usize, String)>>,
    open: watch::Sender<usize>,
    hang_up: Notify,
}

impl Server {
    pub fn new(manner: Manner) -> Self {
        Self(Arc::new(State {
            manner: Mutex::new(manner),
            connects: AtomicUsize::new(0),
            seen: Mutex::default(),
            open: watch::Sender::new(0),
            hang_up: Notify::new(),
        }))
    }

    /// A name that no other server has.
    pub fn name(&self) -> String {
        format!("{:p}", Arc::as_ptr(&self.0))
    }

    pub fn becomes(&self, manner: Manner) {
        *self.0.manner.lock().unwrap() = manner;
    }

    /// Attempts to connect so far.
    pub fn connects(&self) -> usize {
        self.0.connects.load(SeqCst)
    }

    /// The marks of the requests that arrived, each with the number of its connection, from 1.
    pub fn seen(&self) -> Vec<(usize, String)> {
        self.0.seen.lock().unwrap().clone()
    }

    /// The marks alone.
    pub fn marks(&self) -> Vec<String> {
        self.seen().into_iter().map(|(_, mark)| mark).collect()
    }

    /// Waits until this many connections are open.
    pub async fn until_open(&self, wanted: usize) {
        let mut open = self.0.open.subscribe();
        let reached = timeout(s(600), open.wait_for(|&open| open == wanted)).await;
        reached
            .expect("on the paused clock this is no time")
            .unwrap();
    }

    pub fn open(&self) -> usize {
        *self.0.open.borrow()
    }

    /// Closes all connections that wait for a request.
    pub async fn hangs_up(&self) {
        self.0.hang_up.notify_waiters();
        self.until_open(0).await;
    }

    fn manner(&self) -> Manner {
        *self.0.manner.lock().unwrap()
    }

    async fn serve(self, mut pipe: DuplexStream, number: usize) {
        // Ends when the other side closes, or when there is nothing more to say.
        let _ = self.talk(&mut pipe, number).await;
        drop(pipe);
        self.0.open.send_modify(|open| *open -= 1);
    }

    async fn talk(&self, pipe: &mut DuplexStream, number: usize) -> io::Result<()> {
        let mut decoder = MessageDecoder::new();
        let mut buf = BytesMut::new();
        match self.manner() {
            Manner::Greets(words) => pipe.write_all(words).await?,
            Manner::ReadsNothing(_) => std::future::pending().await,
            _ => {}
        }
        loop {
            let request = loop {
                if let Ok(Some(request)) = decoder.request(&mut buf) {
                    break request;
                }
                let hung_up = self.0.hang_up.notified();
                let read = tokio::select! {
                    read = pipe.read_buf(&mut buf) => read?,
                    () = hung_up => 0,
                };
                if read == 0 {
                    return Ok(());
                }
            };
            let mark = mark_of(&request);
            self.0.seen.lock().unwrap().push((number, mark.clone()));
            let line = format!("action={mark}\n");
            let answer = format!("{line}\n");
            match self.manner() {
                Manner::Hangs => {}
                Manner::AnswersAfter(time) => {
                    sleep(time).await;
                    pipe.write_all(answer.as_bytes()).await?;
                }
                Manner::AnswersAfterMark(time) => {
                    let times = mark.parse::<u32>().unwrap() % 8;
                    sleep(time * times).await;
                    pipe.write_all(answer.as_bytes()).await?;
                }
                Manner::AnswersAndCloses => return pipe.write_all(answer.as_bytes()).await,
                Manner::AnswersWith(end) => {
                    pipe.write_all(format!("{line}{end}").as_bytes()).await?;
                }
                Manner::EndsAfter(time, end) => {
                    pipe.write_all(line.as_bytes()).await?;
                    sleep(time).await;
                    pipe.write_all(end.as_bytes()).await?;
                }
                Manner::Says(words) => pipe.write_all(words).await?,
                Manner::Drips(words, time) => {
                    for byte in words {
                        sleep(time).await;
                        pipe.write_all(&[*byte]).await?;
                    }
                }
                Manner::Endless(words) => loop {
                    pipe.write_all(words).await?;
                },
                Manner::ClosesUnanswered => return Ok(()),
                Manner::ClosesUnansweredAfter(time) => {
                    sleep(time).await;
                    return Ok(());
                }
                Manner::SaysAndCloses(words) => return pipe.write_all(words).await,
                _ => pipe.write_all(answer.as_bytes()).await?,
            }
        }
    }
}

impl Connect for Server {
    type Io = DuplexStream;

    async fn connect_to(&self, _: Address) -> io::Result<DuplexStream> {
        let number = self.0.connects.fetch_add(1, SeqCst) + 1;
        match self.manner() {
            Manner::Refuses => return Err(io::ErrorKind::ConnectionRefused.into()),
            Manner::OutOfDescriptors => return Err(io::Error::from_raw_os_error(EMFILE)),
            Manner::BlackHole => std::future::pending().await,
            Manner::ConnectsAfter(time) => sleep(time).await,
            _ => {}
        }
        let room = match self.manner() {
            Manner::ReadsNothing(room) => room,
            _ => 4096,
        };
        let (near, mut far) = duplex(room);
        match self.manner() {
            Manner::ClosesAtOnce => return Ok(near),
            Manner::SaysAtOnce(words) => {
                far.write_all(words).await?;
                return Ok(near);
            }
            _ => {}
        }
        self.0.open.send_modify(|open| *open += 1);
        tokio::spawn(self.clone().serve(far, number));
        Ok(near)
    }
}

const EMFILE: i32 = 24;
