"""A base image for builds without a registry, put together from what this machine has.

Debian's C compiler with what it needs, Rust's toolchain, cargo's own tools, and the sources of all crates
in Cargo.lock. With it deploy/Dockerfile builds as it is, without a network.
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

from support import skip_or_fail, tool

# What a build calls, as Debian packages.
PACKAGES = ["ca-certificates", "coreutils", "dash", "gcc", "libc6-dev"]
CARGO = pathlib.Path("usr/local/cargo")
# The crates are a folder: cargo needs no registry.
CONFIG = '[source.crates-io]\nreplace-with = "here"\n[source.here]\ndirectory = "/usr/local/cargo/vendor"\n'


def rust_image(docker, source):
    """The name of an image to build with; made anew where compiler or crates have changed."""
    if shutil.which("dpkg-query") is None or shutil.which("cargo") is None:
        skip_or_fail("Debian with Rust", "the base image is put together from it")
    name = f"nines-rust:{fingerprint(source)}"
    if docker.run("image", "inspect", name, check=False, quiet=True).returncode != 0:
        make(docker, source, name)
    return name


def fingerprint(source):
    """Short for everything that the image depends on."""
    parts = [output("rustc", "-vV"), (source / "Cargo.lock").read_text(), pathlib.Path(__file__).read_text()]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:12]


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def make(docker, source, name):
    """Streams the root file system into the daemon."""
    path = "PATH=/usr/local/cargo/bin:/usr/local/rust/bin:/usr/bin"
    changes = [f"--change=ENV {one}" for one in (path, f"CARGO_HOME=/{CARGO}", "CARGO_NET_OFFLINE=true")]
    command = [docker.client, "import", *changes, "-", name]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory() as vendor:
        run = ["cargo", "vendor", "--quiet", "--locked", "--versioned-dirs", vendor]
        subprocess.run(run, check=True, cwd=source, stdout=subprocess.DEVNULL)
        with subprocess.Popen(command, **streams, env=docker.environment) as importing:
            # An import that ends early says itself why.
            with contextlib.suppress(BrokenPipeError):
                with tarfile.open(fileobj=importing.stdin, mode="w|") as archive:
                    fill(archive, vendor)
                importing.stdin.close()
        if importing.returncode != 0:
            sys.exit(f"docker import ended with {importing.returncode}")


def fill(archive, vendor):
    for path in debian():
        archive.add(path, path.lstrip("/"), recursive=False)
    rust = pathlib.Path(output("rustc", "--print", "sysroot"))
    for folder in ("bin", "lib"):
        archive.add(rust / folder, f"usr/local/rust/{folder}")
    for name in ("cargo-auditable", "cargo-cyclonedx"):
        archive.add(tool(name, "deploy/tools sbom installs it"), str(CARGO / "bin" / name))
    archive.add(vendor, str(CARGO / "vendor"))
    with tempfile.NamedTemporaryFile("w") as config:
        config.write(CONFIG)
        config.flush()
        archive.add(config.name, str(CARGO / "config.toml"))
    archive.add("/tmp", "tmp", recursive=False)


def debian():
    """The files of the packages and of all that they need, and the links that installing them made."""
    options = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    listed = output("apt-cache", "depends", "--recurse", "--installed", *options, *PACKAGES)
    needed = [line for line in listed.splitlines() if line[0].isalpha()]
    paths = set(output("dpkg-query", "--listfiles", *needed).splitlines())
    paths |= {"/usr/bin/cc", "/etc/alternatives/cc", "/etc/ssl/certs/ca-certificates.crt"}
    paths |= {"/bin", "/lib", "/lib64", "/sbin"}
    unwanted = ("/usr/share/doc", "/usr/share/man", "/usr/share/locale")
    return sorted({in_place(path) for path in paths if os.path.lexists(path) and not path.startswith(unwanted)})


def in_place(path):
    """`/bin/sh` is `/usr/bin/sh` where the two folders are one."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)
