"""As much of GGUF as gpu/check's own files use: numbers and strings of the metadata, tensors of bf16 and f32.

Format: the GGUF specification (ggml's docs/gguf.md), version 3.
"""

import mmap
import struct

NUMBERS = {4: "<I", 6: "<f"}  # uint32, float32
STRING = 8
BF16, F32 = 30, 0


class GgufFile:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        magic, version, tensors, values = struct.unpack_from("<4sIQQ", self.data)
        if (magic, version) != (b"GGUF", 3):
            raise ValueError("no GGUF file of version 3")
        self.at = struct.calcsize("<4sIQQ")
        self.metadata = dict(self.value() for _ in range(values))
        self.tensors = dict(self.tensor() for _ in range(tensors))
        self.begin = (self.at + 31) // 32 * 32

    def take(self, form):
        taken = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return taken[0]

    def text(self):
        length = self.take("<Q")
        self.at += length
        return self.data[self.at - length:self.at].decode()

    def value(self):
        key, kind = self.text(), self.take("<I")
        return key, self.text() if kind == STRING else self.take(NUMBERS[kind])

    def tensor(self):
        """name: (rows, columns), one row where it is a vector; type; offset in the data."""
        called = self.text()
        sizes = [self.take("<Q") for _ in range(self.take("<I"))]
        return called, ((sizes[1] if len(sizes) == 2 else 1, sizes[0]), self.take("<I"), self.take("<Q"))

    def read(self, called, torch):
        """A copy, [rows][columns], bf16."""
        (rows, columns), kind, offset = self.tensors[called]
        types = {BF16: torch.bfloat16, F32: torch.float32}
        flat = torch.frombuffer(self.data, dtype=types[kind], count=rows * columns, offset=self.begin + offset)
        return flat.reshape(rows, columns).to(torch.bfloat16, copy=True)
