"""The image as deploy/Dockerfile makes it, built without a network."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from docker import IMAGE
from rust_image import rust_image
from support import ROOT


def fetch_crates(source):
    """Downloads the crates of Cargo.lock that are not here yet, also those of other systems: before Docker takes
    the network away. Without a network there may still be a base image that has them all."""
    if shutil.which("cargo"):
        subprocess.run(["cargo", "fetch", "--quiet", "--locked"], cwd=source, check=False)


def image_of_sources(docker, source):
    """Builds the image from the folder `source`, by the Dockerfile's own compiler stage."""
    start = time.monotonic()
    base = rust_image(docker, source)
    made = time.monotonic()
    build(docker, source, f"--build-arg=RUST_IMAGE={base}")
    print(f"built in {time.monotonic() - made:.0f} s, on a base made in {made - start:.0f} s")


def image_of_binary(docker, binary):
    """Puts a static binary that is there already into the image."""
    with tempfile.TemporaryDirectory() as context:
        root = pathlib.Path(context, "image", "root")
        certificates = root / "etc/ssl/certs/ca-certificates.crt"
        certificates.parent.mkdir(parents=True)
        pathlib.Path(context, "image", "data").mkdir()
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", certificates)
        shutil.copy(binary, root / "nines")
        build(docker, context, "--build-arg=CONTENT=prebuilt")


def build(docker, context, *flags):
    command = ["git", "rev-parse", "HEAD"]
    revision = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    flags = [*flags, f"--build-arg=REVISION={revision or 'unknown'}", f"--file={ROOT / 'deploy' / 'Dockerfile'}"]
    done = docker.run("build", "--network=none", f"--tag={IMAGE}", *flags, context, check=False, quiet=True)
    if done.returncode != 0:
        sys.exit(f"docker build ended with {done.returncode}\n{done.stdout[-6000:]}")
