"""Carries frames between two devices of its network namespace, late and out of order: this kernel has no netem.

    frame_relay.py DEVICE DEVICE SEED

Reads commands from its standard input, a JSON object a line, each in force until the next:
    {"delay": [LEAST, MOST], "twice": SHARE}   seconds, drawn anew for every frame: later ones overtake earlier ones;
                                               so many of the frames are sent a second time
    {"hold": true}                             keeps what comes; the next command lets all of it go at once
Headers as the kernel's own (PACKET_VNET_HDR) come with each frame: large segments and checksums stay what they were.
"""

import heapq
import itertools
import json
import random
import selectors
import socket
import sys
import time

SOL_PACKET, PACKET_VNET_HDR, PACKET_OUTGOING = 263, 15, 4
EVERYTHING = 3  # ETH_P_ALL
LARGEST = 70000  # of a frame with its header


def opened(device):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERYTHING))
    end.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    end.bind((device, EVERYTHING))
    end.setblocking(False)
    return end


class Relay:
    def __init__(self, ends, seed):
        self.others = {ends[0]: ends[1], ends[1]: ends[0]}
        self.draw = random.Random(seed)
        self.order = itertools.count()
        self.waiting = []  # (when, order, end, frame)
        self.delay, self.twice, self.holds = (0, 0), 0, False

    def obey(self, command):
        self.holds = command.get("hold", False)
        self.delay, self.twice = command.get("delay", self.delay), command.get("twice", self.twice)

    def take(self, end):
        while True:
            try:
                frame, origin = end.recvfrom(LARGEST)
            except BlockingIOError:
                return
            if origin[2] == PACKET_OUTGOING:  # the relay's own
                continue
            for _ in range(2 if self.draw.random() < self.twice else 1):
                heapq.heappush(self.waiting, (time.monotonic() + self.draw.uniform(*self.delay), next(self.order),
                                              self.others[end], frame))

    def send_due(self):
        """Seconds until the next frame is due; None while there is none."""
        while self.waiting and not self.holds:
            left = self.waiting[0][0] - time.monotonic()
            if left > 0:
                return left
            _, _, end, frame = heapq.heappop(self.waiting)
            try:
                end.send(frame)
            except OSError:  # the device is full: a frame is lost, as on any line
                pass
        return None


def main():
    devices, seed = sys.argv[1:3], int(sys.argv[3])
    ends = [opened(device) for device in devices]
    relay = Relay(ends, seed)
    looks = selectors.DefaultSelector()
    for end in ends:
        looks.register(end, selectors.EVENT_READ)
    looks.register(sys.stdin, selectors.EVENT_READ)
    while True:
        for ready, _ in looks.select(relay.send_due()):
            if ready.fileobj is sys.stdin:
                line = sys.stdin.readline()
                if not line:
                    return
                relay.obey(json.loads(line))
                print("done", flush=True)
            else:
                relay.take(ready.fileobj)


if __name__ == "__main__":
    main()
