//! The executor on a Docker engine, through its unix socket.
//!
//! A sandbox is one hardened container (`shape`). What its main process says is read from the engine's log and not
//! from a live attachment: the log gives every reader the same bytes from the first one on, where an attachment with
//! history repeats or loses what is said in the moment of attaching. It costs 0.1 ms a line. The log holds text: a
//! line over 16 KiB may lose a character that is not ASCII at each 16 KiB, and bytes that are no UTF-8 are replaced.
//!
//! A container that was made and never started, because its maker died in between, counts as absent: starting the
//! same sandbox again starts it. An image's own variables are part of every environment; engines cannot leave them out.

mod disk;
mod engine;
mod exec;
mod facts;
mod features;
mod measure;
mod output;
pub mod probe;
mod shape;
mod walls;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::Duration,
};

use async_trait::async_trait;
use bollard::{
    models::{ContainerInspectResponse, ContainerStateStatusEnum, VolumeCreateRequest},
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, EventsOptionsBuilder,
        InspectContainerOptions, ListContainersOptionsBuilder, ListVolumesOptionsBuilder,
        LogsOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
        StartContainerOptions, WaitContainerOptions,
    },
};
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all};
use tokio::time::{Instant, sleep, timeout};

use crate::sandbox::{
    Attachment, Condition, End, Exec, ExecOutput, Executor, ExecutorError, Listed, MountSource,
    SandboxName, SandboxSpec, VolumeName,
};
use disk::DiskWatch;
use engine::{Engine, in_time, refused, status_of};
use facts::{object_name, watched, without_counters};

pub use disk::Floor;
pub use features::Features;
use walls::Lent;

/// Set on everything that Deckhand makes.
pub const MANAGED_LABEL: &str = "deckhand.managed";
/// The installation that an object belongs to; another installation on the same engine leaves it alone.
pub const INSTANCE_LABEL: &str = "deckhand.instance";

/// How long a stop may take in all. A kill takes about 0.1 s; the engine is slow only under great load.
const STOP_TIME: Duration = Duration::from_secs(5);
/// The pause between two looks at something that the engine is about to finish.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// The pause before waiting again, where the engine broke a wait off (it was restarted).
const WAIT_AGAIN_PAUSE: Duration = Duration::from_secs(1);
/// How long the engine may take to answer what its memory of events says.
const EVENTS_TIME: Duration = Duration::from_secs(2);
/// The exit status of a process that was killed, as the kernel does for memory.
const KILLED_STATUS: i64 = 137;

/// Runs sandboxes on a Docker engine.
#[derive(Debug)]
pub struct DockerExecutor {
    instance: String,
    engine: Engine,
    lent: Lent,
    disk: DiskWatch,
}

impl DockerExecutor {
    /// An executor for this installation's sandboxes, told from others' by `instance`. `endpoint` is the path of the
    /// engine's socket, with or without `unix://`; the engine's customary one where nothing is given.
    ///
    /// Nothing is asked of the engine yet: one that is down now may be up for the first task. [`Executor::describe`] asks.
    pub fn connect(instance: &str, endpoint: Option<&str>) -> Result<Self, ExecutorError> {
        Ok(Self {
            instance: instance.to_owned(),
            engine: Engine::at(endpoint)?,
            lent: Lent::default(),
            disk: DiskWatch::default(),
        })
    }

    /// The folders of the host of which sandboxes may see what lies below them: sockets, mirrors, quarantined commits. Without
    /// this no folder of the host is mounted at all.
    #[must_use]
    pub fn lending(self, folders: Vec<PathBuf>) -> Self {
        Self {
            lent: Lent::below(folders),
            ..self
        }
    }

    /// What has to stay free of the engine's disk; below it every sandbox is killed and none is started.
    #[must_use]
    pub fn keeping_free(self, floor: Floor) -> Self {
        Self {
            disk: DiskWatch::keeping(floor),
            ..self
        }
    }

    /// What the engine has of what the walls are made of; without one of them no sandbox starts.
    pub async fn features(&self) -> Result<&Features, ExecutorError> {
        self.engine.features().await
    }

    /// A sentence where the engine's disk has too little room for one more sandbox.
    pub async fn lack_of_room(&self) -> Result<Option<String>, ExecutorError> {
        Ok(self.disk.lacks_room(self.engine.root().await?))
    }

    /// Watches what a running container takes of the disk, by what stands in its labels.
    async fn watch_disk(&self, facts: &ContainerInspectResponse) -> Result<(), ExecutorError> {
        let Some(watched) = watched(facts) else {
            return Ok(());
        };
        let docker = self.engine.api().await?;
        let root = self.engine.root().await?.cloned();
        self.disk.begin(docker, root, watched).await;
        Ok(())
    }

    async fn make_volumes(&self, spec: &SandboxSpec) -> Result<(), ExecutorError> {
        let docker = self.engine.api().await?;
        let volumes = spec.mounts.iter().filter_map(|mount| match &mount.source {
            MountSource::Volume(name) => Some(name),
            MountSource::Host(_) => None,
        });
        // The engine answers with the volume of this name where there is one.
        try_join_all(volumes.map(|name| {
            docker.create_volume(VolumeCreateRequest {
                name: Some(name.0.clone()),
                labels: Some(shape::labels(&self.instance, &spec.labels)),
                ..VolumeCreateRequest::default()
            })
        }))
        .await
        .map_err(refused)?;
        Ok(())
    }

    /// Makes the container, or finds the one that is there.
    async fn make_container(&self, spec: &SandboxSpec) -> Result<(), ExecutorError> {
        let name = object_name(&spec.name.0)?;
        let body = shape::container(
            spec,
            &self.instance,
            &self.lent,
            self.engine.processors().await?,
        )?;
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        match self
            .engine
            .api()
            .await?
            .create_container(Some(options), body)
            .await
        {
            Ok(_) => Ok(()),
            Err(error) => match status_of(&error) {
                Some(409) => Ok(()),
                Some(404) => Err(ExecutorError::ImageMissing(spec.image.clone())),
                Some(_) => Err(ExecutorError::Start(error.to_string())),
                None => Err(refused(error)),
            },
        }
    }

    async fn inspect(
        &self,
        name: &SandboxName,
    ) -> Result<Option<ContainerInspectResponse>, ExecutorError> {
        let container = object_name(&name.0)?;
        match self
            .engine
            .api()
            .await?
            .inspect_container(container, None::<InspectContainerOptions>)
            .await
        {
            Ok(facts) => Ok(Some(facts)),
            Err(error) if status_of(&error) == Some(404) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    /// The engine notes a kill for memory in the container's state only where the main process died of it. That one
    /// of its children died is in the events.
    async fn ran_out_of_memory(
        &self,
        facts: &ContainerInspectResponse,
    ) -> Result<bool, ExecutorError> {
        let (Some(id), Some(state)) = (&facts.id, &facts.state) else {
            return Ok(false);
        };
        if state.oom_killed == Some(true) {
            return Ok(true);
        }
        if state.exit_code != Some(KILLED_STATUS) {
            return Ok(false);
        }
        let (Some(since), Some(until)) = (&state.started_at, &state.finished_at) else {
            return Ok(false);
        };
        let filters = HashMap::from([("container", vec![id.as_str()]), ("event", vec!["oom"])]);
        let options = EventsOptionsBuilder::default()
            .since(since)
            .until(until)
            .filters(&filters)
            .build();
        let docker = self.engine.api().await?;
        let mut events = std::pin::pin!(docker.events(Some(options)));
        // Without an answer the status alone has to tell.
        let first = timeout(EVENTS_TIME, events.next()).await;
        Ok(matches!(first, Ok(Some(Ok(_)))))
    }

    async fn condition_of(
        &self,
        name: &SandboxName,
        facts: &ContainerInspectResponse,
    ) -> Result<Condition, ExecutorError> {
        let state = facts.state.as_ref();
        match state.and_then(|state| state.status) {
            Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD) => {
                let by = match self.disk.verdict(&name.0) {
                    Some(end) => end,
                    None if self.ran_out_of_memory(facts).await? => End::OutOfMemory,
                    None => End::Itself,
                };
                let status = state.and_then(|state| state.exit_code);
                Ok(Condition::Ended {
                    status: status.unwrap_or(KILLED_STATUS),
                    by,
                })
            }
            Some(ContainerStateStatusEnum::CREATED | ContainerStateStatusEnum::REMOVING) => {
                Ok(Condition::Absent)
            }
            // The engine's own enumeration may grow: what is not known to have ended runs.
            Some(_) | None => Ok(Condition::Running),
        }
    }

    async fn remove(&self, container: &str) -> Result<(), ExecutorError> {
        // With the volumes that have no name, which are this container's alone.
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        let docker = self.engine.api().await?;
        loop {
            match docker
                .remove_container(container, Some(options.clone()))
                .await
            {
                Ok(()) => return Ok(()),
                Err(error) => match status_of(&error) {
                    Some(404) => return Ok(()),
                    // Another removal is on its way, or the kernel still holds a mount: both pass.
                    Some(409 | 500) => sleep(LOOK_PAUSE).await,
                    Some(_) | None => return Err(refused(error)),
                },
            }
        }
    }
}

#[async_trait]
impl Executor for DockerExecutor {
    async fn start(&self, spec: &SandboxSpec) -> Result<(), ExecutorError> {
        let features = self.engine.features().await?;
        let refusal = features.refusal(spec.runtime.as_deref());
        if let Some(sentence) = refusal.or(self.lack_of_room().await?) {
            return Err(ExecutorError::Start(sentence));
        }
        self.make_volumes(spec).await?;
        self.make_container(spec).await?;
        let name = object_name(&spec.name.0)?;
        // It is named and not there yet where another start of the same sandbox is just making it.
        let Some(facts) = self.inspect(&spec.name).await? else {
            return Ok(());
        };
        let status = facts.state.as_ref().and_then(|state| state.status);
        if status != Some(ContainerStateStatusEnum::CREATED) {
            return Ok(());
        }
        let started = self
            .engine
            .api()
            .await?
            .start_container(name, None::<StartContainerOptions>)
            .await;
        match started {
            Ok(()) => self.watch_disk(&facts).await,
            Err(error) if status_of(&error).is_some() => {
                // What could not start is no use to anyone, and would stand in the way of the next attempt.
                self.stop(&spec.name).await?;
                Err(ExecutorError::Start(error.to_string()))
            }
            Err(error) => Err(refused(error)),
        }
    }

    async fn attach(&self, name: &SandboxName) -> Result<Attachment, ExecutorError> {
        let container = object_name(&name.0)?;
        let Some(facts) = self.inspect(name).await? else {
            return Err(ExecutorError::Gone(name.clone()));
        };
        match self.condition_of(name, &facts).await? {
            Condition::Absent => return Err(ExecutorError::Gone(name.clone())),
            Condition::Running => self.watch_disk(&facts).await?,
            Condition::Ended { .. } => {}
        }
        let docker = self.engine.api().await?;
        let input_only = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdin(true)
            .build();
        let input = docker
            .attach_container(container, Some(input_only))
            .await
            .map_err(refused)?
            .input;
        let everything = LogsOptionsBuilder::default()
            .follow(true)
            .stdout(true)
            .stderr(true)
            .build();
        let (output, errors) = output::split(docker.logs(container, Some(everything)));
        Ok(Attachment {
            input: Box::new(input),
            output: Box::new(output),
            errors: Box::new(errors),
        })
    }

    async fn exec(&self, name: &SandboxName, exec: Exec) -> Result<ExecOutput, ExecutorError> {
        let container = object_name(&name.0)?;
        let started = Instant::now();
        match exec::run(self.engine.api().await?, container, exec, started).await {
            Ok(output) => Ok(output),
            Err(error) => match status_of(&error) {
                Some(404 | 409) => Err(ExecutorError::Gone(name.clone())),
                Some(_) | None => Err(refused(error)),
            },
        }
    }

    async fn condition(&self, name: &SandboxName) -> Result<Condition, ExecutorError> {
        match self.inspect(name).await? {
            Some(facts) => self.condition_of(name, &facts).await,
            None => Ok(Condition::Absent),
        }
    }

    async fn wait(&self, name: &SandboxName) -> Result<Condition, ExecutorError> {
        let container = object_name(&name.0)?;
        let docker = self.engine.api().await?;
        loop {
            let mut ends =
                std::pin::pin!(docker.wait_container(container, None::<WaitContainerOptions>));
            // Its status is in the condition, together with the rest.
            let _ = ends.next().await;
            match self.condition(name).await? {
                Condition::Running => sleep(WAIT_AGAIN_PAUSE).await,
                ended => return Ok(ended),
            }
        }
    }

    async fn stop(&self, name: &SandboxName) -> Result<(), ExecutorError> {
        let container = object_name(&name.0)?;
        self.disk.end(container);
        let counting = measure::container_name(container);
        let both = async {
            self.remove(container).await?;
            // It would hold the volumes.
            self.remove(&counting).await
        };
        timeout(STOP_TIME, both).await.unwrap_or_else(|_| {
            let seconds = STOP_TIME.as_secs();
            Err(ExecutorError::Refused(format!(
                "the sandbox {} is still there after {seconds} s",
                name.0
            )))
        })
    }

    async fn remove_volume(&self, name: &VolumeName) -> Result<(), ExecutorError> {
        let volume = object_name(&name.0)?;
        match self
            .engine
            .api()
            .await?
            .remove_volume(volume, None::<RemoveVolumeOptions>)
            .await
        {
            Err(error) if status_of(&error) != Some(404) => Err(refused(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn list(&self) -> Result<Vec<Listed>, ExecutorError> {
        let filters =
            HashMap::from([("label", vec![format!("{INSTANCE_LABEL}={}", self.instance)])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let containers = in_time(async {
            let engine = self.engine.api().await?;
            engine.list_containers(Some(options)).await.map_err(refused)
        })
        .await?;
        futures::stream::iter(without_counters(containers))
            .then(|container| async move {
                let names = container.names.unwrap_or_default();
                let name = SandboxName(
                    names
                        .first()
                        .map(|name| name.trim_start_matches('/').to_owned())?,
                );
                let labels = container.labels.unwrap_or_default().into_iter().collect();
                Some(self.condition(&name).await.map(|condition| Listed {
                    name,
                    labels,
                    condition,
                }))
            })
            .filter_map(std::future::ready)
            .try_collect()
            .await
    }

    async fn volumes(&self) -> Result<Vec<VolumeName>, ExecutorError> {
        let volumes = self.labelled_volumes().await?;
        Ok(volumes.into_iter().map(|(name, _)| name).collect())
    }

    async fn labelled_volumes(
        &self,
    ) -> Result<Vec<(VolumeName, BTreeMap<String, String>)>, ExecutorError> {
        let filters =
            HashMap::from([("label", vec![format!("{INSTANCE_LABEL}={}", self.instance)])]);
        let options = ListVolumesOptionsBuilder::default()
            .filters(&filters)
            .build();
        let answer = in_time(async {
            let engine = self.engine.api().await?;
            engine.list_volumes(Some(options)).await.map_err(refused)
        })
        .await?;
        Ok(answer
            .volumes
            .unwrap_or_default()
            .into_iter()
            .map(|volume| (VolumeName(volume.name), volume.labels.into_iter().collect()))
            .collect())
    }

    async fn has_image(&self, image: &str) -> Result<bool, ExecutorError> {
        match self.engine.api().await?.inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(error) if status_of(&error) == Some(404) => Ok(false),
            Err(error) => Err(refused(error)),
        }
    }

    async fn image_label(&self, image: &str, label: &str) -> Result<Option<String>, ExecutorError> {
        match self.engine.api().await?.inspect_image(image).await {
            Ok(image) => Ok(image
                .config
                .and_then(|config| config.labels)
                .and_then(|mut labels| labels.remove(label))),
            Err(error) if status_of(&error) == Some(404) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    async fn describe(&self) -> Result<String, ExecutorError> {
        self.engine.describe().await
    }
}
