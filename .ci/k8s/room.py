"""Whether everything fits the one node of minikube, as `minikube start` makes it."""

import copy

# Two CPUs, of which minikube's own pods ask for 850m, with the metrics server.
ROOM = 2000 - 850


def asked_for(documents, load_test):
    """The CPU that the pods of a chain and a load test ask for at the worst moments: (what is there, how
    much, in thousandths)."""
    scaled = documents.autoscalers()
    services = documents.services()
    others = sum(pod.asks_for() for pod in documents.pods() if not pod.is_service)
    others += sum(pod.asks_for() for pod in load_test.pods())

    def together(number):
        return others + sum(pod.asks_for() * scaled[pod.name][number] for pod in services)

    one_more = [pod.asks_for() for pod in services]
    yield "as many pods as there may be, and one that is rolled out", together("maxReplicas") + max(one_more)
    yield "two pods of each service, and one of each that is rolled out", together("minReplicas") + sum(one_more)


def misfits(documents, load_test):
    """Where that is more than there is."""
    for what, asked in asked_for(documents, load_test):
        if asked > ROOM:
            yield f"overlays/minikube: {what}: {asked}m, and there are {ROOM}m"


def dearer_services(documents, _):
    for pod in documents.services():
        pod.container["resources"]["requests"]["cpu"] = "80m"


def more_pods(documents, _):
    for spec in documents.autoscalers().values():
        spec["maxReplicas"] = 6


def a_dearer_store(documents, _):
    documents.named("StatefulSet", "postgres")["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"][
        "cpu"
    ] = "200m"


def a_dearer_load_test(_, load_test):
    load_test.pods()[0].container["resources"]["requests"]["cpu"] = "500m"


def misfits_notice(documents, load_test):
    """Anything that asks for too much must be noticed."""
    for change in (dearer_services, more_pods, a_dearer_store, a_dearer_load_test):
        broken = [type(one)(copy.deepcopy(one.all)) for one in (documents, load_test)]
        change(*broken)
        if not list(misfits(*broken)):
            yield f"not noticed on minikube: {change.__name__.replace('_', ' ')}"
