# `make` alone prints every target. Everything runs from this folder; build results are in .venv, .build and ~/.cache/driftlead.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
export PATH := $(CURDIR)/$(VENV)/bin:$(CURDIR)/.build/bin:$(PATH)
export KUBECONFIG := $(CURDIR)/.build/kubeconfig

help: ## print this list
	@awk -F':.*## ' '/^[a-z][a-z0-9-]*:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## make .venv with the locked dependencies and this project
$(VENV)/.ready: requirements.lock pyproject.toml
	@test -x $(PY) || python3 -m venv $(VENV)
	@test -x $(UV) || $(PY) -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	@$(UV) pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	@$(UV) pip install --quiet --no-deps --editable . "uv>=0.9"
	@touch $@

lock: setup ## resolve the dependencies again: the root lock, then one beside each Dockerfile
	@$(PY) -m hack.lock

lint: setup ## ruff, mypy --strict, import-linter, the chart's copy of the CRD, and known vulnerabilities
	@ruff check .
	@ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@mypy
	@lint-imports --no-logo
	@$(PY) -m hack.crds --check
	@$(PY) -m hack.audit

format: setup ## format with ruff and fix what it can
	@ruff format --quiet . && ruff check --fix --quiet .

crds: setup ## copy crds/ into the chart
	@$(PY) -m hack.crds
	@$(PY) -m hack.install

test: setup ## lint, unit, component, field, chart, docs and e2e tests, each with its time
	@$(PY) -m hack.run_tests

test-unit: setup ## the pure modules alone, in seconds
	@pytest tests/unit

fuzz: setup ## search for inputs that break a parser, ten minutes for each
	@$(PY) tests/fuzz -max_total_time=600

test-e2e: setup images ## install, predict, promote, drift, retrain on a real cluster
	@$(PY) -m hack.machine
	@pytest tests/e2e

test-platform: setup images ## faults, upgrades, leaders, policies, autoscaling, monitoring: end to end, minutes long
	@$(PY) -m hack.tools metrics-server policies prometheus-operator > /dev/null
	@$(PY) -m hack.run_tests e2e-platform

up: ## a real Kubernetes: kind where Docker runs, else one node without Docker
	@python3 -m hack.local_cluster up

down: ## stop that cluster and remove everything of it
	@python3 -m hack.local_cluster down

images: up ## build every image that changed and load it into the cluster
	@python3 -m hack.local_cluster images

demo: setup images ## the closed loop on real flights, step by step
	@$(PY) -m hack.demo

demo-down: ## remove what the demo installed
	@$(PY) -m hack.demo down

bench: setup ## repeat the measurements of benchmarks/README.md
	@$(PY) -m benchmarks $(WHAT)

docs: setup ## generate reference pages, dashboards and install.yaml
	@$(PY) -m hack.reference
	@$(PY) -m hack.values_reference
	@$(PY) -m hack.dashboards
	@$(PY) -m hack.install

.PHONY: help setup lock lint format crds test test-unit fuzz test-e2e test-platform up down images demo demo-down bench docs
