//! Starts that are broken off. An engine makes what it was asked to make, whether or not somebody still waits for it: a
//! cancel in the middle of a start would look for sandboxes, find none, and one would be there a moment later.
//!
//! So every start is carried to its end here. One that nobody waits for any more is undone; until then its sandbox is listed,
//! and whoever stops it waits for its start first.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use crate::sandbox::{
    Attachment, Condition, Exec, ExecOutput, Executor, ExecutorError, Listed, SandboxName,
    SandboxSpec, VolumeName,
};

/// How long a stop waits for a start that is under way, before it stops what is there.
const START_ENDS_WITHIN: Duration = Duration::from_secs(5);

/// An executor whose starts end or are undone, over another executor. Clones share the starts.
#[derive(Clone)]
pub struct WholeStarts {
    inner: Arc<dyn Executor>,
    under_way: Arc<Mutex<HashMap<SandboxName, UnderWay>>>,
}

/// A start under way.
struct UnderWay {
    labels: BTreeMap<String, String>,
    /// Cancelled when it has ended, or was undone.
    over: CancellationToken,
}

/// Takes a start out of the list at its end, however it ends.
struct End {
    starts: WholeStarts,
    name: SandboxName,
    _over: DropGuard,
}

impl Drop for End {
    fn drop(&mut self) {
        self.starts.locked().remove(&self.name);
    }
}

impl WholeStarts {
    /// Over this executor.
    #[must_use]
    pub fn over(inner: Arc<dyn Executor>) -> Self {
        Self {
            inner,
            under_way: Arc::default(),
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<SandboxName, UnderWay>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no start of this sandbox is under way.
    async fn ended(&self, name: &SandboxName) {
        loop {
            let over = self.locked().get(name).map(|start| start.over.clone());
            let Some(over) = over else { return };
            over.cancelled().await;
        }
    }

    /// Notes a start; none where one of this name is under way.
    fn begin(&self, spec: &SandboxSpec) -> Option<End> {
        let mut under_way = self.locked();
        if under_way.contains_key(&spec.name) {
            return None;
        }
        let over = CancellationToken::new();
        let start = UnderWay {
            labels: spec.labels.clone(),
            over: over.clone(),
        };
        under_way.insert(spec.name.clone(), start);
        Some(End {
            starts: self.clone(),
            name: spec.name.clone(),
            _over: over.drop_guard(),
        })
    }
}

#[async_trait]
impl Executor for WholeStarts {
    async fn start(&self, spec: &SandboxSpec) -> Result<(), ExecutorError> {
        let end = loop {
            self.ended(&spec.name).await;
            if let Some(end) = self.begin(spec) {
                break end;
            }
        };
        let (inner, spec) = (Arc::clone(&self.inner), spec.clone());
        let (answer, answered) = oneshot::channel();
        tokio::spawn(async move {
            let _end = end;
            let started = inner.start(&spec).await;
            if answer.send(started).is_err()
                && let Err(error) = inner.stop(&spec.name).await
            {
                warn!(sandbox = spec.name.0, %error, "a start that was broken off could not be undone");
            }
        });
        answered.await.unwrap_or_else(|_| {
            Err(ExecutorError::Refused(
                "the start was broken off".to_owned(),
            ))
        })
    }

    async fn stop(&self, name: &SandboxName) -> Result<(), ExecutorError> {
        // An engine that hangs in a start may still kill.
        let _ = tokio::time::timeout(START_ENDS_WITHIN, self.ended(name)).await;
        self.inner.stop(name).await
    }

    async fn list(&self) -> Result<Vec<Listed>, ExecutorError> {
        // Looked at first: a start that ends in between is in the engine's list.
        let under_way: Vec<Listed> = self
            .locked()
            .iter()
            .map(|(name, start)| Listed {
                name: name.clone(),
                labels: start.labels.clone(),
                condition: Condition::Running,
            })
            .collect();
        let mut listed = self.inner.list().await?;
        for start in under_way {
            if !listed.iter().any(|there| there.name == start.name) {
                listed.push(start);
            }
        }
        Ok(listed)
    }

    async fn attach(&self, name: &SandboxName) -> Result<Attachment, ExecutorError> {
        self.inner.attach(name).await
    }

    async fn exec(&self, name: &SandboxName, exec: Exec) -> Result<ExecOutput, ExecutorError> {
        self.inner.exec(name, exec).await
    }

    async fn condition(&self, name: &SandboxName) -> Result<Condition, ExecutorError> {
        self.inner.condition(name).await
    }

    async fn wait(&self, name: &SandboxName) -> Result<Condition, ExecutorError> {
        self.inner.wait(name).await
    }

    async fn remove_volume(&self, name: &VolumeName) -> Result<(), ExecutorError> {
        self.inner.remove_volume(name).await
    }

    async fn volumes(&self) -> Result<Vec<VolumeName>, ExecutorError> {
        self.inner.volumes().await
    }

    async fn labelled_volumes(
        &self,
    ) -> Result<Vec<(VolumeName, BTreeMap<String, String>)>, ExecutorError> {
        self.inner.labelled_volumes().await
    }

    async fn has_image(&self, image: &str) -> Result<bool, ExecutorError> {
        self.inner.has_image(image).await
    }

    async fn image_label(&self, image: &str, label: &str) -> Result<Option<String>, ExecutorError> {
        self.inner.image_label(image, label).await
    }

    async fn describe(&self) -> Result<String, ExecutorError> {
        self.inner.describe().await
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tokio::sync::Notify;

    use super::*;
    use crate::sandbox::Limits;

    /// An engine that makes a sandbox when it is let, and has at most one.
    #[derive(Default)]
    struct Slow {
        asked: Notify,
        may: Notify,
        has: Mutex<Option<SandboxName>>,
    }

    #[async_trait]
    impl Executor for Slow {
        async fn start(&self, spec: &SandboxSpec) -> Result<(), ExecutorError> {
            self.asked.notify_one();
            self.may.notified().await;
            *self.has.lock().unwrap() = Some(spec.name.clone());
            Ok(())
        }

        async fn stop(&self, _: &SandboxName) -> Result<(), ExecutorError> {
            *self.has.lock().unwrap() = None;
            Ok(())
        }

        async fn list(&self) -> Result<Vec<Listed>, ExecutorError> {
            let has = self.has.lock().unwrap().clone();
            let listed = |name| Listed {
                name,
                labels: BTreeMap::new(),
                condition: Condition::Running,
            };
            Ok(has.into_iter().map(listed).collect())
        }

        async fn attach(&self, name: &SandboxName) -> Result<Attachment, ExecutorError> {
            Err(ExecutorError::Gone(name.clone()))
        }

        async fn exec(&self, name: &SandboxName, _: Exec) -> Result<ExecOutput, ExecutorError> {
            Err(ExecutorError::Gone(name.clone()))
        }

        async fn condition(&self, _: &SandboxName) -> Result<Condition, ExecutorError> {
            Ok(Condition::Absent)
        }

        async fn wait(&self, _: &SandboxName) -> Result<Condition, ExecutorError> {
            Ok(Condition::Absent)
        }

        async fn remove_volume(&self, _: &VolumeName) -> Result<(), ExecutorError> {
            Ok(())
        }

        async fn volumes(&self) -> Result<Vec<VolumeName>, ExecutorError> {
            Ok(Vec::new())
        }

        async fn labelled_volumes(
            &self,
        ) -> Result<Vec<(VolumeName, BTreeMap<String, String>)>, ExecutorError> {
            Ok(Vec::new())
        }

        async fn has_image(&self, _: &str) -> Result<bool, ExecutorError> {
            Ok(true)
        }

        async fn image_label(&self, _: &str, _: &str) -> Result<Option<String>, ExecutorError> {
            Ok(None)
        }

        async fn describe(&self) -> Result<String, ExecutorError> {
            Ok(String::new())
        }
    }

    fn spec() -> SandboxSpec {
        SandboxSpec {
            name: SandboxName("one".to_owned()),
            image: String::new(),
            command: Vec::new(),
            environment: BTreeMap::new(),
            working_directory: "/".to_owned(),
            mounts: Vec::new(),
            labels: BTreeMap::from([("task".to_owned(), "t".to_owned())]),
            limits: Limits {
                memory_bytes: 0,
                processors: 0.0,
                processes: 0,
                open_files: 0,
                scratch_bytes: 0,
                disk_bytes: 0,
                files: 0,
            },
            runtime: None,
        }
    }

    /// A start that was broken off while the engine was at it.
    async fn broken_off() -> (Arc<Slow>, WholeStarts) {
        let engine = Arc::new(Slow::default());
        let starts = WholeStarts::over(Arc::clone(&engine) as Arc<dyn Executor>);
        let spec = spec();
        tokio::select! {
            started = starts.start(&spec) => started.unwrap(),
            () = engine.asked.notified() => {}
        }
        (engine, starts)
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_listed_until_it_is_undone() {
        let (engine, starts) = broken_off().await;
        let listed = starts.list().await.unwrap();
        assert_eq!(listed[0].name, spec().name);
        assert_eq!(listed[0].labels, spec().labels);
        engine.may.notify_one();
        starts.ended(&spec().name).await;
        assert_eq!(starts.list().await.unwrap(), []);
    }

    #[tokio::test]
    async fn whoever_stops_it_finds_it_gone_and_not_about_to_come() {
        let (engine, starts) = broken_off().await;
        let name = spec().name;
        let stopped = starts.stop(&name);
        engine.may.notify_one();
        stopped.await.unwrap();
        assert_eq!(engine.list().await.unwrap(), []);
        assert!(starts.locked().is_empty());
    }

    #[tokio::test]
    async fn one_that_is_waited_for_stays_and_the_next_of_its_name_comes_after_it() {
        let (engine, starts) = broken_off().await;
        let spec = spec();
        let again = starts.start(&spec);
        engine.may.notify_one();
        let let_it = async {
            engine.asked.notified().await;
            assert_eq!(engine.list().await.unwrap(), []);
            engine.may.notify_one();
        };
        let (started, ()) = tokio::join!(again, let_it);
        started.unwrap();
        assert_eq!(engine.list().await.unwrap().len(), 1);
    }
}
