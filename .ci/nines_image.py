"""The image as deploy/Dockerfile makes it, built without a network."""

import pathlib
import shutil
import subprocess
import sys
import time

from docker import IMAGE
from rust_image import rust_image


def fetch_crates(source):
    """Downloads the crates of Cargo.lock that are not here yet, also those of other systems: before Docker takes
    the network away. Without a network there may still be a base image that has them all."""
    if shutil.which("cargo"):
        subprocess.run(["cargo", "fetch", "--quiet", "--locked"], cwd=source, check=False)


def nines_image(docker, source):
    """Builds the image from the folder `source`; what was built before is not built again."""
    source = pathlib.Path(source)
    begin = time.monotonic()
    base = rust_image(docker, source)
    made = time.monotonic()
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True).stdout.strip()
    arguments = {"RUST_IMAGE": base, "REVISION": revision or "unknown"}
    flags = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    build = ["build", "--network=none", f"--file={source / 'deploy' / 'Dockerfile'}", f"--tag={IMAGE}", *flags, source]
    done = docker.run(*build, check=False, quiet=True)
    if done.returncode != 0:
        sys.exit(f"docker build ended with {done.returncode}\n{done.stdout[-6000:]}")
    print(f"built in {time.monotonic() - made:.0f} s, on a base made in {made - begin:.0f} s")
    return IMAGE
