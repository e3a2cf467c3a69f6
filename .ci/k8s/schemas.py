"""What is used of resources that Kubernetes does not bring along, field by field: their own schemas
are with their operators, and none of those is here. A field that is not listed is an error."""

import jsonschema

TEXT = {"type": "string", "minLength": 1}
WHOLE = {"type": "integer", "minimum": 1}
TEXTS = {"type": "object", "additionalProperties": TEXT}
DURATION = {"type": "string", "pattern": r"^\d+(ms|s|m|h)$"}
SIZE = {"type": "string", "pattern": r"^\d+(Mi|Gi)$"}


def fields(optional=(), **properties):
    """An object with these fields and no others, all needed but those `optional`."""
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": [name for name in properties if name not in optional],
    }


def listed(item):
    """A list that is not empty."""
    return {"type": "array", "items": item, "minItems": 1}


def one_of(*values):
    """One of a few words."""
    return {"enum": list(values)}


SELECTOR = fields(namespaces=listed(TEXT), labelSelectors=TEXTS)
RESOURCES = fields(
    requests=fields(cpu={"type": "string", "pattern": r"^\d+m?$"}, memory=SIZE), limits=fields(memory=SIZE)
)

SPECS = {
    # CloudNativePG 1.25 and later, https://cloudnative-pg.io/documentation/
    ("postgresql.cnpg.io/v1", "Cluster"): fields(
        instances=WHOLE,
        primaryUpdateStrategy=one_of("unsupervised", "supervised"),
        inheritedMetadata=fields(labels=TEXTS),
        bootstrap=fields(initdb=fields(database=TEXT, owner=TEXT, secret=fields(name=TEXT))),
        postgresql=fields(
            parameters=fields(max_connections={"type": "string", "pattern": r"^\d+$"}),
            synchronous=fields(
                method=one_of("any", "first"), number=WHOLE, dataDurability=one_of("required", "preferred")
            ),
        ),
        affinity=fields(
            enablePodAntiAffinity={"type": "boolean"},
            topologyKey=TEXT,
            podAntiAffinityType=one_of("required", "preferred"),
        ),
        storage=fields(size=SIZE),
        resources=RESOURCES,
    ),
    ("postgresql.cnpg.io/v1", "Database"): fields(name=TEXT, owner=TEXT, cluster=fields(name=TEXT)),
    # Chaos Mesh 2, https://chaos-mesh.org/docs/
    ("chaos-mesh.org/v1alpha1", "PodChaos"): fields(
        action=one_of("pod-kill", "pod-failure", "container-kill"),
        mode=one_of("one", "all"),
        gracePeriod={"type": "integer", "minimum": 0},
        selector=SELECTOR,
    ),
    ("chaos-mesh.org/v1alpha1", "NetworkChaos"): fields(
        action=one_of("partition", "delay", "loss"),
        mode=one_of("one", "all"),
        direction=one_of("to", "from", "both"),
        duration=DURATION,
        selector=SELECTOR,
        target=fields(mode=one_of("one", "all"), selector=SELECTOR),
    ),
    # Gateway API 1.2 and later, https://gateway-api.sigs.k8s.io/reference/spec/
    ("gateway.networking.k8s.io/v1", "Gateway"): fields(
        gatewayClassName=TEXT,
        listeners=listed(
            fields(
                name=TEXT,
                protocol=one_of("HTTP", "HTTPS"),
                port=WHOLE,
                hostname=TEXT,
                allowedRoutes=fields(namespaces=fields(**{"from": one_of("Same", "All", "Selector")})),
            )
        ),
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): fields(
        parentRefs=listed(
            fields(group=one_of("gateway.networking.k8s.io"), kind=one_of("Gateway"), name=TEXT, sectionName=TEXT)
        ),
        hostnames=listed(TEXT),
        rules=listed(
            fields(
                matches=listed(
                    fields(
                        path=fields(type=one_of("Exact", "PathPrefix"), value={"type": "string", "pattern": "^/"})
                    )
                ),
                timeouts=fields(request=DURATION),
                backendRefs=listed(
                    fields(group=one_of(""), kind=one_of("Service"), name=TEXT, port=WHOLE, weight=WHOLE)
                ),
            )
        ),
    ),
}

# kind's own configuration file, https://kind.sigs.k8s.io/docs/user/configuration/
KIND = fields(
    kind=one_of("Cluster"),
    apiVersion=one_of("kind.x-k8s.io/v1alpha4"),
    name=TEXT,
    nodes=listed(
        fields(
            ("extraPortMappings",),
            role=one_of("control-plane", "worker"),
            extraPortMappings=listed(fields(containerPort=WHOLE, hostPort=WHOLE, listenAddress=TEXT)),
        )
    ),
)


def errors(document):
    """What is wrong with a resource of ours; none if its kind is not among them."""
    spec = SPECS.get((document["apiVersion"], document["kind"]))
    if spec is None:
        return None
    metadata = fields(("namespace", "labels"), name=TEXT, namespace=TEXT, labels=TEXTS)
    whole = fields(apiVersion=TEXT, kind=TEXT, metadata=metadata, spec=spec)
    return told(whole, document)


def told(schema, document):
    """Each error, with where it is."""
    found = jsonschema.Draft202012Validator(schema).iter_errors(document)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]
