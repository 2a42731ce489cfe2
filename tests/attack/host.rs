//! Attacks on the machine that runs the sandboxes.

use deckhand_executors::egress::EgressPolicy;

use super::{
    ground::{self, Control, Inside, Road, Sign},
    suite::{Family, Listed, Suite},
};

/// All of them; a new attack is one row.
const TABLE: &[Inside] = &[Inside {
    id: "host-engine-socket",
    tries: "Ask the container engine for a container with the host's disk, by its socket or its port.",
    script: r#"
for socket in /var/run/docker.sock /run/docker.sock /run/containerd/containerd.sock /run/podman/podman.sock; do
  curl -s -m 2 --unix-socket $socket http://engine/version && echo got $socket
done
for host in 127.0.0.1 $GATEWAY $HOST; do
  for port in 2375 2376; do curl -s -m 2 --noproxy '*' http://$host:$port/version | grep ApiVersion && echo got $host; done
done
echo tried: $(curl --version | head -n 1)"#,
    // A container that has the engine's socket has the host; the suite starts none.
    control: Control::None,
    sign: Sign::Gets,
    road: Road::WORK,
}];

fn table() -> Vec<&'static Inside> {
    TABLE.iter().collect()
}

/// The rows as the table lists them.
pub fn listed() -> Vec<Listed> {
    ground::listed(&table(), Family::Host)
}

/// Makes them.
pub async fn run(suite: &mut Suite) -> anyhow::Result<()> {
    ground::try_all(suite, Family::Host, &table(), EgressPolicy::default()).await
}
