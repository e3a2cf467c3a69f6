"""The Python that has the packages these checks need: PyYAML, jsonschema, Kubernetes' schemas."""

import os
import pathlib
import shutil
import sys

from support import TOOLS, skip_or_fail, tool

REMEDY = "deploy/tools kubernetes installs it"


def with_packages():
    """Runs the check by that Python, if this one is not it."""
    try:
        import kubernetes_validate  # noqa: F401
    except ImportError:
        if os.environ.get("NINES_CHECK_AGAIN"):
            skip_or_fail("the Python package kubernetes-validate", REMEDY)
        python = pathlib.Path(tool("kubernetes-validate", REMEDY)).resolve().parent / "python"
        os.execve(python, [str(python), *sys.argv], {**os.environ, "NINES_CHECK_AGAIN": "1"})


def kustomize():
    """The command that renders: kustomize, or the one that is in kubectl."""
    if not (TOOLS / "kustomize").exists() and not shutil.which("kustomize") and shutil.which("kubectl"):
        return [shutil.which("kubectl"), "kustomize"]
    return [tool("kustomize", REMEDY), "build"]
