"""Rules of where pods go: each constraint is carried out as the scheduler does, on one node, on two, on
those of kind.yaml, and while one of them is drained.

https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/"""

from .rules import breaks, rule

# The nodes: name → whether it takes no new pods (a taint NoSchedule: a control plane, one that is drained).
ONE = {"only": False}
TWO = {"a": False, "b": False}
KIND = {"control-plane": True, "a": False, "b": False}


def constraint_of(pod):
    """The constraint that spreads the pods of one release of a service over nodes; none if there is none."""
    for one in pod.spec.get("topologySpreadConstraints", []):
        keys = set(one.get("matchLabelKeys", []))
        is_of_it = one["labelSelector"]["matchLabels"].items() <= pod.labels.items()
        if one["topologyKey"] == "kubernetes.io/hostname" and is_of_it and "app.kubernetes.io/name" in keys:
            return one
    return None


def places(constraint, nodes, pods):
    """The nodes on which the scheduler would put one more pod, where `pods` are there: a list of nodes."""
    free = [name for name, is_tainted in nodes.items() if not is_tainted]
    if constraint["whenUnsatisfiable"] != "DoNotSchedule":
        return free
    domains = free if constraint.get("nodeTaintsPolicy", "Ignore") == "Honor" else list(nodes)
    least = min(pods.count(name) for name in domains)
    return [name for name in free if pods.count(name) + 1 - least <= constraint["maxSkew"]]


def filled(constraint, nodes, pods, wanted):
    """The pods once there are `wanted` of them, put as badly as the constraint allows: on the fullest
    node that it leaves. Fewer if one finds no place."""
    pods = list(pods)
    while len(pods) < wanted:
        found = places(constraint, nodes, pods)
        if not found:
            break
        pods.append(max(found, key=pods.count))
    return pods


@rule("every pod of a service finds a node: of one, of two, of kind's three, and while one is drained")
def schedulable(documents):
    for pod in documents.services():
        constraint = constraint_of(pod)
        if constraint is None:
            yield f"{pod.name}: nothing spreads its pods over nodes"
            continue
        for what, nodes in (("one node", ONE), ("two nodes", TWO), ("kind's nodes", KIND)):
            if len(filled(constraint, nodes, [], 6)) < 6:
                yield f"{pod.name}: six pods find no place on {what}"
        for what, nodes in (("two nodes", TWO), ("kind's nodes", KIND)):
            if len(filled(constraint, {**nodes, "a": True}, ["b"], 2)) < 2:
                yield f"{pod.name}: with one of {what} drained, a pod finds no place"


@breaks(schedulable)
def a_drained_node_that_counts(documents):
    documents.services()[0].spec["topologySpreadConstraints"][0].pop("nodeTaintsPolicy")


@breaks(schedulable)
def pods_that_are_not_spread(documents):
    documents.services()[0].spec.pop("topologySpreadConstraints")


@rule("the two pods of a service are never on one node while another is free, not even after a drain and a rollout")
def spread(documents):
    for pod in documents.services():
        constraint = constraint_of(pod)
        for what, nodes in (("two nodes", TWO), ("kind's nodes", KIND)) if constraint else ():
            if len(set(filled(constraint, nodes, [], 2))) < 2:
                yield f"{pod.name}: two pods may share one of {what}"
            # After a drain both are on one node. Those of the next release must not care: counted with
            # these, both of them would go to the other.
            old = [] if "pod-template-hash" in constraint["matchLabelKeys"] else ["b", "b"]
            new = filled(constraint, nodes, old, len(old) + 2)[len(old) :]
            if len(set(new)) < 2:
                yield f"{pod.name}: on {what} a rollout after a drain puts both pods on one"


@breaks(spread)
def pods_that_may_lie_together(documents):
    documents.services()[0].spec["topologySpreadConstraints"][0]["whenUnsatisfiable"] = "ScheduleAnyway"


@breaks(spread)
def releases_that_are_counted_together(documents):
    documents.services()[0].spec["topologySpreadConstraints"][0]["matchLabelKeys"] = ["app.kubernetes.io/name"]
