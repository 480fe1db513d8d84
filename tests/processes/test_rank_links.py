"""Ranks on two hosts whose line is late: what it carries is delayed, overtaken, doubled, or arrives after its epoch."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster import TINY_MODEL, wait_for
from test_groups import PROMPTS, ROUNDS, answers, check_alike, formed_epoch
from test_hosts import ADDRESSES, HERE, THERE, in_host, ip, on
from test_rank_hosts import answer_here, asked, check_formed_anew, check_settled, lost_at, split_over_hosts

BETWEEN = f"mayfly-{os.getpid()}-line"
LATE = {"delay": [0.002, 0.002]}
DISORDERED = {"delay": [0, 0.004], "twice": 0.1}


class Line:
    """What joins the two hosts; obeys frame_relay.py's commands."""

    def __init__(self):
        relay = Path(__file__).with_name("frame_relay.py")
        self.process = subprocess.Popen([*on(BETWEEN), sys.executable, str(relay), "la", "lb", "1"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.be({})

    def be(self, command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n", "the relay has ended"

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


@pytest.fixture
def line():
    """Two network namespaces, and a third one between them that carries their frames."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    names = (HERE, THERE, BETWEEN)
    try:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
            ip("netns", "add", name)
        for host, device, end in ((HERE, "va", "la"), (THERE, "vb", "lb")):
            ip("link", "add", device, "netns", host, "type", "veth", "peer", "name", end, "netns", BETWEEN)
            ip("addr", "add", ADDRESSES[host] + "/24", "dev", device, host=host)
            for name in (device, "lo"):
                ip("link", "set", "dev", name, "up", host=host)
            ip("link", "set", "dev", end, "up", host=BETWEEN)
        carrier = Line()
        yield carrier
        carrier.end()
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def overtaken():
    """How many TCP segments reached the second host before one that was sent earlier."""
    names, counts = [text.split() for text in in_host(on(THERE), "cat", "/proc/net/netstat").splitlines()
                     if text.startswith("TcpExt:")]
    return int(counts[names.index("TCPOFOQueue")])


@pytest.mark.parametrize("how", [LATE, DISORDERED], ids=["late", "late, overtaken and doubled"])
def test_ranks_over_a_line_that_is_late_answer_as_one_process_does(line, tmp_path, how):
    with split_over_hosts(tmp_path) as (first, _):
        line.be(how)
        epoch = wait_for(lambda: formed_epoch(first), 20, "the group is formed")
        split = [answer_here(first, prompt) for prompt in PROMPTS[:2]]
        assert [answer_here(first, prompt) for prompt in PROMPTS[:2]] == split, "the same run to run"
        assert formed_epoch(first) == epoch, "the group stands"
        assert how is LATE or overtaken() > 10, "the line does not do what it is to do"
        check_settled(first)
    check_alike(answers(TINY_MODEL, 1)[:2], split)


def test_what_arrives_after_its_epoch_harms_nothing(line, tmp_path):
    with split_over_hosts(tmp_path) as (first, second):
        expected = answer_here(first, PROMPTS[0])
        for _ in range(ROUNDS):
            before = wait_for(lambda: formed_epoch(first), 20, "the group is formed")
            with asked(first):
                line.be({"hold": True})
                try:
                    for host in (first, second):
                        wait_for(lambda host=host: lost_at(host, before), 10, "both hosts notice")
                    time.sleep(1)  # what they tell each other now is held back as well
                finally:
                    line.be(DISORDERED)
                check_formed_anew(first, before)
            check_settled(first)
            assert answer_here(first, PROMPTS[0]) == expected
