"""Renders every overlay, and the components in the combinations that make sense; holds each document
against Kubernetes' schemas (custom resources: against what is used of them) and the whole against
rules: who calls whom and is allowed to, where names lead, what a pod may and needs. Every rule is
broken on purpose, and must notice. And the scenario for kind is one of the chain that is rendered
for it. No cluster is needed, and none is asked.

Usage: check_k8s.py NINES
"""

import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from k8s.python import kustomize, with_packages
from support import ROOT

KINDS = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: nines\n"
OWN_SECRETS = """secretGenerator:
  - name: admin-token
    literals: [token=development-only-admin-token]
  - name: postgres-user
    type: kubernetes.io/basic-auth
    literals: [username=nines, password=development-only-password]
"""


def combinations(folder):
    """What is rendered besides the overlays: name → text of a kustomization in a folder of its own."""
    up = os.path.relpath(ROOT / "k8s", folder)

    def built(on, *components, more=""):
        listed = "".join(f"  - ../{up}/components/{name}\n" for name in components)
        return f"{KINDS}resources:\n  - ../{up}/{on}\n" + (f"components:\n{listed}" if components else "") + more

    return {
        "everything at once": built("overlays/kind", "gateway-api", "chaos", "load-test"),
        "the chain with CloudNativePG": built(
            "base", "cloudnative-pg", "network-policy", more=OWN_SECRETS
        ),
        "five hops with CloudNativePG, observed": built(
            "base", "audit", "cloudnative-pg", "observability", "network-policy", more=OWN_SECRETS
        ),
        "the chain with PostgreSQL": built("base", "postgres", more=OWN_SECRETS),
    }


def rendered(folder):
    """Everything that is rendered: name → documents."""
    from k8s.documents import Documents

    command = kustomize()
    result = {}
    for overlay in sorted((ROOT / "k8s" / "overlays").iterdir()):
        result[f"overlays/{overlay.name}"] = Documents.render(command, overlay)
    for number, (name, text) in enumerate(combinations(folder).items()):
        own = pathlib.Path(folder, str(number))
        own.mkdir()
        (own / "kustomization.yaml").write_text(text)
        result[name] = Documents.render(command, own)
    return result


def parts():
    """What is applied by itself to a chain that runs, and the base, which nothing can run as it is."""
    from k8s.documents import Documents

    folders = ("base", "components/load-test", "components/chaos")
    return {folder: Documents.render(kustomize(), ROOT / "k8s" / folder) for folder in folders}


def invalid(document):
    """What is wrong with a document by itself."""
    import kubernetes_validate
    from k8s import schemas
    from k8s.documents import KUBERNETES

    own = schemas.errors(document)
    if own is not None:
        return own
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message}"]
    except kubernetes_validate.SchemaNotFoundError:
        version = document["apiVersion"]
        return [f"{version} is neither of Kubernetes {KUBERNETES} nor described in .ci/k8s/schemas.py"]
    return []


def name_of(document):
    return f"{document['kind']} {document['metadata']['name']}"


def base_alone(base):
    """The base has no secrets and no store, and must say so rather than bring some."""
    from k8s.objects import references

    missing = {
        re.sub(r".*: (\w+ [\w-]+) is not there", r"\1", what) for what in references(base) if "not there" in what
    }
    if missing != {"Secret admin-token", "Secret postgres-user"}:
        yield f"base: lacks {sorted(missing)}; wanted: the two Secrets, and nothing else"


def schemas_notice(documents):
    """Documents with a slip of the pen must be refused, whoever describes them."""
    for document in {one["kind"]: one for one in documents.all}.values():
        if not isinstance(document.get("spec"), dict):
            continue
        broken = copy.deepcopy(document)
        broken["spec"]["slipOfThePen"] = True
        if not invalid(broken):
            yield f"not noticed: {name_of(document)} with a field spec.slipOfThePen"


def kind_file():
    """What is wrong with kind's own file."""
    import yaml
    from k8s import schemas

    file = ROOT / "k8s" / "kind.yaml"
    return [f"k8s/kind.yaml: {error}" for error in schemas.told(schemas.KIND, yaml.safe_load(file.read_text()))]


def planned(nines):
    """The chains of k8s/chain.toml, one for each run that it compares: service → replicas."""
    command = [nines, "predict", "k8s/chain.toml", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        sys.exit(f"nines predict k8s/chain.toml ended with {done.returncode}: {done.stderr}")
    topologies = [one["plan"]["topology"] for one in json.loads(done.stdout)["scenarios"]]
    return [dict.fromkeys(["gateway", *one["hops"]], 1) | one["replicas"] for one in topologies]


def misfits(chain, documents):
    """Where the chain of the scenario is not the one that is rendered."""
    scaled = documents.autoscalers()
    for name in sorted(scaled.keys() | chain.keys()):
        pods = scaled[name]["minReplicas"] if name in scaled else 0
        if pods != chain.get(name, 0):
            yield f"k8s/chain.toml: {chain.get(name, 0)} of {name}, and overlays/kind has {pods}"
    for name, spec in scaled.items():
        for way in ("scaleUp", "scaleDown"):
            if spec["behavior"][way].get("selectPolicy") != "Disabled":
                yield f"overlays/kind: the autoscaler of {name} may change the number that k8s/chain.toml states"


def misfits_notice(chain, documents):
    """One pod more of any service, any service less, and a number that may change must be noticed."""
    for name in chain:
        for what, change in (
            ("one more pod", lambda spec: spec.update(minReplicas=3)),
            ("a number that grows", lambda spec: spec["behavior"]["scaleUp"].pop("selectPolicy")),
            ("a number that shrinks", lambda spec: spec["behavior"]["scaleDown"].pop("selectPolicy")),
        ):
            broken = type(documents)(copy.deepcopy(documents.all))
            change(broken.autoscalers()[name])
            if not list(misfits(chain, broken)):
                yield f"not noticed by the scenario: {what} of {name}"
        scaler = documents.named("HorizontalPodAutoscaler", name)
        less = type(documents)([one for one in documents.all if one is not scaler])
        if not list(misfits(chain, less)):
            yield f"not noticed by the scenario: no pod of {name}"


def main():
    with_packages()
    from k8s import apply, network, objects, pods, room, rules, spread  # noqa: F401

    if len(sys.argv) != 2:
        sys.exit(__doc__)
    pods.NINES = os.path.abspath(sys.argv[1])
    (ROOT / "target").mkdir(exist_ok=True)
    # Below the project, since kustomize takes folders by relative paths only.
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
        everything = rendered(folder)
    alone = parts()
    bad = [*base_alone(alone["base"]), *kind_file()]
    bad += [
        f"{name}: {name_of(one)}: {error}"
        for name, part in alone.items()
        for one in part.all
        for error in invalid(one)
    ]
    bad += [f"{name}: {what}" for name, part in alone.items() for what in objects.namespace(part)]
    for name, documents in everything.items():
        wrong = [f"{name_of(one)}: {error}" for one in documents.all for error in invalid(one)]
        wrong += [f"{what}  ({sentence})" for sentence, what in rules.findings(documents)]
        print(f"{name}: {len(documents.all)} documents, {len(wrong)} findings", flush=True)
        bad += [f"{name}: {what}" for what in wrong]
    for chain in planned(pods.NINES):
        print(f"k8s/chain.toml: {', '.join(f'{count} of {name}' for name, count in chain.items())}")
        bad += misfits(chain, everything["overlays/kind"])
        bad += misfits_notice(chain, everything["overlays/kind"])
    minikube, load_test = everything["overlays/minikube"], alone["components/load-test"]
    for what, asked in room.asked_for(minikube, load_test):
        print(f"overlays/minikube: {asked}m of {room.ROOM}m of CPU: {what}")
    bad += room.misfits(minikube, load_test)
    bad += room.misfits_notice(minikube, load_test)
    whole = everything["everything at once"]
    bad += rules.blind(whole)
    bad += schemas_notice(whole)
    bad += schemas_notice(everything["five hops with CloudNativePG, observed"])
    print(f"{len(rules.RULES)} rules, broken on purpose in {len(rules.BREAKS)} ways")
    if bad:
        sys.exit("\n".join(bad))


main()
