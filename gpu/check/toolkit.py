"""Where the CUDA toolkit, NCCL and the sanitizer are on this machine; whether it has a GPU."""

import ctypes
import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def has_gpu():
    """The driver's own word, so that nothing else need be installed."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def device_line():
    """Name, memory and driver as nvidia-smi says them, or an empty string."""
    try:
        run = subprocess.run(["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"],
                             capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip().split("\n")[0] if run.returncode == 0 else ""


def wheel_folders():
    """nvidia/ of every place where Python keeps packages: PyTorch's wheels bring NCCL and cuBLAS there."""
    places = [*sys.path, *site.getsitepackages(), site.getusersitepackages()]
    return [Path(place) / "nvidia" for place in dict.fromkeys(places) if (Path(place) / "nvidia").is_dir()]


def in_wheels(pattern):
    for folder in wheel_folders():
        for found in sorted(folder.glob(pattern)):
            return found
    return None


def find_nccl():
    found = in_wheels("*/lib/libnccl.so.2")
    if found:
        return str(found)
    try:
        ctypes.CDLL("libnccl.so.2")
        return "libnccl.so.2"
    except OSError:
        return None


def find_tool(name, toolkit):
    """A program of the toolkit: beside nvcc, where the sanitizer installs itself, or on the path."""
    places = [Path(toolkit or "/usr/local/cuda") / "bin" / name, Path(toolkit or "/usr/local/cuda") / name / name,
              Path("/usr/local/cuda/bin") / name, Path("/usr/local/cuda/compute-sanitizer") / name]
    for place in places:
        if os.access(place, os.X_OK) and place.is_file():
            return str(place)
    return shutil.which(name) or (str(found) if (found := in_wheels(f"*/bin/{name}")) else None)


def _is_whole(root):
    return (root / "bin/nvcc").exists() and (root / "include/cublasLt.h").exists() and \
        (root / "lib64/libcublasLt.so").exists() and (root / "lib64/libcudart_static.a").exists()


def _first(candidates, member):
    for root in candidates:
        for folder in ("lib64", "lib", "targets/x86_64-linux/lib", "include", "targets/x86_64-linux/include"):
            found = sorted((root / folder).glob(member))
            if found:
                return found[0]
    return None


def _assemble(nvcc_root, candidates, place):
    """A folder that looks as gpu/kernels/cuda/CMakeLists.txt wants a toolkit, of links into what is here."""
    shutil.rmtree(place, ignore_errors=True)
    for folder in ("include", "lib64"):
        (place / folder).mkdir(parents=True)
    (place / "bin").symlink_to(nvcc_root / "bin")
    for header in ("cuda_runtime_api.h", "cublasLt.h"):
        found = _first(candidates, header)
        if not found:
            return f"the header {header}"
        for each in found.parent.iterdir():
            link = place / "include" / each.name
            if not link.exists():
                link.symlink_to(each)
    for library, name in (("libcudart_static.a", "libcudart_static.a"), ("libcublasLt.so*", "libcublasLt.so")):
        found = _first(candidates, library)
        if not found:
            return f"the library {name}"
        for each in found.parent.glob(f"{name.split('.')[0]}*"):
            (place / "lib64" / each.name).symlink_to(each)
        if not (place / "lib64" / name).exists():
            (place / "lib64" / name).symlink_to(found)
    return None


def find_toolkit(place):
    """The path of a toolkit and an empty string, or None and what is missing. Assembles one in `place` where the
    compiler and its libraries lie apart."""
    told = subprocess.run([ROOT / "ops/setup-cuda", "--find"], capture_output=True, text=True, check=False)
    if told.returncode == 0:
        return told.stdout.strip().split("\n")[-1], ""
    nvcc = shutil.which("nvcc")
    roots = [Path(os.environ["CUDA_HOME"])] if os.environ.get("CUDA_HOME") else []
    roots += [Path(nvcc).resolve().parents[1]] if nvcc else []
    roots += [Path("/usr/local/cuda"), *sorted(Path("/usr/local").glob("cuda-13*"))]
    roots += [wheels / name for wheels in wheel_folders() for name in ("cu13", "cublas", "cuda_runtime", "cuda_nvcc")]
    roots = [root for root in roots if root.is_dir()]
    with_nvcc = [root for root in roots if os.access(root / "bin/nvcc", os.X_OK)]
    if not with_nvcc:
        return None, "nvcc (set CUDA_HOME, or fetch a toolkit by ops/setup-cuda)"
    for root in with_nvcc:
        if _is_whole(root):
            return str(root), ""
    missing = _assemble(with_nvcc[0], roots, Path(place))
    return (None, missing) if missing else (str(place), "")
