//! Requests that wait for memory, and those that get what has become free.

use std::time::Duration;

use super::{ClientError, ClientEvent, Clients, Timer, Wait, client::State};
use crate::{ClientDriver, ClientId, clock::Time};

impl Clients {
    /// A request has begun, and there is no memory for it.
    pub(super) fn fall_short(&mut self, id: u32, data: &[u8], driver: &mut impl ClientDriver) {
        self.keep(id, data);
        self.set(id, State::Short);
        self.say_that_memory_is_used_up(driver);
        self.wait(id, Wait::Short);
    }

    /// A request is large: it takes memory for all that it may be, or waits for it.
    pub(super) fn take_large(&mut self, id: u32, driver: &mut impl ClientDriver) {
        let size = self.large_size();
        if self.memory.take_large(size) {
            return self.make_room(id, size);
        }
        self.unwait(id, Wait::Rest);
        self.set(id, State::ShortLarge);
        self.say_that_memory_is_used_up(driver);
        self.wait(id, Wait::ShortLarge);
    }

    fn say_that_memory_is_used_up(&self, driver: &mut impl ClientDriver) {
        if self.waits.1 == 0 {
            driver.client_event(ClientEvent::MemoryUsedUp);
        }
    }

    /// While somebody waits for memory it is looked at once in a while: other workers may have given some back, and
    /// unfinished requests may have become old.
    pub(super) fn arm_memory(&mut self) {
        let pause = if self.memory.is_shared() {
            PAUSE
        } else {
            GRACE
        };
        let at = self.clock.now.after(pause);
        self.timers.arm(&mut self.memory_at, at, Timer::Memory);
    }

    /// Memory may have become free that others had.
    pub(super) fn look_for_memory(&mut self, driver: &mut impl ClientDriver) {
        self.memory_at = Time::NEVER;
        self.serve_short(driver);
        self.displace(driver);
        if self.waits.1 > 0 {
            self.arm_memory();
        }
    }

    /// Requests that have been unfinished for a second leave their memory to those who wait for it. Who begins requests and
    /// does not end them would else keep the others out: a program that asks sends a request at once.
    fn displace(&mut self, driver: &mut impl ClientDriver) {
        while self.queue(Wait::Short).first().is_some()
            && let Some(oldest) = self.queue(Wait::Rest).first()
            && let Some(client) = self.slab.get(oldest)
            && client.since.after(GRACE) <= self.clock.now
        {
            self.refuse(oldest, &ClientError::Displaced, driver);
        }
    }

    /// A client needs no memory any more.
    pub(super) fn give_back_memory(&mut self, id: u32, driver: &mut impl ClientDriver) {
        self.give_back_large(id, driver);
        if let Some(client) = self.slab.get_mut(id)
            && std::mem::take(&mut client.usual)
        {
            self.memory.give_back_usual();
            self.serve_short(driver);
        }
    }

    /// Its large request is answered.
    pub(super) fn give_back_large(&mut self, id: u32, driver: &mut impl ClientDriver) {
        if let Some(client) = self.slab.get_mut(id)
            && client.large > 0
        {
            self.memory
                .give_back_large(std::mem::take(&mut client.large));
            self.serve_short(driver);
        }
    }

    /// Who has waited for memory for longest gets what there is.
    pub(super) fn serve_short(&mut self, driver: &mut impl ClientDriver) {
        while let Some(id) = self.queue(Wait::ShortLarge).first() {
            let size = self.large_size();
            if !self.memory.take_large(size) {
                break;
            }
            self.unwait(id, Wait::ShortLarge);
            self.make_room(id, size);
            self.resume(id, driver);
        }
        while let Some(id) = self.queue(Wait::Short).first() {
            if !self.memory.take_usual() {
                break;
            }
            self.unwait(id, Wait::Short);
            if let Some(client) = self.slab.get_mut(id) {
                client.usual = true;
            }
            self.resume(id, driver);
        }
    }

    /// The rest of its request is read now. Its time begins again.
    fn resume(&mut self, id: u32, driver: &mut impl ClientDriver) {
        self.set(id, State::Rest);
        self.wait(id, Wait::Rest);
        driver.resume_client(ClientId(id));
    }
}

/// How long a request may be unfinished while others wait for memory.
const GRACE: Duration = Duration::from_secs(1);
/// How soon it is seen that another worker has given memory back.
const PAUSE: Duration = Duration::from_millis(10);
