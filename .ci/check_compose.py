"""Runs deploy/compose.yaml for real: are the replicas of a service used alike, and what is lost when one is killed,
paused or cut off while requests come? Nothing may be. And is a scenario run against containers by the command of
deploy/README.md, with spans that go through collector and Jaeger? Of the files that need images from a registry, the
others are only read.

Usage: check_compose.py IMAGE   (one that check_image.py has built)
"""

import json
import os
import pathlib
import re
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request

from docker import Docker
from support import ROOT, Busy, once_more, tool, wait_for

DEPLOY = ROOT / "deploy"
CHAIN = DEPLOY / "compose.yaml"
AUDIT, POSTGRES, OBSERVABILITY, BOTH, LAB = (
    DEPLOY / f"compose.{option}.yaml"
    for option in ("audit", "postgres", "observability", "audit.observability", "lab")
)
# BOTH is what audit and observability need of each other.
OPTIONS = [[], [AUDIT], [POSTGRES], [OBSERVABILITY], [LAB], [AUDIT, OBSERVABILITY, BOTH], [OBSERVABILITY, LAB]]
OPTIONS += [[AUDIT, POSTGRES, OBSERVABILITY, BOTH, LAB]]
TRACES_TO = "OTEL_EXPORTER_OTLP_ENDPOINT"
REPLICAS = {"gateway": 1, "auth": 2, "profile": 2, "database": 3}
ONE_OF_EACH = dict.fromkeys(REPLICAS, 1)
# What `nines run` ends with if this host was too busy to tell.
INCONCLUSIVE = 4
EDGE = "http://127.0.0.1:8080"
RATE = 100
# How long a replica is away, and how soon it must be used again: names are looked up every 5 s, and what was
# left out for failing is left out for 10 s, somewhat longer each time; the rest is for a busy host.
AWAY, BACK = 6, 25


def main():
    image = sys.argv[1]
    docker = Docker()
    with docker:
        files_are_valid(Project(docker, image))
        replicas_are_struck(Project(docker, image))
        with tempfile.TemporaryDirectory() as folder:
            files = [OBSERVABILITY, LAB, stand_ins(folder, image)]
            scenario_is_run(Project(docker, image, files, ONE_OF_EACH, ["collector", "jaeger"]))
    print("compose: fine")


class Project:
    """The chain, as deploy/compose.yaml and further files have it, and what else is run of them."""

    def __init__(self, docker, image, files=(), scale=None, besides=()):
        self.docker, self.image = docker, image
        self.files = [f"--file={one}" for one in (CHAIN, *files)]
        self.scale, self.besides = scale or REPLICAS, besides
        self.environment = {"NINES_ADMIN_TOKEN": secrets.token_hex(16), "NINES_IMAGE": image, "NINES_LOG": "warn"}

    def __enter__(self):
        scale = [f"--scale={service}={count}" for service, count in self.scale.items()]
        begin = time.monotonic()
        try:
            self.compose("up", "--detach", "--no-build", *scale, *self.scale, *self.besides, quiet=True)
            wait_for("healthy containers", self.healthy)
        except BaseException as error:
            self.__exit__(type(error))
            raise
        print(f"up: {sum(self.scale.values())} containers healthy after {time.monotonic() - begin:.1f} s", flush=True)
        return self

    def __exit__(self, error, *_):
        if error is not None:
            self.compose("logs", "--tail=20", check=False)
        self.compose("down", "--volumes", "--timeout=5", check=False, quiet=True)

    def compose(self, *arguments, **options):
        options.setdefault("environment", self.environment)
        return self.docker.compose(*self.files, *arguments, **options)

    def healthy(self):
        states = [one["State"].get("Health", {}).get("Status") for one in self.inspect(*self.replicas())]
        return len(states) == sum(self.scale.values()) and set(states) == {"healthy"}

    def replicas(self, service=None):
        """The containers of a service, or of the whole chain, by name."""
        services = [service] if service else self.scale
        found = self.compose("ps", "--all", "--quiet", *services, quiet=True).stdout.split()
        return sorted(one["Name"].lstrip("/") for one in self.inspect(*found))

    def inspect(self, *containers):
        return json.loads(self.docker.output("inspect", *containers))

    def handled(self, container):
        """How many requests a replica has answered since it was started."""
        [found] = self.inspect(container)
        address = found["NetworkSettings"]["Networks"]["nines_chain"]["IPAddress"]
        with urllib.request.urlopen(f"http://{address}:9090/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("nines_requests_total"))


def files_are_valid(project):
    """Each file with the chain, and all together: what they mount is there, and who has a collector knows it."""
    environment = {**project.environment, "POSTGRES_PASSWORD": "x"}
    for files in OPTIONS:
        flags = [f"--file={one}" for one in files]
        text = project.compose(*flags, "config", "--format=json", environment=environment, quiet=True).stdout
        services = json.loads(text)["services"]
        volumes = [volume for service in services.values() for volume in service.get("volumes", [])]
        ports = [port for service in services.values() for port in service.get("ports", [])]
        mounted = [volume["source"] for volume in volumes if volume["type"] == "bind"]
        missing = [path for path in mounted if not ROOT.joinpath(path).exists()]
        public = [port for port in ports if port.get("host_ip") != "127.0.0.1"]
        untold = untraced(services)
        if missing or public or untold:
            sys.exit(
                f"{[one.name for one in files]}: not there: {missing}; open to other machines: {public}; "
                f"not told of the collector: {untold}"
            )
    refused = project.compose("config", environment={"NINES_ADMIN_TOKEN": ""}, check=False, quiet=True)
    if refused.returncode == 0 or "NINES_ADMIN_TOKEN" not in refused.stdout:
        sys.exit(f"a missing token is not refused by its name: {refused.stdout}")
    print(f"files: valid in {len(OPTIONS)} combinations; a missing token is refused")


def untraced(services):
    """The services of the chain that do not know the collector, where there is one."""
    chain = {name: one for name, one in services.items() if (one.get("command") or [None])[0] == "serve"}
    if not {"gateway", "database"} <= chain.keys():
        sys.exit(f"no chain is among the services: {sorted(services)}")
    if "collector" not in services:
        return []
    return [name for name, one in chain.items() if TRACES_TO not in one.get("environment", {})]


def containers_are_confined(project):
    for one in project.inspect(*project.replicas()):
        host = one["HostConfig"]
        confined = (
            host["ReadonlyRootfs"]
            and host["CapDrop"] == ["ALL"]
            and "no-new-privileges:true" in host["SecurityOpt"]
            and host["Memory"] > 0
            and one["Config"]["User"] == "65532:65532"
        )
        if not confined:
            sys.exit(f"{one['Name']} may do more than it needs: {json.dumps(host, indent=1)}")


def log_in():
    """A token, from the whole way through the chain; and a page with it."""
    request = urllib.request.Request(
        f"{EDGE}/v1/login",
        data=json.dumps({"username": "user-1", "password": "password-1"}).encode(),
        headers={"content-type": "application/json"},
    )
    token = json.load(urllib.request.urlopen(request, timeout=30))["token"]
    request = urllib.request.Request(f"{EDGE}/v1/me", headers={"authorization": f"Bearer {token}"})
    page = json.load(urllib.request.urlopen(request, timeout=30))
    if len(page["records"]) != 3:
        sys.exit(f"user-1 has three records, not {page}")
    return token


class Load:
    """Requests for a page at random moments, whatever becomes of them; from a container at the edge."""

    def __init__(self, project, token, seconds):
        docker = project.docker
        self.process = subprocess.Popen(
            [docker.client, "run", "--rm", "--network=host", "--env=NINES_TOKEN", project.image]
            + ["load", f"{EDGE}/v1/me", f"--rate={RATE}", f"--for={seconds}s", "--json"],
            env={**docker.environment, "NINES_TOKEN": token},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self):
        out, err = self.process.communicate(timeout=300)
        if not out.startswith("{"):
            sys.exit(f"nines load ended with {self.process.returncode}: {err}")
        return json.loads(out)


def complete(result):
    """Ends the check if a request was lost; calls the host busy if time-outs are all there was."""
    counts = result["generator"]["counts"]
    lost = counts["offered"] - counts["ok"]
    if lost or counts["offered"] < RATE:
        told = f"not all requests were answered in full: {json.dumps(counts)}"
        if lost and counts["failed_by_cause"].get("timeout") == lost:
            raise Busy(told)
        sys.exit(told)
    slowest, p99 = result["slowest_ms"], result["latency"]["p99"]["ms"]
    return f"{counts['ok']} of {counts['offered']} requests answered; p99 {p99:.0f} ms, slowest {slowest:.0f} ms"


def load_is_shared(project, token):
    replicas = project.replicas("database")
    # The gateway may have been the first to be up: then it has to look the names up once more.
    wait_for("requests at each database", lambda: all(asked(project, token, replicas, 2)[0]))
    gained, result = asked(project, token, replicas, 10)
    shares = [one / sum(gained) for one in gained]
    told = f"{complete(result)}; databases took {', '.join(f'{share:.0%}' for share in shares)}"
    # Not a third: who is slower at the moment, because of the host, is given less.
    if min(shares) < 0.1:
        raise Busy(f"each of three databases takes at least a tenth of the requests: {told}")
    print(f"shared: {told}", flush=True)


def asked(project, token, replicas, seconds):
    """How many requests of some load each of the replicas has answered, and what the load generator counted."""
    before = [project.handled(one) for one in replicas]
    result = Load(project, token, seconds).result()
    return [project.handled(one) - then for one, then in zip(replicas, before)], result


def kill(project, one):
    project.docker.run("kill", one, quiet=True)
    return lambda: project.docker.run("start", one, quiet=True)


def pause(project, one):
    project.docker.run("pause", one, quiet=True)
    return lambda: project.docker.run("unpause", one, quiet=True)


def cut_off(project, one):
    project.docker.run("network", "disconnect", "nines_chain", one, quiet=True)
    return lambda: project.docker.run("network", "connect", "--alias=database", "nines_chain", one, quiet=True)


STRIKES = [kill, pause, cut_off]


def nothing_is_lost(project, token, strike):
    """A database is struck under load, and comes back."""
    one = project.replicas("database")[STRIKES.index(strike)]
    load = Load(project, token, 3 + AWAY + BACK)
    time.sleep(3)
    heal = strike(project, one)
    time.sleep(AWAY)
    heal()
    back = time.monotonic()
    [known] = wait_for(f"metrics of {one}", lambda: [project.handled(one)], BACK)
    wait_for(f"requests at {one}", lambda: project.handled(one) > known, BACK)
    used = time.monotonic() - back
    told = complete(load.result())
    name = strike.__name__.replace("_", " ")
    print(f"{name}: one database of three for {AWAY} s: {told}; used again {used:.1f} s after")


def replicas_are_struck(project):
    with project:
        containers_are_confined(project)
        token = wait_for("a page", log_in)
        once_more(load_is_shared, project, token)
        for strike in STRIKES:
            once_more(nothing_is_lost, project, token, strike)
        stops_in_time(project)


def stops_in_time(project):
    """Told to stop, as the first process of its container, each service ends by itself."""
    begin = time.monotonic()
    project.compose("stop", quiet=True)
    codes = {one["Name"]: one["State"]["ExitCode"] for one in project.inspect(*project.replicas())}
    if set(codes.values()) != {0}:
        sys.exit(f"not all services ended by themselves: {codes}")
    print(f"stopped: all with exit code 0, in {time.monotonic() - begin:.1f} s")


def stand_ins(folder, image):
    """A file that puts Jaeger's program, in our image, in place of the images of Jaeger and of the collector: it is
    built of the same parts. Only the collector's health check is another one, with the same settings."""
    jaeger = tool("jaeger", "deploy/tools jaeger installs it")
    os.chmod(folder, 0o755)
    collector = pathlib.Path(folder, "collector.yaml")
    collector.write_text((DEPLOY / "collector.yaml").read_text().replace("health_check", "healthcheckv2"))
    mounted = {"jaeger": [], "collector": [f"{collector}:/etc/collector/collector.yaml:ro"]}
    common = {"image": image, "pull_policy": "never", "entrypoint": ["/jaeger"]}
    services = {name: {**common, "volumes": [f"{jaeger}:/jaeger:ro", *more]} for name, more in mounted.items()}
    file = pathlib.Path(folder, "compose.stand-ins.yaml")
    file.write_text(json.dumps({"services": services}))  # JSON is YAML too.
    return file


def scenario_is_run(project):
    """A scenario holds against containers, by the very command of deploy/README.md."""
    [command] = re.findall(r"(?m)^\$ nines (run .*)$", (DEPLOY / "README.md").read_text().replace("\\\n", " "))
    with project:
        print(once_more(run_scenario, project, shlex.split(command)))


def run_scenario(project, arguments):
    """What the run comes to; from a container at the edge, in which the folder of the scenario is where it is here."""
    edge = ["--rm", "--network=host", "--env=NINES_ADMIN_TOKEN", "--tmpfs=/tmp", "--workdir=/"]
    command = ["run", *edge, f"--volume={DEPLOY}:/deploy:ro", project.image, *arguments, "--out=/tmp/out"]
    done = project.docker.run(*command, check=False, quiet=True, environment=project.environment)
    if done.returncode == INCONCLUSIVE:
        raise Busy(f"nines {' '.join(arguments)}\n{done.stdout[-3000:]}")
    if done.returncode != 0:
        sys.exit(f"nines {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}")
    told = ("predicted", "measured", "verdict", "accounting", "spans")
    return "\n".join(f"scenario: {line}" for line in done.stdout.splitlines() if line.startswith(told))


if __name__ == "__main__":
    main()
