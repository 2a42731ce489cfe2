//! Holds requests back until a scenario lets them go.

use tokio::sync::watch;

/// What is held, and how many requests wait because of it.
pub(super) struct Gate {
    held: watch::Sender<Vec<String>>,
    waiting: watch::Sender<usize>,
}

/// Counts a waiting request, also when its client goes away.
struct Waiter<'a>(&'a watch::Sender<usize>);

impl<'a> Waiter<'a> {
    fn new(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|count| *count += 1);
        Self(waiting)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Gate {
    pub fn new() -> Self {
        Self {
            held: watch::Sender::new(Vec::new()),
            waiting: watch::Sender::new(0),
        }
    }

    pub fn hold(&self, fragment: &str) {
        self.held.send_modify(|held| held.push(fragment.to_owned()));
    }

    pub fn release(&self, fragment: &str) {
        self.held
            .send_modify(|held| held.retain(|other| other != fragment));
    }

    pub fn waiting(&self) -> usize {
        *self.waiting.borrow()
    }

    /// Ends when at least so many requests wait.
    pub async fn until_waiting(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        // The sender lives in `self`, so the only end is the one that is waited for.
        let _ = waiting.wait_for(|now| *now >= count).await;
    }

    /// Ends as soon as nothing holds these prompts.
    pub async fn pass(&self, prompts: &[String]) {
        let is_open = |held: &Vec<String>| {
            let holds = |fragment: &String| prompts.iter().any(|prompt| prompt.contains(fragment));
            !held.iter().any(holds)
        };
        if is_open(&self.held.borrow()) {
            return;
        }
        let _waiter = Waiter::new(&self.waiting);
        let mut held = self.held.subscribe();
        let _ = held.wait_for(is_open).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_named_waits_and_only_until_it_is_released() {
        let gate = Gate::new();
        gate.hold("blue");
        gate.pass(&["a red one".into()]).await;
        let blue = ["a blue one".into()];
        tokio::join!(gate.pass(&blue), async {
            gate.until_waiting(1).await;
            gate.release("blue");
        });
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test]
    async fn a_client_that_goes_away_no_longer_waits() {
        let gate = Gate::new();
        gate.hold("");
        let prompts = ["anything".into()];
        tokio::select! {
            () = gate.pass(&prompts) => panic!("it is held"),
            () = gate.until_waiting(1) => {}
        }
        assert_eq!(gate.waiting(), 0);
    }
}
