//! The way of commits into and out of a sandbox.

use super::*;

#[tokio::test]
async fn a_work_tree_is_prepared_worked_in_and_taken_out() {
    let executor = engine().await;
    let repository = Repository::new();
    let mirror = repository.mirror().await;
    let base = mirror.resolve("main").await.unwrap();
    let quarantine = repository.quarantine(&mirror).await;
    let branch = BranchName::parse("deckhand/fix-1").unwrap();
    let name = SandboxName(format!("deckhand-test-work-{}", base.short()));
    let volume = VolumeName(format!("{}-work", name.0));
    let at_same_place = mirror.path().to_string_lossy().into_owned();
    let spec = SandboxSpec {
        name: name.clone(),
        image: IMAGE.to_owned(),
        command: ["sleep", "600"].map(str::to_owned).to_vec(),
        environment: BTreeMap::new(),
        working_directory: "/work".to_owned(),
        mounts: vec![
            Mount {
                source: MountSource::Volume(volume.clone()),
                target: "/work".to_owned(),
                access: Access::ReadWrite,
            },
            Mount {
                source: MountSource::Host(mirror.path().to_owned()),
                target: at_same_place,
                access: Access::ReadOnly,
            },
        ],
        labels: BTreeMap::new(),
        limits: limits(),
        runtime: None,
    };
    executor.start(&spec).await.unwrap();
    let prepare = || executor.exec(&name, prepare_script(mirror.path(), &base, &branch));
    let prepared = prepare().await.unwrap();
    assert_eq!(
        prepared.status,
        Some(0),
        "{}",
        String::from_utf8_lossy(&prepared.errors)
    );
    let worked = sh(&executor, &name, "cd /work/repo && echo 2 > value.txt && git branch --show-current && git remote && git log --oneline origin/main | wc -l").await;
    assert_eq!(
        String::from_utf8_lossy(&worked.output),
        "deckhand/fix-1\n1\n"
    );
    assert_eq!(
        prepare().await.unwrap().status,
        Some(0),
        "a second run is fine"
    );
    let limits = TakeOutLimits::default();
    let errand = Errand {
        base: &base,
        branch: &branch,
        pushed: None,
        rules: Rules {
            scope: &Scope::read(&["value.txt"]).unwrap(),
            known: &NoSecrets,
            limits: &limits,
        },
    };
    let taken = take_out(&executor, &name, &quarantine, &errand)
        .await
        .unwrap();
    assert_eq!(taken.files.len(), 1, "the second preparation kept the work");
    assert_eq!(taken.files[0].path, "value.txt");
    executor.stop(&name).await.unwrap();
    executor.remove_volume(&volume).await.unwrap();
}
