//! Any clients in any order, beside a model of who is served: two queues, first come, first served.

use policy_net::Clients;
use proptest::{prelude::*, sample::Index};

use crate::world::{self, World, quiet, runtime, wire};

/// Requests of a usual size that there is memory for, and one large one.
const USUAL: usize = 4;
const BYTES: usize = crate::for_usual(USUAL);
const LARGEST: usize = 8 * 1024;

#[derive(Clone, Debug)]
enum Step {
    /// A client comes and sends most of a request, a large one or not.
    Come(bool),
    /// One of them sends the rest.
    Finish(Index),
    /// One whose request is worked on is answered.
    Answer(Index),
    /// One is dropped, whatever it does.
    Leave(Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<bool>().prop_map(Step::Come),
        3 => any::<Index>().prop_map(Step::Finish),
        2 => any::<Index>().prop_map(Step::Answer),
        1 => any::<Index>().prop_map(Step::Leave),
    ]
}

/// A client, in the order of coming.
struct One {
    mark: String,
    is_large: bool,
    is_finished: bool,
    rest: Vec<u8>,
    client: world::Client,
}

/// Who has all the memory that they need: of those who have the usual memory all but large ones, and of
/// these the first.
fn served(all: &[One]) -> impl Iterator<Item = &One> {
    let admitted = &all[..all.len().min(USUAL)];
    let first_large = admitted.iter().position(|one| one.is_large);
    let is_served = move |at: usize, one: &One| !one.is_large || Some(at) == first_large;
    let all = admitted.iter().enumerate();
    all.filter_map(move |(at, one)| is_served(at, one).then_some(one))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn who_came_first_is_served_first_and_at_the_end_nothing_is_taken(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let clients = runtime().block_on(run(steps));
        prop_assert_eq!((clients.memory(), clients.short_of_memory()), (0, 0));
    }
}

async fn run(steps: Vec<Step>) -> Clients {
    let world = World::with_largest(BYTES, LARGEST);
    let mut all: Vec<One> = Vec::new();
    let mut names = 0..;
    for step in steps {
        match step {
            Step::Come(is_large) => {
                let mark = names.next().unwrap().to_string();
                let mut begin = wire(&mark, if is_large { 7000 } else { 200 });
                let rest = begin.split_off(begin.len() - 1);
                all.push(One {
                    mark,
                    is_large,
                    is_finished: false,
                    rest,
                    client: world.sends(&begin).await,
                });
            }
            Step::Finish(which) if !all.is_empty() => {
                let at = which.index(all.len());
                let one = &mut all[at];
                let rest = std::mem::take(&mut one.rest);
                one.client.send(&rest).await;
                one.is_finished = true;
            }
            Step::Answer(which) => {
                let finished = served(&all).filter(|one| one.is_finished);
                let marks: Vec<String> = finished.map(|one| one.mark.clone()).collect();
                if !marks.is_empty() {
                    let mark = &marks[which.index(marks.len())];
                    world.answer(mark).await;
                    let at = all.iter().position(|one| one.mark == *mark).unwrap();
                    all.remove(at).client.reads(mark).await;
                }
            }
            Step::Leave(which) if !all.is_empty() => {
                let one = all.remove(which.index(all.len()));
                one.client.served.abort();
            }
            _ => {}
        }
        quiet().await;
        let worked_on = served(&all).filter(|one| one.is_finished);
        let mut worked_on: Vec<String> = worked_on.map(|one| one.mark.clone()).collect();
        let mut asked = world.asked().await;
        worked_on.sort();
        asked.sort();
        assert_eq!(asked, worked_on);
        assert_eq!(world.waiting(), all.len() - served(&all).count());
        assert!(world.clients.memory() <= BYTES);
    }
    world.clients
}
