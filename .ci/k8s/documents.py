"""What kustomize renders, and how to find one's way in it."""

import functools
import pathlib
import re
import subprocess

import yaml

NAMESPACE = "nines"
# The newest whose schemas the pinned kubernetes-validate has.
KUBERNETES = "1.37"
TEMPLATES = {"Deployment", "StatefulSet", "Job"}
# The one in C is ten times as fast, where there is one.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Documents:
    """Rendered documents."""

    def __init__(self, documents):
        self.all = documents

    @classmethod
    def render(cls, kustomize, folder):
        """What `kubectl apply -k` would apply."""
        result = subprocess.run([*kustomize, str(folder)], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"{folder}: {result.stderr.strip()}")
        return cls([document for document in yaml.load_all(result.stdout, LOADER) if document])

    def of(self, *kinds):
        """The documents of these kinds."""
        return [document for document in self.all if document["kind"] in kinds]

    def named(self, kind, name):
        """The one document of this kind and name, or none."""
        return next((one for one in self.of(kind) if one["metadata"]["name"] == name), None)

    def pods(self):
        """What makes pods, as pods."""
        return [Pod(document) for document in self.of(*TEMPLATES)]

    def services(self):
        """The pods of our own services."""
        return [pod for pod in self.pods() if pod.is_service]

    def autoscalers(self):
        """What decides how many pods there are: the Deployment's name → the autoscaler's specification."""
        return {
            one["spec"]["scaleTargetRef"]["name"]: one["spec"] for one in self.of("HorizontalPodAutoscaler")
        }

    def pods_of(self, selector):
        """The pods that have all labels of a selector."""
        return [pod for pod in self.pods() if matches(selector, pod.labels)]

    def data(self, pod):
        """The texts of all ConfigMaps that a pod reads, by the name of the key."""
        texts = {}
        for kind, name in pod.references():
            document = self.named(kind, name)
            if kind == "ConfigMap" and document:
                texts.update(document.get("data", {}))
        return texts

    def environment(self, pod):
        """The variables of the first container that are texts."""
        variables = {}
        for source in pod.container.get("envFrom", []):
            document = self.named("ConfigMap", source["configMapRef"]["name"])
            variables.update((document or {}).get("data", {}))
        variables.update({one["name"]: one["value"] for one in pod.container.get("env", []) if "value" in one})
        return variables

    def addresses(self, pod):
        """Whom a pod calls, by its settings: (where that is written, name, port), for names that
        are Services here or look as if they should be."""
        found = []
        for name, value in self.environment(pod).items():
            found += [
                (name, host, int(port)) for host, port in re.findall(r"(?:://|@)([a-z][a-z0-9-]*):(\d+)", value)
            ]
        mounted = {volume["configMap"]["name"] for volume in pod.spec.get("volumes", []) if "configMap" in volume}
        known = {document["metadata"]["name"] for document in self.of("Service")}
        for document in (self.named("ConfigMap", name) for name in sorted(mounted)):
            for key, text in (document or {}).get("data", {}).items():
                if not key.endswith((".yml", ".yaml")):
                    continue
                # Without comments, which may name what is not called, and with variables at their defaults.
                text = re.sub(r"(?m)(^|\s)#.*$", "", text)
                text = re.sub(r"\$\{env:\w+:-(.*?)\}", r"\1", text)
                for host, port in re.findall(r"(?<![\w.-])([a-z][a-z0-9-]*):(\d{2,5})\b", text):
                    if host in known or f"//{host}:{port}" in text:
                        found.append((key, host, int(port)))
                found += [(key, *one) for one in looked_up(text)]
        return sorted({one for one in found if one[1] != "localhost"})


def looked_up(text):
    """What a Prometheus configuration looks up in DNS: names and port."""
    loaded = yaml.load(text, LOADER)
    if not isinstance(loaded, dict):
        return
    for job in loaded.get("scrape_configs") or []:
        for lookup in job.get("dns_sd_configs", []):
            for name in lookup["names"]:
                yield name, int(lookup["port"])


class Pod:
    """A pod's template, and whose it is."""

    def __init__(self, document):
        self.document = document
        self.kind = document["kind"]
        self.name = document["metadata"]["name"]
        template = document["spec"]["template"]
        self.labels = template["metadata"].get("labels", {})
        self.spec = template["spec"]
        self.containers = self.spec["containers"] + self.spec.get("initContainers", [])
        self.container = self.spec["containers"][0]
        self.is_service = self.labels.get("app.kubernetes.io/component") == "service"

    def asks_for(self):
        """The CPU that the pod asks for, in thousandths."""
        return sum(thousandths(one["resources"]["requests"]["cpu"]) for one in self.containers)

    def port(self, target):
        """The number of a container port, by number or name; none if there is none."""
        for port in (port for one in self.containers for port in one.get("ports", [])):
            if target in (port.get("name"), port["containerPort"]):
                return port["containerPort"]
        return None

    def references(self):
        """The ConfigMaps, Secrets and ServiceAccounts that the pod needs: (kind, name)."""
        found = set()
        for container in self.containers:
            for source in container.get("envFrom", []):
                for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                    if key in source:
                        found.add((kind, source[key]["name"]))
            for variable in container.get("env", []):
                for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                    if key in variable.get("valueFrom", {}):
                        found.add((kind, variable["valueFrom"][key]["name"]))
        for volume in self.spec.get("volumes", []):
            if "configMap" in volume:
                found.add(("ConfigMap", volume["configMap"]["name"]))
            if "secret" in volume:
                found.add(("Secret", volume["secret"]["secretName"]))
        return sorted(found)


def thousandths(cpu):
    """A quantity of CPU in its normal form, in thousandths."""
    return int(cpu[:-1]) if cpu.endswith("m") else int(cpu) * 1000


def matches(selector, labels):
    """Whether labels satisfy a selector of labels; the empty one is satisfied by all."""
    selector = selector or {}
    if "matchExpressions" in selector:
        raise NotImplementedError("matchExpressions")
    wanted = selector.get("matchLabels", {}) if set(selector) <= {"matchLabels"} else selector
    return all(labels.get(key) == value for key, value in wanted.items())


@functools.cache
def settings_known(nines, role):
    """The variables that a service knows, from its own help."""
    text = subprocess.run([nines, "serve", role, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"\bNINES_[A-Z0-9_]+", text))


def root():
    """The project's folder."""
    return pathlib.Path(__file__).resolve().parents[2]
