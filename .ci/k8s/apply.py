"""Rules about a second `kubectl apply`, which must find nothing to change, and about changing overlays.

kubectl compares what it is given with what the API server keeps, as texts. So a manifest must have its
values in the form in which they are kept. Lists whose elements have a key are compared element by
element and field by field; all others as a whole, with what the API server has added to them."""

import functools
import re
from fractions import Fraction

import kubernetes_validate.utils

from .documents import KUBERNETES
from .rules import breaks, rule

DEFINITIONS = "#/$defs/"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
# What the API server adds to the elements of lists that are compared as a whole, as far as it is not
# stated; of the lists that are not here, it is not known.
ADDED = {
    "Deployment.spec.template.spec.containers.envFrom": set(),
    "Deployment.spec.template.spec.volumes.configMap.items": set(),
    "Gateway.spec.listeners": {"allowedRoutes.namespaces.from"},
    "HTTPRoute.spec.parentRefs": {"group", "kind"},
    "HTTPRoute.spec.rules": {"matches"},
    "HTTPRoute.spec.rules.backendRefs": {"group", "kind", "weight"},
    "HTTPRoute.spec.rules.matches": {"path.type", "path.value"},
    "HorizontalPodAutoscaler.spec.behavior.scaleDown.policies": set(),
    "HorizontalPodAutoscaler.spec.behavior.scaleUp.policies": set(),
    "HorizontalPodAutoscaler.spec.metrics": set(),
    "Job.spec.template.spec.volumes.configMap.items": set(),
    "NetworkPolicy.spec.egress": set(),
    "NetworkPolicy.spec.egress.ports": {"protocol"},
    "NetworkPolicy.spec.egress.to": set(),
    "NetworkPolicy.spec.ingress": set(),
    "NetworkPolicy.spec.ingress.from": set(),
    "NetworkPolicy.spec.ingress.ports": {"protocol"},
    "StatefulSet.spec.volumeClaimTemplates": {"apiVersion", "kind", "spec.volumeMode", "status.phase"},
}
# Where an empty map says something, and is kept.
MEANT = {"emptyDir", "podSelector"}


@functools.cache
def definitions():
    """The types of Kubernetes' API, with what kubectl reads of them."""
    file = f"kubernetes-json-schema/v{KUBERNETES}.0-local-strict/_definitions.json"
    return kubernetes_validate.utils.schema_contents(file, KUBERNETES)["$defs"]


@functools.cache
def type_of(version, kind):
    """The name of a document's type; none for those of operators."""
    group, _, version = version.rpartition("/")
    wanted = {"group": group, "kind": kind, "version": version}
    named = (name for name, one in definitions().items() if wanted in one.get("x-kubernetes-group-version-kind", []))
    return next(named, None)


def resolved(schema):
    """A schema, and the name of its type if it has one."""
    reference = schema.get("$ref", "")
    if DEFINITIONS not in reference:
        return schema, None
    name = reference.split(DEFINITIONS)[1]
    return definitions()[name], name


def values(document):
    """Every value below a document: (path without the places in lists, the field's schema, the type's
    name, value). The schema is empty where Kubernetes does not know the type."""
    name = type_of(document["apiVersion"], document["kind"])
    root = definitions()[name] if name else {}
    waiting = [(document["kind"], root, value) for value in [document]]
    while waiting:
        path, field, value = waiting.pop()
        schema, type_name = resolved(field)
        yield path, field, type_name, value
        if isinstance(value, dict):
            known, other = schema.get("properties", {}), schema.get("additionalProperties") or {}
            for key, below in value.items():
                waiting.append((f"{path}.{key}", known.get(key, other if isinstance(other, dict) else {}), below))
        elif isinstance(value, list):
            waiting += [(path, schema.get("items", {}), below) for below in value]


def has(element, path):
    """Whether an element has a field, stated as a path."""
    for key in path.split("."):
        if not isinstance(element, dict) or key not in element:
            return False
        element = element[key]
    return True


def name_of(document):
    return f"{document['kind']} {document['metadata']['name']}"


@rule("every list that kubectl compares as a whole is written out as the API server keeps it")
def written_out(documents):
    for document in documents.all:
        for path, field, _, value in values(document):
            if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
                continue
            if "x-kubernetes-patch-merge-key" in field:
                continue
            if path not in ADDED:
                yield f"{name_of(document)}: what the API server adds to {path} is not in .ci/k8s/apply.py"
                continue
            for missing in sorted(one for element in value for one in ADDED[path] if not has(element, one)):
                yield f"{name_of(document)}: {path} does not say {missing}, which the API server adds"


@breaks(written_out)
def a_claim_without_what_is_added(documents):
    documents.named("StatefulSet", "postgres")["spec"]["volumeClaimTemplates"][0].pop("status")


@breaks(written_out)
def a_policy_without_a_protocol(documents):
    documents.named("NetworkPolicy", "postgres")["spec"]["ingress"][0]["ports"][0].pop("protocol")


@breaks(written_out)
def a_list_that_is_not_known(documents):
    documents.services()[0].spec["hostAliases"] = [{"ip": "10.0.0.1"}]
    documents.services()[0].spec["tolerations"] = [{"operator": "Exists"}]


@rule("of what kubectl compares by a key, each key is there once")
def keys_once(documents):
    for document in documents.all:
        for path, field, _, value in values(document):
            key = field.get("x-kubernetes-patch-merge-key")
            if key and isinstance(value, list):
                keys = [one.get(key) if isinstance(one, dict) else one for one in value]
                yield from (f"{name_of(document)}: {path} has {one} twice" for one in set(keys) if keys.count(one) > 1)


@breaks(keys_once)
def a_variable_twice(documents):
    variables = documents.services()[0].container["env"]
    variables.append(variables[0])


def normal(text):
    """A quantity as the API server keeps it."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", str(text))
    if not found or found[2] not in DECIMAL | BINARY:
        return None
    number = Fraction(found[1])
    if found[2] in BINARY:
        number *= 1024 ** BINARY[found[2]]
        powers = {suffix: Fraction(1024) ** power for suffix, power in BINARY.items() if number >= 1024}
    else:
        number *= Fraction(10) ** DECIMAL[found[2]]
        powers = {}
    powers = powers or {suffix: Fraction(10) ** power for suffix, power in DECIMAL.items()}
    # The largest unit of which it is a whole number; below the smallest one it would be rounded.
    fitting = [(power, suffix) for suffix, power in powers.items() if (number / power).denominator == 1]
    power, suffix = max(fitting, default=(None, None)) if number else (Fraction(1), "")
    return None if power is None else f"{number / power}{suffix}"


@rule("every quantity is in its normal form, in which the API server keeps it")
def quantities(documents):
    for document in documents.all:
        for path, _, type_name, value in values(document):
            if type_name == QUANTITY and normal(value) != value:
                yield f"{name_of(document)}: {path} is {value}, kept as {normal(value)}"


@breaks(quantities)
def a_thousand_thousandths(documents):
    documents.services()[0].container["resources"]["requests"]["cpu"] = "1000m"


@breaks(quantities)
def half_a_processor(documents):
    documents.services()[0].container["resources"]["requests"]["cpu"] = "0.5"


@breaks(quantities)
def a_gibibyte_in_parts(documents):
    documents.services()[0].container["resources"]["limits"]["memory"] = "1024Mi"


@breaks(quantities)
def a_number_that_is_no_text(documents):
    documents.services()[0].container["resources"]["requests"]["cpu"] = 1


@rule("nothing is stated that the API server does not keep: nulls, empty lists and maps, stringData, status")
def kept(documents):
    for document in documents.all:
        for key in ("stringData", "status"):
            if key in document:
                yield f"{name_of(document)}: {key}"
        for path, _, _, value in values(document):
            is_meant = value == {} and path.rsplit(".", 1)[1] in MEANT
            if value is None or (value in ([], {}) and not is_meant):
                yield f"{name_of(document)}: {path} is {value}"


@breaks(kept)
def a_secret_in_plain_text(documents):
    documents.of("Secret")[0]["stringData"] = {"token": "development-only-token"}


@breaks(kept)
def a_policy_of_no_ingress(documents):
    documents.of("NetworkPolicy")[0]["spec"]["ingress"] = []


@breaks(kept)
def labels_that_are_none(documents):
    documents.of("Service")[0]["metadata"]["annotations"] = {}


@breaks(kept)
def a_field_that_is_null(documents):
    documents.services()[0].spec["nodeName"] = None
