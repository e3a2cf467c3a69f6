"""Builds the image by deploy/Dockerfile, without a network, and checks what is in it and what is not, its user and
labels, and that it runs with nothing but what it needs. Of an image that the Dockerfile compiled also its size and its
list of dependencies.

Usage: check_image.py [--binary NINES] [--save FILE.tar]
  --binary   a static binary to put into the image; without it the Dockerfile compiles this repository
  --save     writes the image into a file, as `docker save` does, for check_pods.py
"""

import argparse
import json
import pathlib
import re
import struct
import sys
import tarfile
import tempfile

from docker import IMAGE, Docker
from nines_image import fetch_crates, image_of_binary, image_of_sources
from support import ROOT, wait_for

# deploy/image.toml has the binary optimised for size; a plain release build is larger.
LARGEST_MB, LARGEST_QUICK_MB = 25, 45
USER = "65532:65532"
CONTENTS = {"nines", "data", "etc/ssl/certs/ca-certificates.crt"}
# Docker puts these into any container.
DOCKERS = {".dockerenv", "dev/console", "dev/pts", "dev/shm", "proc", "sys"}
DOCKERS |= {f"etc/{name}" for name in ("hostname", "hosts", "mtab", "resolv.conf")}
CONFINED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", f"--user={USER}", "--network=none"]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", metavar="NINES", type=pathlib.Path)
    options.add_argument("--save", metavar="FILE.tar", type=pathlib.Path)
    options = options.parse_args()
    docker = Docker()
    if not options.binary:
        fetch_crates(ROOT)
    with docker:
        if options.binary:
            image_of_binary(docker, options.binary)
        else:
            image_of_sources(docker, ROOT)
        check(docker, compiled=not options.binary)
        if options.save:
            save(docker, options.save)
    print("image: fine")


def check(docker, compiled):
    labels_and_user(docker, LARGEST_MB if compiled else LARGEST_QUICK_MB)
    with tempfile.TemporaryDirectory() as folder:
        holds_nothing_else(docker, folder, CONTENTS | ({"sbom.json"} if compiled else set()))
        binary = pathlib.Path(folder, "nines").read_bytes()
        is_static(binary)
        if compiled:
            lists_its_dependencies(binary, json.loads(pathlib.Path(folder, "sbom.json").read_text()))
    runs_confined(docker)


def labels_and_user(docker, largest):
    [image] = json.loads(docker.output("image", "inspect", IMAGE))
    size = image["Size"] / 1e6
    config = image["Config"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in (config["Labels"] or {}).items()}
    print(f"size: {size:.1f} MB; labels: {json.dumps(labels)}")
    expect(size <= largest, f"at most {largest} MB, not {size:.1f} MB")
    expect(config["User"] == USER, f"the user is {USER}, not {config['User']!r}")
    expect(config["Entrypoint"] == ["/nines"], f"the entry point is the binary itself, not {config['Entrypoint']}")
    for name in ("title", "description", "licenses", "version", "revision"):
        expect(labels.get(name), f"a label {name}")


def holds_nothing_else(docker, folder, contents):
    """No shell, no package manager: exactly `contents`. Leaves the files at its top level in `folder`."""
    container = docker.output("create", IMAGE)
    archive = pathlib.Path(folder, "image.tar")
    docker.run("export", f"--output={archive}", container)
    docker.run("rm", container, quiet=True)
    with tarfile.open(archive) as image:
        folders = {str(parent) for member in image for parent in pathlib.PurePath(member.name).parents}
        found = {member.name: member for member in image if member.name not in folders}
        for name in contents & {"nines", "sbom.json"}:
            pathlib.Path(folder, name).write_bytes(image.extractfile(name).read())
    expect(set(found) - DOCKERS == contents, f"the image holds {sorted(contents)}, not {sorted(set(found) - DOCKERS)}")
    expect(f"{found['data'].uid}:{found['data'].gid}" == USER, f"/data belongs to {USER}")
    writable = [name for name in contents - {"data"} if found[name].uid != 0 or found[name].mode & 0o022]
    expect(not writable, f"nothing but /data belongs to the user: {writable}")


def is_static(binary):
    """An ELF file without an interpreter, which would load libraries."""
    offset, size, count = struct.unpack_from("<Q", binary, 32) + struct.unpack_from("<HH", binary, 54)
    kinds = [struct.unpack_from("<I", binary, offset + size * entry)[0] for entry in range(count)]
    expect(binary[:4] == b"\x7fELF" and 1 in kinds and 3 not in kinds, "the binary is linked statically")


def lists_its_dependencies(binary, sbom):
    """The list beside the binary has the versions of Cargo.lock, and the binary has one of its own."""
    expect(b".dep-v0" in binary, "the binary has a list of its dependencies (cargo auditable)")
    expect(sbom["bomFormat"] == "CycloneDX", f"the list of parts is CycloneDX, not {sbom.get('bomFormat')}")
    parts = {(part["name"], part["version"]) for part in sbom["components"]}
    lock = (ROOT / "Cargo.lock").read_text()
    for name in ("axum", "tokio", "reqwest", "tower", "rustls"):
        versions = re.findall(rf'name = "{name}"\nversion = "(.+)"', lock)
        expect(any((name, version) in parts for version in versions), f"{name} {versions} is in the list of parts")
    print(f"parts: {len(parts)}, of them axum and tokio as in Cargo.lock")


def runs_confined(docker):
    """With nothing writable but the store, no privilege, no network."""
    version = docker.output("run", "--rm", *CONFINED, IMAGE, "--version")
    expect(version.startswith("nines "), f"it says its version, not {version!r}")
    serve = ["serve", "database", "--store=sqlite:/data/database.db", "--seed-users=1"]
    container = docker.output("run", "--detach", "--volume=/data", *CONFINED, IMAGE, *serve)

    def answers(url):
        return docker.run("exec", container, "/nines", "probe", url, check=False, quiet=True).returncode

    try:
        wait_for("the service in the image", lambda: answers("http://127.0.0.1:9090/readyz") == 0)
    except SystemExit:
        docker.run("logs", container)
        docker.run("inspect", "--format={{json .State}}", container)
        docker.run("exec", container, "/nines", "probe", "http://127.0.0.1:9090/readyz", check=False)
        raise
    expect(answers("http://127.0.0.1:9090/nowhere") == 1, "a probe of what is not there ends with 1")
    expect(answers("http://127.0.0.1:1/") == 3, "a probe of nobody ends with 3")
    docker.run("stop", "--time=60", container, quiet=True)
    code = docker.output("inspect", "--format={{.State.ExitCode}}", container)
    docker.run("rm", "--volumes", container, quiet=True)
    expect(code == "0", f"told to stop it ends with 0, not {code}")
    print(f"runs: {version}, read-only, without capabilities")


def save(docker, file):
    """Writes the image down; whole, or not at all."""
    part = file.with_name(f"{file.name}.part")
    docker.run("save", f"--output={part}", IMAGE)
    part.replace(file)
    print(f"saved: {file}, {file.stat().st_size / 1e6:.1f} MB")


def expect(holds, what):
    if not holds:
        sys.exit(f"image: expected: {what}")


if __name__ == "__main__":
    main()
