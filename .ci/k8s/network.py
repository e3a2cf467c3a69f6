"""Rules of network policies: who calls whom follows from the settings, and exactly that is allowed."""

from .documents import matches
from .rules import breaks, rule

KUBE_SYSTEM = {"kubernetes.io/metadata.name": "kube-system"}
DNS = {"k8s-app": "kube-dns"}


def edges(documents):
    """Every connection that settings ask for: (pod, pod, port)."""
    for pod in documents.pods():
        for _, host, number in documents.addresses(pod):
            service = documents.named("Service", host)
            if service is None:
                continue
            port = next((one for one in service["spec"]["ports"] if one["port"] == number), None)
            for callee in documents.pods_of(service["spec"]["selector"]) if port else []:
                if callee.name != pod.name:
                    yield pod, callee, callee.port(port.get("targetPort", number))


def is_open_to_all(part, key):
    """Whether a part of a policy names no peers, which means everybody."""
    return not part.get(key)


def passes(documents, pod, direction, peer, port):
    """Whether the policies let a connection of a pod through, at this end. `peer` are the other
    end's labels; none stands for somebody outside."""
    kind, key = ("Ingress", "from") if direction == "ingress" else ("Egress", "to")
    selecting = [
        one["spec"]
        for one in documents.of("NetworkPolicy")
        if kind in one["spec"]["policyTypes"] and matches(one["spec"]["podSelector"], pod.labels)
    ]
    return not selecting or any(
        (is_open_to_all(part, key) or (peer is not None and any(is_peer(one, peer) for one in part[key])))
        and any(port == one["port"] for one in part.get("ports", []))
        for spec in selecting
        for part in spec.get(direction, [])
    )


def is_peer(part, labels):
    """Whether pods of this namespace with these labels are meant."""
    return "namespaceSelector" not in part and "ipBlock" not in part and matches(part["podSelector"], labels)


def has_policies(documents):
    """Whether the documents are meant to have policies at all."""
    return bool(documents.of("NetworkPolicy"))


@rule("nothing passes that is not named")
def default_deny(documents):
    if has_policies(documents) and not any(
        one["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        for one in documents.of("NetworkPolicy")
    ):
        yield "no policy denies everything in both directions"


@breaks(default_deny)
def no_default(documents):
    documents.all.remove(documents.named("NetworkPolicy", "default-deny"))


@rule("every pod may ask for names, over UDP and TCP")
def dns(documents):
    if not has_policies(documents):
        return
    for pod in documents.pods():
        allowed = {
            (port["protocol"], port["port"])
            for one in documents.of("NetworkPolicy")
            if matches(one["spec"]["podSelector"], pod.labels)
            for part in one["spec"].get("egress", [])
            for peer in part.get("to", [])
            if peer == {"namespaceSelector": {"matchLabels": KUBE_SYSTEM}, "podSelector": {"matchLabels": DNS}}
            for port in part["ports"]
        }
        if allowed != {("UDP", 53), ("TCP", 53)}:
            yield f"{pod.name}: {sorted(allowed)}"


@breaks(dns)
def no_names(documents):
    documents.all.remove(documents.named("NetworkPolicy", "dns"))


@rule("every connection that a setting asks for is allowed where it goes out and where it comes in")
def both_halves(documents):
    for caller, callee, port in edges(documents):
        if not passes(documents, caller, "egress", callee.labels, port):
            yield f"{caller.name} may not go out to {callee.name}:{port}"
        if not passes(documents, callee, "ingress", caller.labels, port):
            yield f"{callee.name} does not let {caller.name} in at {port}"


def without_peer(documents, policy, direction, name):
    """Takes a peer out of one direction of a policy."""
    spec = documents.named("NetworkPolicy", policy)["spec"]
    key = "from" if direction == "ingress" else "to"
    for part in spec[direction]:
        part[key] = [
            one
            for one in part.get(key, [])
            if one.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/name") != name
        ] or [{"podSelector": {"matchLabels": {"nobody": "here"}}}]


@breaks(both_halves)
def gateway_may_not_go_out_to_auth(documents):
    without_peer(documents, "gateway", "egress", "auth")


@breaks(both_halves)
def auth_does_not_let_the_gateway_in(documents):
    without_peer(documents, "auth", "ingress", "gateway")


@breaks(both_halves)
def the_collector_takes_no_spans(documents):
    without_peer(documents, "collector", "ingress", "auth")


@rule("clients get in where a Service is open to them, and nowhere else")
def outside(documents):
    if not has_policies(documents):
        return
    opened = {
        (pod.name, pod.port(port.get("targetPort", port["port"])))
        for one in documents.of("Service")
        if one["spec"].get("type") == "NodePort" or one["metadata"]["name"] == "edge"
        for pod in documents.pods_of(one["spec"]["selector"])
        for port in one["spec"]["ports"]
    }
    for pod in documents.pods():
        for port in sorted({port["containerPort"] for one in pod.containers for port in one.get("ports", [])}):
            if passes(documents, pod, "ingress", None, port) != ((pod.name, port) in opened):
                yield f"{pod.name}:{port} is {'shut' if (pod.name, port) in opened else 'open'}"


@breaks(outside)
def a_gateway_without_clients(documents):
    documents.named("NetworkPolicy", "gateway")["spec"]["ingress"].pop(0)


@breaks(outside)
def a_database_for_everybody(documents):
    documents.named("NetworkPolicy", "database")["spec"]["ingress"][0].pop("from")


@rule("nothing is allowed that no setting asks for")
def no_more(documents):
    if not has_policies(documents):
        return
    wanted = {(caller.name, callee.name, port) for caller, callee, port in edges(documents)}
    for caller in documents.pods():
        for callee in documents.pods():
            for port in sorted(
                {port["containerPort"] for one in callee.containers for port in one.get("ports", [])}
            ):
                both = passes(documents, caller, "egress", callee.labels, port) and passes(
                    documents, callee, "ingress", caller.labels, port
                )
                if both and caller.name != callee.name and (caller.name, callee.name, port) not in wanted:
                    yield f"{caller.name} may call {callee.name}:{port}, and has no reason to"


@breaks(no_more)
def a_profile_that_may_call_auth(documents):
    for name, direction, key, peer in (
        ("profile", "egress", "to", "auth"),
        ("auth", "ingress", "from", "profile"),
    ):
        documents.named("NetworkPolicy", name)["spec"][direction].append(
            {
                key: [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": peer}}}],
                "ports": [{"protocol": "TCP", "port": 8080}],
            }
        )
