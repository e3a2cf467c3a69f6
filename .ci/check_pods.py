"""Runs the pods that k8s/overlays/kind renders, two of each service, without a cluster: podman runs
them in a network of their own, with a real PostgreSQL as their store; this check does what a kubelet
does about readiness and about the end of a pod, and answers for names as cluster DNS does. Then pods
are killed and told to end, under load.

What is changed of a pod: its image's name, that probes and preStop are carried out from outside, and
that Secrets are put in as a kubelet would.
What is not there: scheduling, network policies, what observes. It must be run as root.

Usage: check_pods.py NINES [--image FILE.tar]
  --image   the image that `check_image.py --save FILE.tar` built and looked into; otherwise one is made of
            the binary and its libraries, which says nothing about deploy/Dockerfile
"""

import argparse
import contextlib
import glob
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from k8s.python import kustomize, with_packages
from support import ROOT, Busy, end_on_signals, need_namespaces, once_more, skip_or_fail, tool, wait_for

RATE = 40  # requests a second while pods come and go
SERVICES = ("audit", "auth", "profile", "database", "gateway")


def needed():
    """Podman, if all that it takes is here."""
    if os.geteuid() != 0:
        skip_or_fail("the right to make networks", "run this check as root")
    remedy = "deploy/tools podman installs it"
    for name in ("unshare", "ip"):
        tool(name, "install util-linux and iproute2")
    need_namespaces("mount", "net", "pid", "uts", "ipc")
    for name in ("runc", "catatonit"):
        tool(name, remedy)
    if not glob.glob("/usr/lib/postgresql/*/bin/initdb"):
        skip_or_fail("PostgreSQL", "install the package postgresql")
    return tool("podman", remedy)


class Postgres:
    """The store: a server in a temporary folder, with the databases that k8s makes."""

    def __init__(self, folder, address, password):
        self.folder, self.address, self.password = f"{folder}/postgres", address, password
        self.programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]

    def __enter__(self):
        try:
            self.make()
            # As the image does: it accepts no connection before the databases exist.
            self.start("")
            self.make_databases()
            self.run("pg_ctl", "-D", "data", "-w", "-m", "fast", "stop")
            self.start(self.address)
        except BaseException:
            self.__exit__()
            raise
        return self

    def make(self):
        os.mkdir(self.folder)
        # PostgreSQL refuses to be run by root.
        owner = pwd.getpwnam("postgres")
        os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        pathlib.Path(self.folder, "password").write_text(self.password)
        self.run(
            "initdb",
            "-D",
            "data",
            "-U",
            "nines",
            "--pwfile=password",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--no-sync",
        )
        with open(f"{self.folder}/data/pg_hba.conf", "a") as hba:
            hba.write("host all all 10.90.0.0/16 scram-sha-256\n")

    def start(self, address):
        options = f"-c listen_addresses='{address}' -c fsync=off -k {self.folder}"
        self.run("pg_ctl", "-D", "data", "-l", "log", "-w", "-t", "300", "-o", options, "start")

    def make_databases(self):
        script = ROOT / "k8s" / "components" / "postgres" / "databases.sql"
        self.run(
            "psql",
            "-h",
            self.folder,
            "-U",
            "nines",
            "-d",
            "postgres",
            "--quiet",
            "-v",
            "ON_ERROR_STOP=1",
            input=script.read_bytes(),
        )

    def run(self, program, *arguments, **more):
        subprocess.run(
            [f"{self.programs}/{program}", *arguments],
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            **self.user,
            **more,
        )

    def __exit__(self, *_):
        if os.path.exists(f"{self.folder}/data/postmaster.pid"):
            self.run("pg_ctl", "-D", "data", "-m", "immediate", "stop")


def image_of(podman, nines, file, folder):
    """The name of the image that pods are to run."""
    if file:
        told = podman("load", "--input", file)
        name = re.search(r"Loaded image(?:\(s\))?: (\S+)", told)[1]
        print(f"  image: {name} of {file}")
        return name
    print(f"  image: {nines} with its libraries, not that of deploy/Dockerfile, which check_image.py --save builds")
    content = pathlib.Path(folder, "image")
    content.mkdir()
    shutil.copy(nines, content / "nines")
    libraries = subprocess.run(["ldd", nines], capture_output=True, text=True, check=False).stdout
    for library in re.findall(r"(/\S+) \(0x", libraries):
        place = pathlib.Path(f"{content}{library}")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, place)
    archive = shutil.make_archive(f"{folder}/image", "tar", content)
    podman(
        "import",
        "--change",
        'ENTRYPOINT ["/nines"]',
        "--change",
        "USER 65532:65532",
        archive,
        "localhost/nines:0.1.0",
    )
    return "localhost/nines:0.1.0"


class Edge:
    """The Service `edge`: the ready pods of the gateway, in turn."""

    def __init__(self, node):
        self.node, self.turn, self.token = node, 0, None

    def gateway(self):
        pods = self.node.of("gateway")
        self.turn += 1
        return pods[self.turn % len(pods)] if pods else None

    def login(self):
        body = json.dumps({"username": "user-1", "password": "password-1"}).encode()
        pod = self.gateway()
        request = urllib.request.Request(
            f"http://{pod.address}:8080/v1/login", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            self.token = json.load(answer)["token"]

    def page(self, pod=None):
        """The status of a page, and what it says; 0 if nobody answers."""
        pod = pod or self.gateway()
        if pod is None:
            return 0, "no gateway is ready"
        request = urllib.request.Request(
            f"http://{pod.address}:8080/v1/me", headers={"authorization": f"Bearer {self.token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)


class Load:
    """Pages, at a steady rate, while something happens."""

    def __init__(self, edge):
        self.edge, self.over = edge, threading.Event()
        self.asked, self.lost, self.threads = 0, [], []
        self.waited = 0.0  # the longest that a pod was kept waiting for a processor, in seconds

    def one(self):
        status, text = self.edge.page()
        if status != 200:
            self.lost.append((status, text))

    def go_on(self):
        due = time.monotonic()
        while not self.over.wait(max(0.0, due - time.monotonic())):
            due += 1 / RATE
            self.asked += 1
            thread = threading.Thread(target=self.one)
            thread.start()
            self.threads.append(thread)

    def __enter__(self):
        self.before = {pod: pod.waited() for pod in self.edge.node.pods.values()}
        self.going = threading.Thread(target=self.go_on)
        self.going.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.going.join()
        for thread in self.threads:
            thread.join(10)
        self.waited = max((pod.waited() - before for pod, before in self.before.items()), default=0.0)


def none_lost(what, load):
    """Every page was answered."""
    waited = f"a pod waited at most {load.waited:.1f} s for a processor"
    print(f"  {what}: {load.asked} requests, {len(load.lost)} lost ({waited})", flush=True)
    if load.asked < RATE:
        sys.exit(f"{what}: only {load.asked} requests")
    if load.lost:
        told = f"{what}: of {load.asked} requests {len(load.lost)} were lost; the first: {load.lost[0]}"
        # A pod that is not let run can't keep time-outs of 1 s, and that says nothing about it. Whoever is
        # refused or cut off did not wait.
        timed_out = all(status == 504 or text == "timed out" for status, text in load.lost)
        if load.waited < 0.5 or not timed_out:
            sys.exit(told)
        raise Busy(told)


def restricted(pod):
    """The process runs with the rights that the manifest leaves it, and no others."""
    status = dict(re.findall(r"(?m)^(\w+):\s+(.*)$", pathlib.Path(f"/proc/{pod.process}/status").read_text()))
    wanted = {"CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"}
    found = {key: status[key] for key in wanted}
    if found != wanted or status["Uid"].split() != ["65532"] * 4:
        sys.exit(f"{pod.name}: {found}, uid {status['Uid']}; wanted {wanted}, uid 65532")
    mounts = pathlib.Path(f"/proc/{pod.process}/mounts").read_text()
    if not re.search(r"(?m)^\S+ / \S+ ro[, ]", mounts):
        sys.exit(f"{pod.name}: its root can be written")


def asked(pod):
    """How many requests a pod has had, by its own metrics."""
    with urllib.request.urlopen(f"http://{pod.address}:9090/metrics", timeout=5) as answer:
        return sum(
            float(value) for value in re.findall(r"(?m)^nines_requests_total\{.*\} (\S+)$", answer.read().decode())
        )


def come_up(node, start_store):
    """Two pods of each service, and their store last: those that need it wait, alive and not ready, and
    none of them ends."""
    for service in SERVICES:
        for _ in range(2):
            node.start(service)
    waiting = [pod for pod in node.pods.values() if pod.service != "gateway"]
    for pod in waiting:
        wait_for(f"{pod.name} to be alive", lambda pod=pod: pod.get(9090, "/livez") == 200)
        if pod.get(9090, "/readyz") != 503:
            sys.exit(f"{pod.name}: ready without its store")
    processes = {pod.name: pod.process for pod in waiting}
    begin = time.monotonic()
    start_store()
    wait_for("all pods ready", lambda: all(len(node.of(service)) == 2 for service in SERVICES))
    print(f"  {len(node.pods)} pods, ready {time.monotonic() - begin:.1f} s after the start of their store")
    for pod in waiting:
        if pod.current_process() != processes[pod.name]:
            sys.exit(f"{pod.name} has ended instead of waiting for its store\n{pod.log()}")


def replicas_share(node, edge):
    """A token of one gateway and one auth is good at all, and pages are whole."""
    wait_for("a login", lambda: edge.login() or edge.token)
    for pod in node.of("gateway"):
        wait_for(f"a page of {pod.name}", lambda pod=pod: edge.page(pod)[0] == 200)
    with Load(edge) as load:
        time.sleep(5)
    none_lost("nothing happens", load)
    shares = {pod.name: asked(pod) for service in SERVICES[:-1] for pod in node.of(service)}
    idle = [name for name, count in shares.items() if count == 0]
    print(f"  requests: {', '.join(f'{name} {count:.0f}' for name, count in sorted(shares.items()))}")
    if idle:
        sys.exit(f"nobody asked {idle}")


def one_killed(node, edge):
    """A killed pod costs no request, and its successor, at another address, is found."""
    wait_for("two databases", lambda: len(node.of("database")) == 2)
    victim = node.of("database")[0]
    with Load(edge) as load:
        time.sleep(1)
        victim.kill()
        time.sleep(3)
        victim.remove()
        heir = node.start("database")
        begin = time.monotonic()
        wait_for(f"requests at {heir.name}", lambda: heir.ready and asked(heir) > 0)
        found = time.monotonic() - begin
        time.sleep(1)
    none_lost(f"{victim.name} killed", load)
    print(f"  {heir.name} at {heir.address} instead of {victim.address}: asked {found:.1f} s after its start")


def all_killed(node, edge):
    """Without any database there are no pages, and nobody else is restarted or taken out for it."""
    victims = node.of("database")
    for pod in victims:
        pod.kill()
    wait_for("pages that fail", lambda: edge.page()[0] in (500, 502, 503, 504))
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if edge.page()[0] == 200:
            sys.exit("a page without any database")
        time.sleep(0.2)
    others = {service: len(node.of(service)) for service in SERVICES if service != "database"}
    live = [pod.name for service in others for pod in node.of(service) if pod.get(9090, "/livez") != 200]
    if live or set(others.values()) != {2}:
        sys.exit(f"no database, and ready are {others}; not live: {live}")
    for pod in victims:
        pod.remove()
    begin = time.monotonic()
    for _ in victims:
        node.start("database")
    wait_for("pages again", lambda: edge.page()[0] == 200)
    print("  all databases killed: pages fail, all others stay ready and live")
    print(f"  pages again {time.monotonic() - begin:.1f} s after new ones were started")
    wait_for("both databases", lambda: len(node.of("database")) == 2)
    time.sleep(6)  # until every gateway has looked both of them up


def told_to_end(service, node, edge):
    """A service is rolled out under load without a lost request."""
    leaving = node.of(service)[0]
    with Load(edge) as load:
        heir = node.start(service)
        wait_for(f"{heir.name} ready", lambda: heir.ready)
        # minReadySeconds, and until its callers have heard of it
        time.sleep(5)
        took, code = leaving.end()
        time.sleep(1)
    log = leaving.log()
    leaving.remove()
    if code != 0 or took > 30:
        sys.exit(f"{leaving.name} ended with {code} after {took:.1f} s\n{log}")
    none_lost(
        f"{leaving.name} told to end, {heir.name} instead ({took:.1f} s from SIGTERM, exit code {code})", load
    )


def run(options, program):
    from k8s.documents import Documents
    from k8s.objects import decoded
    from k8s.podman import NODE, Node, Podman

    documents = Documents.render(kustomize(), ROOT / "k8s" / "overlays" / "kind")
    password = next(
        decoded(one)["password"] for one in documents.of("Secret") if "postgres-user" in one["metadata"]["name"]
    )
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        os.chmod(folder, 0o755)
        podman = stack.enter_context(Podman(program, folder))
        image = image_of(podman, options.nines, options.image, folder)
        node = stack.enter_context(Node(podman, documents, image))
        edge = Edge(node)
        come_up(node, lambda: stack.enter_context(Postgres(folder, NODE, password)))
        for pod in list(node.pods.values()):
            restricted(pod)
        once_more(replicas_share, node, edge)
        once_more(one_killed, node, edge)
        all_killed(node, edge)
        for service in ("profile", "auth", "database", "gateway"):
            once_more(told_to_end, service, node, edge)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("nines")
    options.add_argument("--image")
    options = options.parse_args()
    program = needed()
    with_packages()
    from k8s.podman import in_a_network_of_its_own

    in_a_network_of_its_own()
    end_on_signals()
    print("the pods of k8s/overlays/kind, run by podman")
    run(options, program)


main()
