"""Rules of pods: probes, drain, rights, resources, settings."""

import json
import re

from .documents import root, settings_known
from .rules import breaks, rule

NINES = None  # the binary whose help is asked; set by the check


def seconds(text):
    """A duration such as 25s."""
    return float(text.removesuffix("s"))


@rule("every service has its three probes at the admin port, which ask for no dependency")
def probes(documents):
    wanted = {
        "startupProbe": ("/livez", {"periodSeconds": 1, "failureThreshold": 30}),
        "livenessProbe": ("/livez", {"periodSeconds": 10, "timeoutSeconds": 2, "failureThreshold": 6}),
        "readinessProbe": ("/readyz", {"periodSeconds": 2, "timeoutSeconds": 1, "failureThreshold": 2}),
    }
    for pod in documents.services():
        for name, (path, numbers) in wanted.items():
            if pod.container.get(name) != {"httpGet": {"path": path, "port": "admin"}, **numbers}:
                yield f"{pod.name}: {name} is {pod.container.get(name)}"
        if pod.port("admin") != 9090:
            yield f"{pod.name}: the port admin is {pod.port('admin')}"


@breaks(probes)
def liveness_as_eager_as_readiness(documents):
    documents.services()[0].container["livenessProbe"]["failureThreshold"] = 1


@rule("every other container that goes on has all three probes too")
def other_probes(documents):
    for pod in documents.pods():
        if pod.kind == "Job" or pod.is_service:
            continue
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = pod.container.get(name, {})
            port = probe.get("httpGet", {}).get("port")
            if not ("exec" in probe or (port and pod.port(port))):
                yield f"{pod.name}: {name} is {probe}"


@breaks(other_probes)
def a_postgres_without_readiness(documents):
    next(pod for pod in documents.pods() if pod.kind == "StatefulSet").container.pop("readinessProbe")


@rule("a service is told, drains and flushes before it is killed")
def drain(documents):
    for pod in documents.services():
        pause = pod.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        takes = seconds(documents.environment(pod).get("NINES_DRAIN", "25s"))
        grace = pod.spec.get("terminationGracePeriodSeconds", 30)
        if (pause, takes, grace) != (5, 25, 45):
            yield f"{pod.name}: preStop {pause} s, drain {takes} s, grace {grace} s; wanted 5, 25 and 45 s"


@breaks(drain)
def no_pause_before_the_end(documents):
    documents.services()[0].container.pop("lifecycle")


@breaks(drain)
def a_drain_that_is_longer_than_the_grace(documents):
    for one in documents.of("ConfigMap"):
        one["data"].update({"NINES_DRAIN": "60s"} if "NINES_DRAIN" in one["data"] else {})


@rule("a rollout takes no pod away before its successor is ready")
def rollout(documents):
    for pod in documents.services():
        spec = pod.document["spec"]
        if spec.get("strategy") != {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        }:
            yield f"{pod.name}: the strategy is {spec.get('strategy')}"
        if spec.get("minReadySeconds") != 5:
            yield f"{pod.name}: minReadySeconds is {spec.get('minReadySeconds')}, wanted 5"


@breaks(rollout)
def a_rollout_that_goes_below(documents):
    documents.services()[0].document["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = 1


@rule("every container runs as nobody in particular, without rights, on a file system that it can't change")
def restricted(documents):
    for pod in documents.pods():
        own = pod.spec.get("securityContext", {})
        if (
            own.get("runAsNonRoot") is not True
            or not own.get("runAsUser")
            or own.get("seccompProfile") != {"type": "RuntimeDefault"}
        ):
            yield f"{pod.name}: securityContext {own}"
        if pod.is_service and own.get("runAsUser") != 65532:
            yield f"{pod.name}: runs as {own.get('runAsUser')}, wanted 65532"
        if any(pod.spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{pod.name}: shares a namespace of the node"
        for container in pod.containers:
            wanted = {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            if container.get("securityContext") != wanted:
                yield f"{pod.name}/{container['name']}: securityContext {container.get('securityContext')}"
        for volume in pod.spec.get("volumes", []):
            if not set(volume) - {"name"} <= {"configMap", "secret", "emptyDir"}:
                yield f"{pod.name}: volume {volume}"


@breaks(restricted)
def a_container_that_runs_as_root(documents):
    documents.pods()[0].spec["securityContext"]["runAsUser"] = 0


@breaks(restricted)
def a_root_that_can_be_written(documents):
    documents.pods()[-1].container["securityContext"]["readOnlyRootFilesystem"] = False


@rule("no pod has a token for the API server, or variables about other Services")
def no_token(documents):
    for pod in documents.pods():
        account = documents.named("ServiceAccount", pod.spec.get("serviceAccountName", "default"))
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.name}: gets a token"
        if pod.spec.get("enableServiceLinks") is not False:
            yield f"{pod.name}: gets variables such as DATABASE_PORT"
        if account is None or account.get("automountServiceAccountToken") is not False:
            yield f"{pod.name}: has no ServiceAccount of its own without a token"


@breaks(no_token)
def links_to_all_services(documents):
    documents.pods()[0].spec.pop("enableServiceLinks")


@breaks(no_token)
def an_account_that_is_not_there(documents):
    documents.pods()[0].spec["serviceAccountName"] = "somebody"


@rule("every image has a version, and is fetched only where it is missing")
def images(documents):
    for pod in documents.pods():
        for container in pod.containers:
            if not re.fullmatch(r"[a-z0-9./-]+:v?\d[\w.-]*(@sha256:[0-9a-f]{64})?", container["image"]):
                yield f"{pod.name}: {container['image']}"
            if container.get("imagePullPolicy") != "IfNotPresent":
                yield f"{pod.name}: imagePullPolicy {container.get('imagePullPolicy')}"


@breaks(images)
def the_latest_image(documents):
    documents.pods()[0].container["image"] = "nines:latest"


@breaks(images)
def an_image_without_a_tag(documents):
    documents.pods()[0].container["image"] = "nines"


@rule("every container asks for CPU and memory, and has a limit of memory and none of CPU")
def resources(documents):
    for pod in documents.pods():
        for container in pod.containers:
            own = container.get("resources", {})
            if set(own.get("requests", {})) != {"cpu", "memory"} or set(own.get("limits", {})) != {"memory"}:
                yield f"{pod.name}: resources {own}"


@breaks(resources)
def no_limit_of_memory(documents):
    documents.pods()[0].container["resources"].pop("limits")


@rule("every folder in memory or on the node has a limit, and every mount its volume")
def volumes(documents):
    for pod in documents.pods():
        names = {volume["name"] for volume in pod.spec.get("volumes", [])}
        names |= {one["metadata"]["name"] for one in pod.document["spec"].get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", [])}
        if names != mounted:
            yield f"{pod.name}: volumes {sorted(names)}, mounted {sorted(mounted)}"
        for volume in pod.spec.get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{pod.name}: {volume['name']} may fill the node"


@breaks(volumes)
def a_mount_without_its_volume(documents):
    documents.services()[0].spec["volumes"] = []


@rule("every setting of a service is one that it knows")
def known_settings(documents):
    for pod in documents.services():
        command, role = pod.container["args"]
        if command != "serve" or role != pod.name:
            yield f"{pod.name}: started as {pod.container['args']}"
        names = {one["name"] for one in pod.container["env"]} | set(documents.environment(pod))
        for name in sorted(names - settings_known(NINES, role)):
            if name.startswith("NINES_"):
                yield f"{pod.name}: {name} is no setting of `nines serve {role}`"


@breaks(known_settings)
def a_setting_with_a_slip_of_the_pen(documents):
    documents.services()[0].container["env"].append({"name": "NINES_DEADLIN", "value": "1s"})


@rule("a service waits for its store as long as an image may take to be fetched, and not as long as a rollout")
def waits(documents):
    for pod in documents.services():
        variables = documents.environment(pod)
        if "NINES_STORE" not in variables:
            continue
        minutes = re.fullmatch(r"(\d+)m", variables.get("NINES_STORE_WAIT", ""))
        longest = pod.document["spec"].get("progressDeadlineSeconds", 600) / 60
        if not minutes or not 2 <= int(minutes[1]) < longest:
            yield f"{pod.name}: NINES_STORE_WAIT is {variables.get('NINES_STORE_WAIT')}; wanted: 2 m or more, below {longest:.0f} m"


def with_a_wait(documents, value):
    for pod in documents.services():
        for variable in pod.container["env"]:
            if variable["name"] == "NINES_STORE_WAIT":
                variable["value"] = value


@breaks(waits)
def a_store_that_is_given_up_soon(documents):
    with_a_wait(documents, "10s")


@breaks(waits)
def a_store_that_is_waited_for_longer_than_a_rollout(documents):
    with_a_wait(documents, "20m")


# How long a slow commit of PostgreSQL took on a real cluster, for how many of them an event of the audit
# log mostly waits at most, and how long the load test waits for an answer; all in seconds.
SLOW_COMMIT, COMMITS, PATIENCE = 1.1, 2, 5


@rule("an attempt outlasts slow commits, a second one fits a client's patience, and all of them the deadline")
def time_outs(documents):
    for pod in documents.services():
        variables = documents.environment(pod)
        attempt, deadline = (seconds(variables.get(f"NINES_{name}", "0s")) for name in ("ATTEMPT_TIMEOUT", "DEADLINE"))
        attempts = 1 + json.loads(variables.get("NINES_RETRY", '{"retries":0}'))["retries"]
        if not COMMITS * SLOW_COMMIT < attempt:
            yield f"{pod.name}: an attempt ends after {attempt} s, and {COMMITS} commits may take {COMMITS * SLOW_COMMIT} s"
        if not attempt + SLOW_COMMIT < PATIENCE:
            yield f"{pod.name}: after an attempt of {attempt} s a second one takes longer than {PATIENCE} s"
        if attempts < 2 or not attempts * attempt < deadline:
            yield f"{pod.name}: {attempts} attempts of {attempt} s in {deadline} s"
    for route in documents.of("HTTPRoute"):
        limits = [seconds(one["timeouts"]["request"]) for one in route["spec"]["rules"]]
        deadlines = [seconds(documents.environment(pod)["NINES_DEADLINE"]) for pod in documents.services()]
        if min(limits) <= max(deadlines):
            yield f"HTTPRoute {route['metadata']['name']}: ends after {min(limits)} s, before the services' {max(deadlines)} s"


def with_setting(documents, name, value):
    for one in documents.of("ConfigMap"):
        one["data"].update({name: value} if name in one["data"] else {})


@breaks(time_outs)
def attempts_shorter_than_slow_commits(documents):
    with_setting(documents, "NINES_ATTEMPT_TIMEOUT", "1s")


@breaks(time_outs)
def attempts_longer_than_a_client_waits(documents):
    with_setting(documents, "NINES_ATTEMPT_TIMEOUT", "4s")
    with_setting(documents, "NINES_DEADLINE", "13s")


@breaks(time_outs)
def a_deadline_for_one_attempt(documents):
    with_setting(documents, "NINES_DEADLINE", "4s")


@breaks(time_outs)
def no_second_attempt(documents):
    with_setting(documents, "NINES_RETRY", '{"retries":0}')


@breaks(time_outs)
def an_edge_that_gives_up_first(documents):
    documents.of("HTTPRoute")[0]["spec"]["rules"][0]["timeouts"]["request"] = "4s"


@rule("every replica knows its name, its admin token, and where to listen")
def identity(documents):
    for pod in documents.services():
        given = {one["name"]: one.get("valueFrom") for one in pod.container["env"]}
        if given.get("NINES_REPLICA") != {"fieldRef": {"fieldPath": "metadata.name"}}:
            yield f"{pod.name}: NINES_REPLICA from {given.get('NINES_REPLICA')}"
        if "secretKeyRef" not in (given.get("NINES_ADMIN_TOKEN") or {}):
            yield f"{pod.name}: NINES_ADMIN_TOKEN from {given.get('NINES_ADMIN_TOKEN')}"
        variables = documents.environment(pod)
        for name, port in (("NINES_LISTEN", "http"), ("NINES_ADMIN", "admin")):
            if variables.get(name) != f"0.0.0.0:{pod.port(port)}":
                yield f"{pod.name}: {name} is {variables.get(name)}"


@breaks(identity)
def probes_that_can_not_get_in(documents):
    for one in documents.of("ConfigMap"):
        one["data"].update({"NINES_ADMIN": "127.0.0.1:9090"} if "NINES_ADMIN" in one["data"] else {})


@rule("what a variable refers to stands before it")
def expansions(documents):
    for pod in documents.pods():
        for container in pod.containers:
            before = set()
            for variable in container.get("env", []):
                for name in re.findall(r"\$\((\w+)\)", variable.get("value", "")):
                    if name not in before:
                        yield f"{pod.name}: {variable['name']} refers to {name}, which does not stand before it"
                before.add(variable["name"])


@breaks(expansions)
def a_password_that_comes_too_late(documents):
    for pod in documents.services():
        pod.container["env"].reverse()


@rule("images and policies are the same as in compose")
def like_compose(documents):
    text = "\n".join(file.read_text() for file in sorted((root() / "deploy").glob("compose*.yaml")))
    known = dict(re.findall(r"image:\s*(?:\$\{\w+:-)?([a-z0-9./-]+):([\w.-]+)", text))
    for pod in documents.pods():
        name, _, tag = pod.container["image"].partition(":")
        if known.get(name, tag) != tag:
            yield f"{pod.name}: {name}:{tag}, and in compose {known[name]}"
    told = dict(re.findall(r"(?m)^\s+(NINES_[A-Z_]+): '?(.*?)'?$", text))
    for document in documents.of("ConfigMap"):
        for key, value in document.get("data", {}).items():
            if key in told and not told[key].startswith("${") and key != "NINES_ADMIN" and told[key] != value:
                yield f"{document['metadata']['name']}: {key} is {value}, and in compose {told[key]}"
    told = dict(re.findall(r'(?m)^\s+(GF_[A-Z_]+): "?(.*?)"?(?:\s+#.*)?$', text))
    for pod in (pod for pod in documents.pods() if pod.name == "grafana"):
        for key, value in sorted(told.items() ^ documents.environment(pod).items()):
            yield f"{pod.name}: {key}={value} is here or in compose, and not in both"


@breaks(like_compose)
def an_older_jaeger(documents):
    documents.named("Deployment", "jaeger")["spec"]["template"]["spec"]["containers"][0]["image"] = (
        "jaegertracing/jaeger:2.0.0"
    )


@breaks(like_compose)
def a_grafana_that_anybody_can_edit(documents):
    container = documents.named("Deployment", "grafana")["spec"]["template"]["spec"]["containers"][0]
    next(one for one in container["env"] if one["name"] == "GF_AUTH_ANONYMOUS_ORG_ROLE")["value"] = "Editor"


@breaks(like_compose)
def another_deadline(documents):
    with_setting(documents, "NINES_DEADLINE", "4s")
