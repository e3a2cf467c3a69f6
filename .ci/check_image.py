"""Builds the image by deploy/Dockerfile, without a network, and looks at what came out: how large it is, what is in
it and what is not, what it says of itself, and whether it runs with nothing but what it needs.

Usage: check_image.py [FOLDER] [--save FILE.tar]
  FOLDER   the sources; this repository if they are not given
  --save   writes the image that was looked at into a file, as `docker save` does, for check_pods.py
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
from nines_image import fetch_crates, nines_image
from support import ROOT, wait_for

LARGEST_MB = 25
USER = "65532:65532"
CONTENTS = {"nines", "sbom.json", "data", "etc/ssl/certs/ca-certificates.crt"}
# What Docker puts into any container.
DOCKERS = {".dockerenv", "dev/console", "dev/pts", "dev/shm", "proc", "sys"}
DOCKERS |= {f"etc/{name}" for name in ("hostname", "hosts", "mtab", "resolv.conf")}
CONFINED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", f"--user={USER}", "--network=none"]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("source", metavar="FOLDER", nargs="?", type=pathlib.Path, default=ROOT)
    options.add_argument("--save", metavar="FILE.tar", type=pathlib.Path)
    options = options.parse_args()
    source = options.source.resolve()
    docker = Docker()
    fetch_crates(source)
    with docker:
        nines_image(docker, source)
        says_what_it_is(docker)
        with tempfile.TemporaryDirectory() as folder:
            holds_nothing_else(docker, folder)
            binary = pathlib.Path(folder, "nines").read_bytes()
            is_static(binary)
            names_its_parts(source, binary, json.loads(pathlib.Path(folder, "sbom.json").read_text()))
        runs_confined(docker)
        if options.save:
            save(docker, options.save)
    print("image: fine")


def says_what_it_is(docker):
    [image] = json.loads(docker.output("image", "inspect", IMAGE))
    size = image["Size"] / 1e6
    config = image["Config"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in (config["Labels"] or {}).items()}
    print(f"size: {size:.1f} MB; labels: {json.dumps(labels)}")
    expect(size <= LARGEST_MB, f"at most {LARGEST_MB} MB, not {size:.1f} MB")
    expect(config["User"] == USER, f"the user is {USER}, not {config['User']!r}")
    expect(config["Entrypoint"] == ["/nines"], f"the entry point is the binary itself, not {config['Entrypoint']}")
    for name in ("title", "description", "licenses", "version", "revision"):
        expect(labels.get(name), f"a label {name}")


def holds_nothing_else(docker, folder):
    """No shell, no package manager: the files are counted. Leaves binary and list of parts in `folder`."""
    container = docker.output("create", IMAGE)
    archive = pathlib.Path(folder, "image.tar")
    docker.run("export", f"--output={archive}", container)
    docker.run("rm", container, quiet=True)
    with tarfile.open(archive) as image:
        folders = {str(parent) for member in image for parent in pathlib.PurePath(member.name).parents}
        found = {member.name: member for member in image if member.name not in folders}
        for name in ("nines", "sbom.json"):
            pathlib.Path(folder, name).write_bytes(image.extractfile(name).read())
    expect(set(found) - DOCKERS == CONTENTS, f"the image holds {sorted(CONTENTS)}, not {sorted(set(found) - DOCKERS)}")
    expect(f"{found['data'].uid}:{found['data'].gid}" == USER, f"/data belongs to {USER}")
    writable = [name for name in CONTENTS - {"data"} if found[name].uid != 0 or found[name].mode & 0o022]
    expect(not writable, f"nothing but /data belongs to the user: {writable}")


def is_static(binary):
    """An ELF file without an interpreter, which would load libraries."""
    offset, size, count = struct.unpack_from("<Q", binary, 32) + struct.unpack_from("<HH", binary, 54)
    kinds = [struct.unpack_from("<I", binary, offset + size * entry)[0] for entry in range(count)]
    expect(binary[:4] == b"\x7fELF" and 1 in kinds and 3 not in kinds, "the binary is linked statically")


def names_its_parts(source, binary, sbom):
    """The list beside the binary has the versions of Cargo.lock, and the binary has one of its own."""
    expect(b".dep-v0" in binary, "the binary has a list of its dependencies (cargo auditable)")
    expect(sbom["bomFormat"] == "CycloneDX", f"the list of parts is CycloneDX, not {sbom.get('bomFormat')}")
    parts = {(part["name"], part["version"]) for part in sbom["components"]}
    lock = (source / "Cargo.lock").read_text()
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
