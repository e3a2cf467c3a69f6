"""Rules of what is around pods: names that lead somewhere, budgets, autoscalers, secrets, ports."""

import base64
import json
import posixpath
import re

import yaml

from .documents import NAMESPACE, matches, root
from .rules import breaks, rule

HASH = re.compile(r"-[a-z0-9]{10}$")


@rule("everything is in one namespace, which comes first and admits only restricted pods")
def namespace(documents):
    first = documents.all[0]
    if documents.of("Deployment") and first["kind"] != "Namespace":
        yield f"first comes {first['kind']} {first['metadata']['name']}"
    for document in documents.of("Namespace"):
        if document["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{document['metadata']['name']}: {document['metadata']['labels']}"
    for document in documents.all:
        own = document["metadata"].get("name" if document["kind"] == "Namespace" else "namespace")
        if own != NAMESPACE:
            yield f"{document['kind']} {document['metadata']['name']}: in {own}"


@breaks(namespace)
def a_service_elsewhere(documents):
    documents.of("Service")[0]["metadata"]["namespace"] = "default"


@breaks(namespace)
def a_namespace_that_admits_anything(documents):
    documents.of("Namespace")[0]["metadata"]["labels"] = {}


@rule("nothing is there twice, and everything says what it is part of")
def once(documents):
    seen = set()
    for document in documents.all:
        key = (document["kind"], document["metadata"]["name"])
        if key in seen:
            yield f"{key[0]} {key[1]}: twice"
        seen.add(key)
    for pod in documents.pods():
        if pod.labels.get("app.kubernetes.io/name") != pod.name:
            yield f"{pod.name}: labels {pod.labels}"


@breaks(once)
def a_service_twice(documents):
    documents.all.append(documents.of("Service")[0])


@rule("every reference of a pod leads somewhere, and what it leads to restarts it when it changes")
def references(documents):
    for pod in documents.pods():
        for kind, name in pod.references():
            document = documents.named(kind, name)
            if document is None:
                yield f"{pod.name}: {kind} {name} is not there"
            elif not HASH.search(name):
                yield f"{pod.name}: {kind} {name} has no hash in its name"
        for variable in (one for container in pod.containers for one in container.get("env", [])):
            for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                reference = variable.get("valueFrom", {}).get(key)
                document = reference and documents.named(kind, reference["name"])
                if document and reference["key"] not in document.get("data", {}):
                    yield f"{pod.name}: {kind} {reference['name']} has no key {reference['key']}"
        for volume in pod.spec.get("volumes", []):
            document = "configMap" in volume and documents.named("ConfigMap", volume["configMap"]["name"])
            for item in volume["configMap"].get("items", []) if document else []:
                if item["key"] not in document["data"]:
                    yield f"{pod.name}: ConfigMap {volume['configMap']['name']} has no key {item['key']}"


@breaks(references)
def a_secret_that_is_not_there(documents):
    documents.all[:] = [one for one in documents.all if one["kind"] != "Secret"]


@breaks(references)
def a_config_that_changes_unseen(documents):
    for one in documents.of("ConfigMap"):
        one["metadata"]["name"] = HASH.sub("", one["metadata"]["name"])
    for pod in documents.services():
        pod.container["envFrom"] = [{"configMapRef": {"name": "service"}}]


@rule("every Service has pods, and every port of it is one of theirs")
def services(documents):
    for service in documents.of("Service"):
        name = service["metadata"]["name"]
        pods = documents.pods_of(service["spec"]["selector"])
        if len(pods) != 1:
            yield f"{name}: selects {[pod.name for pod in pods]}"
        for pod in pods:
            for port in service["spec"]["ports"]:
                if pod.port(port.get("targetPort", port["port"])) is None:
                    yield f"{name}: {pod.name} has no port {port.get('targetPort')}"


@breaks(services)
def a_port_that_no_pod_has(documents):
    documents.of("Service")[0]["spec"]["ports"][0]["targetPort"] = "htpp"


@breaks(services)
def a_selector_that_selects_nobody(documents):
    documents.of("Service")[0]["spec"]["selector"] = {"app.kubernetes.io/name": "nobody"}


@rule("every address in a setting is a Service with that port, the same as its pods listen at")
def addresses(documents):
    managed = {f"{one['metadata']['name']}-rw" for one in documents.of("Cluster")}
    for pod in documents.pods():
        for where, host, number in documents.addresses(pod):
            service = documents.named("Service", host)
            if host in managed:
                continue
            if service is None:
                # What observes may know more services than run.
                if pod.is_service or pod.kind == "Job":
                    yield f"{pod.name}: {where} names {host}:{number}, and there is no such Service"
                continue
            port = next((one for one in service["spec"]["ports"] if one["port"] == number), None)
            if port is None:
                yield f"{pod.name}: {where} names {host}:{number}, which {host} does not offer"
            elif service["spec"].get("clusterIP") == "None":
                # Without a cluster IP nobody translates one port to another.
                for other in documents.pods_of(service["spec"]["selector"]):
                    if other.port(port.get("targetPort", number)) != number:
                        yield f"{pod.name}: {host}:{number} is not what {other.name} listens at"


@breaks(addresses)
def a_url_with_another_port(documents):
    variable = next(
        one for pod in documents.services() for one in pod.container["env"] if one["name"] == "NINES_AUTH"
    )
    variable["value"] = "http://auth:8081"


@breaks(addresses)
def a_url_of_nobody(documents):
    variable = next(
        one for pod in documents.services() for one in pod.container["env"] if one["name"] == "NINES_AUTH"
    )
    variable["value"] = "http://auht:8080"


@rule("services are balanced by their callers: their names stand for all of their pods")
def headless(documents):
    for pod in documents.services():
        for where, host, _ in documents.addresses(pod):
            service = documents.named("Service", host)
            if where.startswith("NINES_") and service and service["spec"].get("clusterIP") != "None":
                yield f"{pod.name}: {where} calls {host}, which is one address"


@breaks(headless)
def a_cluster_ip(documents):
    documents.named("Service", "auth")["spec"].pop("clusterIP")


@rule("Prometheus finds every pod of a service, above all those that are not ready")
def scraped(documents):
    for prometheus in (pod for pod in documents.pods() if pod.name == "prometheus"):
        asked = {host for where, host, _ in documents.addresses(prometheus) if where == "prometheus.yml"}
        for pod in documents.services():
            service = documents.named("Service", f"{pod.name}-metrics")
            if f"{pod.name}-metrics" not in asked or service is None:
                yield f"{pod.name}: asked for are {sorted(asked)}"
            elif service["spec"].get("clusterIP") != "None" or not service["spec"].get("publishNotReadyAddresses"):
                yield f"{pod.name}-metrics: {service['spec']}"
            elif [one.name for one in documents.pods_of(service["spec"]["selector"])] != [pod.name]:
                yield f"{pod.name}-metrics: selects {service['spec']['selector']}"


@breaks(scraped)
def a_pod_that_hangs_unseen(documents):
    documents.named("Service", "database-metrics")["spec"].pop("publishNotReadyAddresses")


@breaks(scraped)
def a_service_that_nobody_reads(documents):
    for one in documents.of("ConfigMap"):
        text = one["data"].get("prometheus.yml")
        if text:
            one["data"]["prometheus.yml"] = text.replace("profile-metrics, ", "")


@rule("every service has a disruption budget: one pod at a time, and sick ones at any time")
def budgets(documents):
    for pod in documents.services():
        budget = documents.named("PodDisruptionBudget", pod.name)
        if budget is None:
            yield f"{pod.name}: no budget"
            continue
        spec = budget["spec"]
        if [one.name for one in documents.pods_of(spec["selector"])] != [pod.name]:
            yield f"{pod.name}: the budget selects {spec['selector']}"
        if spec.get("maxUnavailable") != 1 or spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{pod.name}: the budget is {spec}"


@rule("no budget holds the only pod of its kind: its node could not be drained")
def budgets_of_many(documents):
    for budget in documents.of("PodDisruptionBudget"):
        for pod in documents.pods_of(budget["spec"]["selector"]):
            if not pod.is_service:
                yield f"{budget['metadata']['name']}: holds {pod.kind} {pod.name}"


@breaks(budgets_of_many)
def a_budget_for_the_only_postgres(documents):
    labels = documents.named("StatefulSet", "postgres")["spec"]["selector"]["matchLabels"]
    documents.named("PodDisruptionBudget", "auth")["spec"]["selector"]["matchLabels"] = labels


@breaks(budgets)
def no_budget_for_auth(documents):
    documents.all.remove(documents.named("PodDisruptionBudget", "auth"))


@breaks(budgets)
def a_sick_pod_that_blocks_a_node(documents):
    documents.named("PodDisruptionBudget", "auth")["spec"].pop("unhealthyPodEvictionPolicy")


# The CPU in use, in thousandths and for each pod, above which there are to be more.
BUSY = 70


@rule("an autoscaler alone says how many pods of a service there are, in every overlay, and at least two")
def replicas(documents):
    # A number in a manifest would reset the autoscaler's with every apply; one that another overlay has
    # stated would, when this one is applied, be taken away, and one pod be left for a while.
    scaled = documents.autoscalers()
    for pod in documents.services():
        if "replicas" in pod.document["spec"]:
            yield f"{pod.name}: states {pod.document['spec']['replicas']}"
        if pod.name not in scaled:
            yield f"{pod.name}: no autoscaler"
    for name, spec in scaled.items():
        pod = next((one for one in documents.services() if one.name == name), None)
        if pod is None:
            yield f"{name}: is scaled, and not there"
            continue
        if not 2 <= spec["minReplicas"] < spec["maxReplicas"]:
            yield f"{name}: from {spec['minReplicas']} to {spec['maxReplicas']}"
        share = [one["resource"]["target"].get("averageUtilization", 0) for one in spec["metrics"]]
        if [one * pod.asks_for() for one in share] != [BUSY * 100]:
            yield f"{name}: more pods at {share} % of {pod.asks_for()}m; wanted: at {BUSY}m"
        behavior = spec.get("behavior", {})
        if behavior.get("scaleUp", {}).get("stabilizationWindowSeconds") != 0:
            yield f"{name}: is slow to grow"
        if behavior.get("scaleDown", {}).get("stabilizationWindowSeconds", 0) < 300:
            yield f"{name}: is quick to shrink"


@breaks(replicas)
def two_owners_of_a_number(documents):
    documents.named("Deployment", "auth")["spec"]["replicas"] = 2


@breaks(replicas)
def a_number_without_an_owner(documents):
    documents.all.remove(documents.named("HorizontalPodAutoscaler", "audit"))


@breaks(replicas)
def an_autoscaler_of_nothing(documents):
    documents.of("HorizontalPodAutoscaler")[0]["spec"]["scaleTargetRef"]["name"] = "nothing"


@breaks(replicas)
def one_pod_at_night(documents):
    documents.of("HorizontalPodAutoscaler")[0]["spec"]["minReplicas"] = 1


@breaks(replicas)
def less_asked_for_and_the_same_share(documents):
    documents.services()[0].container["resources"]["requests"]["cpu"] = "50m"


@breaks(replicas)
def an_autoscaler_that_flaps(documents):
    documents.of("HorizontalPodAutoscaler")[0]["spec"].pop("behavior")


@rule("every database that a service opens is made, and its password comes from where the server's does")
def databases(documents):
    made = {one["spec"]["name"] for one in documents.of("Database")}
    made |= {one["spec"]["bootstrap"]["initdb"]["database"] for one in documents.of("Cluster")}
    for document in documents.of("ConfigMap"):
        made |= set(re.findall(r"(?m)^CREATE DATABASE (\w+);", document.get("data", {}).get("databases.sql", "")))
    if not made:
        return  # a part of an overlay, which has no server
    sources = {one["spec"]["bootstrap"]["initdb"]["secret"]["name"] for one in documents.of("Cluster")}
    for pod in documents.pods():
        for variable in pod.container.get("env", []):
            if variable["name"] == "POSTGRES_PASSWORD":
                sources.add(variable["valueFrom"]["secretKeyRef"]["name"])
        url = documents.environment(pod).get("NINES_STORE")
        if url and url.rsplit("/", 1)[1] not in made:
            yield f"{pod.name}: {url.rsplit('/', 1)[1]} is not made"
    if len(sources) != 1:
        yield f"passwords come from {sorted(sources)}"


@breaks(databases)
def a_database_that_nobody_makes(documents):
    for one in documents.of("ConfigMap"):
        one["data"].pop("databases.sql", None)
        one["data"].update({"databases.sql": "CREATE DATABASE auth;"})


@rule("PostgreSQL takes all connections that all pods may open")
def connections(documents):
    allowed = [one["spec"]["postgresql"]["parameters"]["max_connections"] for one in documents.of("Cluster")]
    for pod in documents.pods():
        allowed += [
            found for one in pod.container.get("args", []) for found in re.findall(r"^max_connections=(\d+)$", one)
        ]
    each = int(
        re.search(r"const CONNECTIONS: .*?new\((\d+)\)", (root() / "crates/stores/src/url.rs").read_text())[1]
    )
    scaled = documents.autoscalers()
    users = [pod for pod in documents.services() if "NINES_STORE" in documents.environment(pod)]
    # One pod more of each while a release is rolled out; a few connections are kept for administrators.
    wanted = sum(scaled[pod.name]["maxReplicas"] + 1 for pod in users if pod.name in scaled) * each + 5
    yield from (f"{wanted} are wanted, {one} allowed" for one in allowed if int(one) < wanted)


@breaks(connections)
def as_few_connections_as_postgres_has_by_itself(documents):
    documents.named("StatefulSet", "postgres")["spec"]["template"]["spec"]["containers"][0]["args"][-1] = (
        "max_connections=100"
    )


@rule("no secret is where everybody can read it")
def secrets(documents):
    hidden = {
        value: one["metadata"]["name"]
        for one in documents.of("Secret")
        for key, value in decoded(one).items()
        if key != "username"
    }
    for document in documents.all:
        if document["kind"] != "Secret":
            text = json.dumps(document)
            yield from (
                f"{document['kind']} {document['metadata']['name']}: holds what is in {name}"
                for value, name in hidden.items()
                if value in text
            )
    for pod in documents.pods():
        for variable in (one for container in pod.containers for one in container.get("env", [])):
            if re.search(r"TOKEN|PASSWORD|SECRET", variable["name"]) and "secretKeyRef" not in variable.get(
                "valueFrom", {}
            ):
                yield f"{pod.name}: {variable['name']} is not from a Secret"


def decoded(secret):
    """What is in a Secret."""
    return {key: base64.b64decode(value).decode() for key, value in secret.get("data", {}).items()}


@breaks(secrets)
def a_token_in_a_variable(documents):
    for variable in documents.services()[0].container["env"]:
        if variable["name"] == "NINES_ADMIN_TOKEN":
            variable.pop("valueFrom")
            variable["value"] = "hush"


@breaks(secrets)
def a_password_in_a_config_map(documents):
    documents.of("ConfigMap")[0]["data"]["note"] = "development-only-password"


@rule("a secret that is in this repository says that it is for development")
def development(documents):
    for one in documents.of("Secret"):
        for key, value in decoded(one).items():
            if key != "username" and not value.startswith("development-only-"):
                yield f"{one['metadata']['name']}: {key}"


@breaks(development)
def a_real_password_here(documents):
    documents.of("Secret")[0]["data"] = {"token": base64.b64encode(b"tr0ub4dor").decode()}


@rule("a ConfigMap is small enough to be applied")
def small(documents):
    # `kubectl apply` keeps a copy in an annotation, of which there may be 262,144 bytes.
    for document in documents.of("ConfigMap"):
        size = len(json.dumps(document))
        if size > 250_000:
            yield f"{document['metadata']['name']}: {size} bytes"


@breaks(small)
def a_dashboard_of_a_megabyte(documents):
    documents.of("ConfigMap")[0]["data"]["dashboard.json"] = "x" * 1_000_000


@rule("every node port is one that kind.yaml maps, to this machine alone")
def node_ports(documents):
    kind = yaml.safe_load((root() / "k8s" / "kind.yaml").read_text())
    mapped = [one for node in kind["nodes"] for one in node.get("extraPortMappings", [])]
    for one in mapped:
        if one.get("listenAddress") != "127.0.0.1":
            yield f"kind.yaml: {one['hostPort']} is open to {one.get('listenAddress')}"
    ports = [
        port["nodePort"] for one in documents.of("Service") for port in one["spec"]["ports"] if "nodePort" in port
    ]
    if ports and sorted(ports) != sorted(one["containerPort"] for one in mapped):
        yield f"node ports {sorted(ports)}, mapped {sorted(one['containerPort'] for one in mapped)}"


@breaks(node_ports)
def a_node_port_that_nobody_maps(documents):
    documents.named("Service", "edge")["spec"]["ports"][0]["nodePort"] = 30081


@rule("routes and experiments aim at what is there")
def aims(documents):
    for route in documents.of("HTTPRoute"):
        for one in route["spec"]["parentRefs"]:
            if documents.named("Gateway", one["name"]) is None:
                yield f"HTTPRoute {route['metadata']['name']}: Gateway {one['name']}"
        for one in (one for part in route["spec"]["rules"] for one in part["backendRefs"]):
            service = documents.named("Service", one["name"])
            if service is None or one["port"] not in [port["port"] for port in service["spec"]["ports"]]:
                yield f"HTTPRoute {route['metadata']['name']}: Service {one['name']}:{one['port']}"
    if not documents.services():
        return  # experiments alone
    for chaos in documents.of("PodChaos", "NetworkChaos"):
        spec = chaos["spec"]
        for selector in [spec["selector"], *([spec["target"]["selector"]] if "target" in spec else [])]:
            if selector.get("namespaces") != [NAMESPACE] or not any(
                matches(selector["labelSelectors"], pod.labels) for pod in documents.services()
            ):
                yield f"{chaos['kind']} {chaos['metadata']['name']}: {selector}"


@breaks(aims)
def an_experiment_on_nobody(documents):
    documents.of("PodChaos")[0]["spec"]["selector"]["labelSelectors"] = {"app": "databse"}


@breaks(aims)
def a_route_to_nowhere(documents):
    documents.of("HTTPRoute")[0]["spec"]["rules"][0]["backendRefs"][0]["port"] = 80


@rule("what deploy/ holds for what observes is all there")
def complete(documents):
    texts = [text for one in documents.of("ConfigMap") for text in one.get("data", {}).values()]
    folders = []
    if documents.named("Deployment", "prometheus"):
        folders += [
            "deploy/prometheus/rules/*.yml",
            "deploy/grafana/dashboards/*.json",
            "deploy/grafana/provisioning/*/*.y*ml",
        ]
        folders += ["deploy/prometheus/prometheus.yml", "deploy/jaeger.yaml", "deploy/collector.yaml"]
    for folder in folders:
        files = sorted(root().glob(folder))
        if not files:
            yield f"{folder}: nothing there"
        yield from (
            f"{file.relative_to(root())} is in no ConfigMap" for file in files if file.read_text() not in texts
        )


@breaks(complete)
def rules_that_were_forgotten(documents):
    for one in documents.of("ConfigMap"):
        one["data"] = {key: text for key, text in one.get("data", {}).items() if not key.endswith(".yml")}


def mounted(documents, pod):
    """The files that a pod has by ConfigMaps with stated paths: path → text."""
    files = {}
    for volume in pod.spec.get("volumes", []):
        document = "configMap" in volume and documents.named("ConfigMap", volume["configMap"]["name"])
        for mount in (one for one in pod.container["volumeMounts"] if document and one["name"] == volume["name"]):
            for item in volume["configMap"].get("items", []):
                files[f"{mount['mountPath']}/{item['path']}"] = document["data"].get(item["key"], "")
    return files


@rule("k6 has the script that it is told to run, and every script what it imports")
def scripts(documents):
    for pod in (pod for pod in documents.pods() if pod.kind == "Job"):
        files = mounted(documents, pod)
        if pod.container["args"][-1] not in files:
            yield f"{pod.name}: no {pod.container['args'][-1]}"
        for path, text in files.items():
            for name in re.findall(r"""from ["'](\.[^"']+)["']""", text):
                wanted = posixpath.normpath(f"{posixpath.dirname(path)}/{name}")
                if wanted not in files:
                    yield f"{pod.name}: {path} imports {wanted}"


@breaks(scripts)
def a_library_that_was_forgotten(documents):
    documents.named("Job", "load-test")["spec"]["template"]["spec"]["volumes"][0]["configMap"]["items"].pop()


@breaks(scripts)
def a_script_that_is_not_there(documents):
    documents.named("Job", "load-test")["spec"]["template"]["spec"]["containers"][0]["args"][-1] = (
        "/scripts/stedy.ts"
    )
