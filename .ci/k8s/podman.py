"""A cluster of one machine, as small as it can be: podman runs the rendered pods, in a network of
their own; a thread does what a kubelet does about readiness and about the end of a pod; another
answers for names as CoreDNS does, with the ready pods of a Service."""

import base64
import contextlib
import copy
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import yaml

# Where pods find what is not a pod here: names, and the store. Free in a network of our own.
NODE = "10.90.0.1"
SUBNET = "10.90.1.0/24"
ZONE = "nines.svc.cluster.local"
# Probes and preStop are carried out by this check, as a kubelet would: podman would have to start a
# shell in the container for them, and the image has none. It would also give ports to the node, where
# only one pod can have each.
NOT_PODMANS = ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "ports")
# What podman's pods weigh together, in either version of control groups, and what one process does.
CGROUPS = pathlib.Path("/sys/fs/cgroup")
WEIGHTS = (("cpu/libpod_parent/cpu.shares", 1024), ("libpod_parent/cpu.weight", 100))


def in_a_network_of_its_own():
    """Runs the check once more, in a network namespace that ends with it."""
    if not os.environ.get("NINES_OWN_NETWORK"):
        os.environ["NINES_OWN_NETWORK"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    for command in ("link set lo up", f"addr add {NODE}/32 dev lo"):
        subprocess.run(["ip", *command.split()], check=True)


class Podman:
    """Podman with everything it keeps in one folder."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        # Unlike any other on this machine, which keeps addresses by the network's name.
        self.network = f"nines-check-{os.getpid()}"
        conf = pathlib.Path(folder, "containers.conf")
        conf.write_text(
            f"""[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
dns_servers = ["{NODE}"]
dns_searches = ["{ZONE}"]
dns_options = ["ndots:5"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
# Also where version 1 and 2 of control groups are mixed, which crun refuses.
runtime = "runc"
[network]
network_config_dir = "{folder}/networks"
"""
        )
        self.environment = {**os.environ, "CONTAINERS_CONF": str(conf)}
        self.alone = not any(one.is_dir() for file, _ in WEIGHTS for one in (CGROUPS / file).parent.glob("*"))

    def __call__(self, *arguments, **more):
        """Runs a command of podman; its output. A failure shows what podman says."""
        places = [
            "--root",
            f"{self.folder}/root",
            "--runroot",
            f"{self.folder}/run",
            "--tmpdir",
            f"{self.folder}/tmp",
        ]
        command = [self.program, *places, *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=600, **more
        )
        if done.returncode != 0:
            raise RuntimeError(f"podman {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def __enter__(self):
        self("network", "create", "--disable-dns", "--subnet", SUBNET, self.network)
        return self

    def __exit__(self, *_):
        for what in ("pod", "container"):
            with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
                self(what, "rm", "--all", "--force", "--time", "0")
        for mounted in pathlib.Path(self.folder, "root").glob("*/*/merged"):
            subprocess.run(["umount", "--lazy", str(mounted)], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(f"/var/lib/cni/networks/{self.network}", ignore_errors=True)
        self.weigh(1)

    def weigh(self, pods):
        """Pods have a control group in common, which would otherwise weigh as much as one process outside. It is
        that of all pods of this machine, so it is left as it is where there are others."""
        for file, one in WEIGHTS if self.alone else ():
            with contextlib.suppress(OSError):
                (CGROUPS / file).write_text(str(one * max(1, pods)))


class Node:
    """The pods that run, and who knows of them."""

    def __init__(self, podman, documents, image):
        self.podman, self.documents, self.image = podman, documents, image
        self.pods, self.numbers = {}, {}
        self.lock, self.over = threading.Lock(), threading.Event()
        self.fixed = {"postgres-rw": [NODE]}

    def __enter__(self):
        self.names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.names.bind((NODE, 53))
        self.names.settimeout(0.2)
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.answer, self.probe)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(10)
        self.names.close()

    def start(self, service):
        """Starts one more pod of a service, as a Deployment would."""
        template = next(pod for pod in self.documents.services() if pod.name == service)
        number = self.numbers[service] = self.numbers.get(service, -1) + 1
        running = Running(self, template, f"{service}-{number}")
        with self.lock:
            self.pods[running.name] = running
        self.podman.weigh(len(self.pods))
        return running

    def of(self, service):
        """The pods of a service that are ready."""
        with self.lock:
            return [pod for pod in self.pods.values() if pod.service == service and pod.ready]

    def probe(self):
        """What a kubelet does: readiness, as the manifest has it."""
        while not self.over.wait(0.1):
            with self.lock:
                pods = list(self.pods.values())
            for pod in pods:
                pod.probe()

    def answer(self):
        """What CoreDNS does for a headless Service: every ready pod is an address."""
        while not self.over.is_set():
            try:
                question, client = self.names.recvfrom(512)
                self.names.sendto(self.reply(question), client)
            except TimeoutError:
                continue
            except (OSError, IndexError, struct.error):
                continue

    def reply(self, question):
        """An answer to a question for addresses (RFC 1035)."""
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += 1 + question[at]
        end = at + 5
        name, kind = ".".join(labels).lower(), struct.unpack("!H", question[at + 1 : at + 3])[0]
        service = name.removesuffix(f".{ZONE}")
        found = self.fixed.get(service) or [pod.address for pod in self.of(service)]
        known = name.endswith(ZONE) and bool(found)
        found = found if known and kind == 1 else []
        flags = 0x8580 if known else 0x8583
        head = question[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0)
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 5, 4) + socket.inet_aton(one) for one in found)
        return head + question[12:end] + records


class Running:
    """One pod that podman runs."""

    def __init__(self, node, template, name):
        self.node, self.name, self.service = node, name, template.name
        self.template = template
        self.ready, self.failures, self.due, self.leaving = False, 0, 0.0, False
        manifest = pathlib.Path(node.podman.folder, f"{name}.yaml")
        manifest.write_text(yaml.safe_dump_all([self.pod(), *self.configuration()]))
        node.podman("play", "kube", "--network", node.podman.network, str(manifest))
        self.process = self.current_process()
        infra = json.loads(node.podman("pod", "inspect", name))
        infra = (infra[0] if isinstance(infra, list) else infra)["InfraContainerID"]
        networks = json.loads(node.podman("inspect", infra))[0]["NetworkSettings"]["Networks"]
        self.address = networks[node.podman.network]["IPAddress"]

    def current_process(self):
        """The number of its process, another one after each restart."""
        return json.loads(self.node.podman("inspect", f"{self.name}-nines"))[0]["State"]["Pid"]

    def pod(self):
        """The pod, as its Deployment would make it."""
        spec = copy.deepcopy(self.template.spec)
        for container in spec["containers"]:
            for key in NOT_PODMANS:
                container.pop(key, None)
            container["image"] = self.node.image
            # A request of CPU is a promise that a scheduler keeps, by putting no more on a node than it
            # holds. Here it would only be a small weight, against everything else on this machine.
            container["resources"]["requests"].pop("cpu")
            container["env"] = self.settled(container["env"])
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "labels": self.template.labels},
            "spec": spec,
        }

    def settled(self, variables):
        """Variables as a kubelet hands them over: podman keeps Secrets in a form that changes with its
        version, and takes $(NAME) as it is written."""
        values, result = {}, []
        for variable in variables:
            name, source = variable["name"], variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                data = self.node.documents.named("Secret", source["secretKeyRef"]["name"])["data"]
                variable = {"name": name, "value": base64.b64decode(data[source["secretKeyRef"]["key"]]).decode()}
            if "value" in variable:
                text = re.sub(r"\$\((\w+)\)", lambda found: values.get(found[1], found[0]), variable["value"])
                values[name] = text
                variable = {"name": name, "value": text}
            result.append(variable)
        return result

    def configuration(self):
        """The ConfigMaps that it needs."""
        return [
            self.node.documents.named(kind, name)
            for kind, name in self.template.references()
            if kind == "ConfigMap"
        ]

    def get(self, port, path, timeout=1.0):
        """The status of an answer; 0 if there is none."""
        try:
            with urllib.request.urlopen(f"http://{self.address}:{port}{path}", timeout=timeout) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def probe(self):
        """Asks whether it is ready, when that is due."""
        probe = self.template.container["readinessProbe"]
        if self.leaving or time.monotonic() < self.due:
            return
        self.due = time.monotonic() + probe["periodSeconds"]
        if not self.ready:
            self.due = time.monotonic() + 0.3
        port = self.template.port(probe["httpGet"]["port"])
        if self.get(port, probe["httpGet"]["path"], probe["timeoutSeconds"]) == 200:
            self.ready, self.failures = not self.leaving, 0
        else:
            self.failures += 1
            self.ready = self.ready and self.failures < probe["failureThreshold"]

    def kill(self):
        """The process dies at once, as with a crash; nobody is told."""
        self.node.podman("kill", "--signal", "KILL", f"{self.name}-nines")

    def remove(self):
        """What is left of it goes."""
        self.ready, self.leaving = False, True
        with self.node.lock:
            self.node.pods.pop(self.name, None)
        self.node.podman("pod", "rm", "--force", "--time", "0", self.name)

    def end(self):
        """Its end as Kubernetes has it: out of the Services, preStop, SIGTERM. Gives the seconds from
        SIGTERM to its end, and its exit code."""
        self.ready, self.leaving = False, True
        time.sleep(self.template.container["lifecycle"]["preStop"]["sleep"]["seconds"])
        grace = self.template.spec["terminationGracePeriodSeconds"]
        begin = time.monotonic()
        # Not `kill`, after which podman would start it again, as a kubelet would.
        self.node.podman("stop", "--time", str(grace), f"{self.name}-nines")
        took = time.monotonic() - begin
        return took, json.loads(self.node.podman("inspect", f"{self.name}-nines"))[0]["State"]["ExitCode"]

    def waited(self):
        """For how many seconds its threads have been kept waiting for a processor, all in all."""
        total = 0
        for thread in pathlib.Path(f"/proc/{self.process}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(thread.read_text().split()[1])
        return total / 1e9

    def log(self):
        """The last lines that it wrote."""
        return self.node.podman("logs", "--tail", "20", f"{self.name}-nines")
