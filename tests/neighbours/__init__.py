"""Real neighbours, started on this machine for component tests: processes.py first, then one module each."""

from neighbours.apiserver import api_server
from neighbours.mlflow import mlflow_server
from neighbours.postgres import Postgres, postgres
from neighbours.s3 import S3, s3_server

__all__ = ["S3", "Postgres", "api_server", "mlflow_server", "postgres", "s3_server"]
