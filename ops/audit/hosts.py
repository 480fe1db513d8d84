"""A cluster whose ranks meet over encrypted sockets, as those of two hosts do: two supervisors on two loopback addresses."""

import contextlib
import subprocess

from cluster import Cluster, wait_for

ADDRESSES = ("127.0.0.1", "127.0.0.2")
RANK_PORT, SEED_PORT = 7560, 7558


class FirstHost(Cluster):
    """Counts the other host's processes as its own, and its directory, which lies in this one's."""

    other = None

    def info(self):
        own = super().info()
        if self.other and "processes" in own:
            own["processes"] += self.other.info().get("processes", [])
        return own


def key_of(directory, binary):
    (directory / "keys").mkdir(parents=True)
    (directory / "keys").chmod(0o700)
    return subprocess.run([binary, "keys", "show", "--directory", directory], capture_output=True, text=True,
                          check=True).stdout.strip()


@contextlib.contextmanager
def two_hosts(configuration, folder, binary):
    """The first host's cluster, once both form a group. `configuration` has the models; `folder` is empty."""
    folder.chmod(0o755)
    directories = [folder, folder / "second"]
    keys = [key_of(directory, binary) for directory in directories]
    lists = "".join(f'[[rank_host]]\nendpoint = "tcp://{address}:{RANK_PORT}"\npublic_key = "{key}"\n'
                    for address, key in zip(ADDRESSES, keys, strict=True))
    path = folder / "hosts.toml"
    path.write_text(f"threads_per_worker = 1\n{configuration}{lists}")
    shared = ("--config", str(path), "--worker-host")
    with contextlib.ExitStack() as running:
        first = running.enter_context(FirstHost(*shared, ADDRESSES[0], "--listen", f"{ADDRESSES[0]}:{SEED_PORT}", models=(),
                                                directory=directories[0], binary=binary, ready_within=None))
        join = wait_for(lambda: first.info().get("join"), 20, "the first host's front runs").removeprefix("tcp://")
        first.mayfly("keys", "trust", "second", keys[1])
        first.other = running.enter_context(Cluster(*shared, ADDRESSES[1], "--join", join, models=(), directory=directories[1],
                                                    binary=binary, ready_within=None))
        wait_for(lambda: first.info().get("ready"), 30, "the group is formed and serves")
        yield first
