"""What stands in front of the processes, made from the table of routes: Kong, nginx, and what Kubernetes needs."""

from __future__ import annotations

from config.documents_format import yaml_text
from config.gateways import kong, kubernetes
from config.landscape import Landscape


def files(landscape: Landscape) -> dict[str, str]:
    """Return file name, below ``docker/``, → content of every generated file there."""
    kubernetes_files = {f"kubernetes/{name}": text for name, text in kubernetes.manifests(landscape).items()}
    return {"kong/kong.yml": yaml_text([kong.kong_configuration(landscape.topology)]), **kubernetes_files}
