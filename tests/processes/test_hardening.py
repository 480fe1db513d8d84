"""What /proc says of a running cluster's processes: no privileges, no dumps, no way to disk for content."""

import fcntl
import os
import stat
from pathlib import Path

import pytest
from cluster import SHAPES, Cluster, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root sees what undumpable processes hold")

CONTENT_ROLES = ("front", "gateway", "worker")
F_GET_SEALS = 1034
F_SEAL_WRITE = 8


def processes(cluster, *roles):
    """The cluster's processes but its supervisor: (name for messages, pid)."""
    found = [(f"{process['role']} {process['pid']}", process["pid"]) for process in cluster.info()["processes"]
             if process["role"] != "supervisor" and (not roles or process["role"] in roles)]
    assert found, "no process to look at"
    return found


def facts(path):
    lines = (line.partition(":") for line in path.read_text().splitlines())
    return {name: value.split() for name, _, value in lines}


def threads(pid):
    """/proc's status of every thread: each has privileges and filters of its own."""
    return [facts(task / "status") for task in Path(f"/proc/{pid}/task").iterdir()]


def limit(pid, name):
    line = next(line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith(name))
    return line[len(name):].split()[:2]


def is_sealed(path):
    """Whether what a descriptor names is a memory file that nobody can write any more."""
    try:
        with open(path, "rb") as file:
            return bool(fcntl.fcntl(file, F_GET_SEALS) & F_SEAL_WRITE)
    except OSError:
        return False


def open_for_writing(pid):
    """The regular files that a process could write: {descriptor: path}."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            mode = int(facts(Path(f"/proc/{pid}/fdinfo/{link.name}"))["flags"][0], 8) & os.O_ACCMODE
            if mode != os.O_RDONLY and stat.S_ISREG(link.stat().st_mode) and not is_sealed(link):
                found[int(link.name)] = os.readlink(link)
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def test_no_process_of_a_cluster_runs_as_root(cluster):
    for name, pid in processes(cluster):
        for thread in threads(pid):
            assert len(thread["Uid"]) == 4 and "0" not in thread["Uid"], name
            assert len(thread["Gid"]) == 4 and "0" not in thread["Gid"], name
            assert thread["Groups"] == [], name


def test_no_thread_of_a_process_has_a_capability(cluster):
    for name, pid in processes(cluster):
        for thread in threads(pid):
            for held in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                assert int(thread[held][0], 16) == 0, f"{name}: {held}"


def test_no_process_can_gain_a_privilege_by_what_it_executes(cluster):
    for name, pid in processes(cluster):
        assert all(thread["NoNewPrivs"] == ["1"] for thread in threads(pid)), name


def test_every_thread_of_a_worker_is_behind_a_system_call_filter(cluster):
    for name, pid in processes(cluster, "worker"):
        for thread in threads(pid):
            assert thread["Seccomp"] == ["2"], f"{name}: {thread['Name']}"


def test_processes_that_see_content_lock_memory_and_none_of_it_is_swapped(cluster):
    for name, pid in processes(cluster, *CONTENT_ROLES):
        process = facts(Path(f"/proc/{pid}/status"))
        assert int(process["VmLck"][0]) > 0, name
        assert int(process["VmSwap"][0]) == 0, name


def test_workers_lock_as_much_as_they_report_to_hold_for_content(cluster):
    workers = processes(cluster, "worker")

    def reported():
        bytes_held = [worker["content_bytes"] for worker in cluster.reports("worker")]
        return bytes_held if len(bytes_held) == len(workers) else None

    largest = max(wait_for(reported, 10, "every worker reports"))
    for name, pid in workers:
        assert int(facts(Path(f"/proc/{pid}/status"))["VmLck"][0]) * 1024 >= largest > 0, name


def test_no_process_can_leave_a_core_dump(cluster):
    for name, pid in [*processes(cluster), ("supervisor", cluster.process.pid)]:
        assert limit(pid, "Max core file size") == ["0", "0"], name


def test_processes_are_undumpable_so_their_user_can_read_nothing_of_them(cluster):
    for name, pid in processes(cluster):
        assert facts(Path(f"/proc/{pid}/status"))["Uid"][0] != "0", name
        for entry in ("environ", "mem", "maps", "fd"):
            assert os.stat(f"/proc/{pid}/{entry}").st_uid == 0, f"{name}: {entry}"


def test_nothing_of_the_callers_environment_reaches_a_process(cluster):
    for name, pid in processes(cluster):
        assert Path(f"/proc/{pid}/environ").read_bytes() == b"LD_BIND_NOW=1\0", name


def test_a_worker_can_write_no_file_but_the_one_its_output_was_sent_to(cluster):
    for name, pid in processes(cluster, "worker"):
        writable = open_for_writing(pid)
        assert writable == {1: str(cluster.log), 2: str(cluster.log)}, name


def test_no_memory_is_both_writable_and_executable(cluster):
    for name, pid in processes(cluster):
        regions = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
        assert regions, name
        assert [region for region in regions if "w" in region[1] and "x" in region[1]] == [], name


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_memory_that_cannot_be_locked_is_told_in_the_status(shape):
    limited = ("setpriv", "--bounding-set=-sys_resource", "prlimit", "--memlock=65536:65536")  # for root's children too
    with Cluster("--workers", "1", *shape, command_prefix=limited) as running:
        wait_for(lambda: "could not be locked" in running.mayfly("status"), 10, "the status warns")
        assert '"memory_not_locked"' in running.log.read_text()
