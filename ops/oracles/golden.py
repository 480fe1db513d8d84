"""Writing golden files: the same content gives the same bytes."""

import json
from pathlib import Path


def write_lines(file: Path, records: list) -> None:
    """One JSON object a line, ASCII only, no spaces."""
    write_bytes(file, "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records).encode())


def write_bytes(file: Path, content: bytes) -> None:
    """Writes beside the target and renames; says what changed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_bytes() if file.exists() else None
    part = file.with_name(file.name + ".part")
    part.write_bytes(content)
    part.replace(file)
    state = "new" if before is None else "same" if before == content else "CHANGED"
    print(f"  {file.parent.name}/{file.name}: {len(content)} bytes, {state}")
