"""Whose rows: what tells the traffic of one deployment from every other, in the log and in reports. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """A model version as one deployment of a resource serves it. The names are those of the log's columns.

    `deployment` is the log's word for a stage (`prod`, `canary`). Empty `cluster`, `namespace`, `resource`
    stand for any where rows are looked up, and for none where rows are written: a server without a cluster.
    """

    model_name: str = ""
    model_version: str = ""
    deployment: str
    cluster: str = ""
    namespace: str = ""
    resource: str = ""
