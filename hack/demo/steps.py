"""The seven steps. A step's docstring is its title and what it proves; each checks its own outcome."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hack import ROOT
from hack.demo.registry import Registry
from hack.demo.shell import OutcomeError, background, check, eventually, run, say, show
from hack.demo.system import MODEL, System, with_images

COMPARISON = (
    "SELECT deployment, COUNT(*) AS n, AVG(latency_ms) AS avg_latency, AVG(prediction) AS avg_pred"
    " FROM inference_logs GROUP BY deployment"
)
"""The original's own comparison."""
DEMO = ROOT / ".build/demo.yaml"


class Demo:
    """What the steps pass on: the system and, from the second step on, its registry."""

    def __init__(self, system: System, *settings: str) -> None:
        """Nothing is there yet; `settings` are further values of the chart."""
        self.system = system
        self.settings = settings
        self.registry: Registry | None = None

    @property
    def mlflow(self) -> Registry:
        """The forwarded registry."""
        if self.registry is None:
            self.registry = Registry(self.system)
        return self.registry

    def close(self) -> None:
        """Ends what the steps left running on this machine."""
        if self.registry is not None:
            self.registry.close()

    def send(self, months: str, service: str, count: int) -> None:
        """Replays flights and checks that every one was answered."""
        words = ["--url", f"http://{service}", "--months", months, "--count", str(count)]
        seen = json.loads(show(*self.system.client("python", "replay.py", *words)).splitlines()[-1])
        check(seen["failed"] == 0 and seen["sent"] == count, f"all {count} requests were answered", seen)

    @contextmanager
    def users(self, service: str = "demo") -> Iterator[dict[str, Any]]:
        """Clients that send flights to the stable Service all the while; their count is there afterwards."""
        words = [
            "--url",
            f"http://{service}",
            "--months",
            "7",
            "--until-eof",
            "--clients",
            "4",
            "--pause",
            "0.02",
        ]
        command = self.system.kubectl("exec", "-i", "flights", "--", "python", "replay.py", *words)
        seen: dict[str, Any] = {}
        with background(*command) as process:
            time.sleep(3)
            yield seen
            time.sleep(12)  # old pods answer on for some seconds; what goes wrong then must be seen too
            output, errors = process.communicate(timeout=60)
            if not output.strip():
                raise OutcomeError(f"the clients said nothing: {errors}")
            seen |= json.loads(output.splitlines()[-1])


def install(demo: Demo) -> None:
    """Install

    One `helm install` brings the operator and a development stack (Postgres, S3, MLflow) to a namespace with
    the strictest pod security, and waits until all of it is ready.
    """
    show("kubectl", "get", "nodes")
    demo.system.make_namespace()
    command = demo.system.install("devStack.enabled=true", *demo.settings)
    run(*command)
    say(f"    $ {' '.join(command)}")
    show(*demo.system.kubectl("get", "pods"))
    demo.system.start_client()


def serve(demo: Demo) -> None:
    """Train on January and February, register, serve

    Version 1 goes to Production, a second candidate to Staging; one resource makes both serve. `Ready` means
    that the wanted version answered a real prediction.
    """
    system = demo.system
    first, second = system.train("1-2", "logistic"), system.train("1-2", "boosted")
    check((first, second) == ("1", "2"), "the registry has versions 1 and 2", (first, second))
    demo.mlflow.transition("1", "Production")
    demo.mlflow.transition("2", "Staging")
    DEMO.write_text(with_images((ROOT / "examples/flights/demo.yaml").read_text()))
    show(*system.kubectl("apply", "-f", str(DEMO.relative_to(ROOT))))
    system.wait("modeldeployment/demo", "condition=Ready")
    system.wait("modeldeployment/demo", "jsonpath={.status.canary.version}=2")
    show(
        *system.kubectl(
            "get", "modeldeployment,deployment,service,cronjob,pod", "-l", "driftlead.dev/name=demo"
        )
    )
    show(*system.kubectl("get", "modeldeployment", "demo"))
    status = system.status()
    check(status["prod"]["version"] == "1", "prod serves version 1", status)


def winter(demo: Demo) -> None:
    """Winter's flights

    Every prediction is a row in Postgres, under its deployment; the check of drift judges winter's traffic by
    the model's own baseline and says stable, exit 0.
    """
    demo.send("1-2", "demo-prod", 4000)
    demo.send("1-2", "demo-canary", 2000)
    count = "SELECT deployment, COUNT(*) FROM inference_logs WHERE resource = 'demo' GROUP BY 1 ORDER BY 1"
    wanted = [["canary", "2000"], ["prod", "4000"]]
    eventually(lambda: "all" if demo.system.query(count) == wanted else "", f"the rows are {wanted}", 30)
    show(*demo.system.sql(COMPARISON))
    check(demo.system.query(count) == wanted, "each of the 6000 predictions is one row")
    judge(demo, "winter", verdict="stable", code=0)


def judge(demo: Demo, job: str, *, verdict: str, code: int) -> None:
    """Triggers the CronJob, shows what it found, and waits until the resource says so too."""
    summary = demo.system.check_now(job)
    show(*demo.system.kubectl("logs", f"job/{job}"))
    seen = (summary["verdict"], summary["exit_code"])
    check(
        seen[0] == verdict or (verdict == "drift" and seen[0] == "severe"),
        f"the verdict is {verdict}",
        summary,
    )
    check(seen[1] == code, f"the check's exit code is {code}", summary)
    eventually(
        lambda: "yes" if demo.system.status().get("drift", {}).get("verdict") == summary["verdict"] else "",
        f"status.drift.verdict is {summary['verdict']}",
        30,
    )
    show(*demo.system.kubectl("get", "modeldeployment", "demo"))


def summer(demo: Demo) -> None:
    """July's flights

    The CronJob's own Job, triggered now, finds that summer is not winter: drift, exit 2, the features that
    moved with their PSI, and a report in S3.
    """
    demo.send("7", "demo-prod", 6000)
    judge(demo, "summer", verdict="drift", code=2)
    drift = demo.system.status()["drift"]
    say(f"    {'feature':<12} {'PSI':>8}   90 % interval")
    for each in drift["topFeatures"]:
        say(f"    {each['name']:<12} {each['psi']:>8}   {each['low']} to {each['high']}")
    names = [each["name"] for each in drift["topFeatures"]]
    check({"temp", "dewp"} <= set(names), "temperature and dew point moved most", names)
    path = drift["reportURI"]
    script = (
        "import boto3,os,sys; b,k=sys.argv[1][5:].split('/',1);"
        "s=boto3.client('s3',endpoint_url=os.environ['MLFLOW_S3_ENDPOINT_URL']).head_object(Bucket=b,Key=k);"
        "print(sys.argv[1], s['ContentLength'], 'bytes,', s['ContentType'])"
    )
    seen = run(*demo.system.client("python", "-c", script, path))
    say(f"    report: {seen.strip()}")
    check("text/html" in seen, "the report is in S3", seen)


def retrain(demo: Demo) -> None:
    """Retrain

    The operator started a Job of the user's own training function; the better model is registered in Staging,
    and the canary rolls to it by itself.
    """
    system = demo.system
    done = "jsonpath={.status.retraining.lastResult}"
    system.wait("modeldeployment/demo", f"{done}=Registered", 300)
    job = system.status()["retraining"]["lastJob"]
    show(*system.kubectl("logs", f"job/{job}"))
    check(demo.mlflow.versions().get("3") == "Staging", "version 3 is in Staging", demo.mlflow.versions())
    system.wait("modeldeployment/demo", "jsonpath={.status.canary.version}=3")
    output = show(*system.client("python", "compare.py", "--months", "7", "1", "2", "3"))
    scores = [float(line.split("AUC ")[1].split()[0]) for line in output.splitlines() if "AUC " in line]
    check(scores[2] > max(scores[:2]), "version 3 is the best of them on July", scores)
    demo.send("7", "demo-canary", 1000)


def promote(demo: Demo) -> None:
    """Promote, twice

    Moving version 3 to Production in the registry rolls prod by itself, and so does a patch of the resource;
    clients send all the while, and not one request fails.
    """
    system = demo.system
    with demo.users() as seen:
        demo.mlflow.transition("3", "Production")
        system.wait("modeldeployment/demo", "jsonpath={.status.prod.version}=3")
    unharmed(seen, "1", "3")
    version = system.train("5-7", "boosted")
    check(version == "4", "July's labels are known by now: the registry has version 4", version)
    with demo.users() as seen:
        patch = json.dumps({"spec": {"prod": {"version": "4"}}})
        show(*system.kubectl("patch", "modeldeployment", "demo", "--type", "merge", "-p", patch))
        system.wait("modeldeployment/demo", "jsonpath={.status.prod.version}=4")
    unharmed(seen, "3", "4")
    eventually(
        lambda: "yes" if demo.mlflow.versions().get("4") == "Production" else "",
        "the operator moved version 4 to Production in the registry",
        30,
    )
    say(f"    the registry: {demo.mlflow.versions()}")


def unharmed(seen: dict[str, Any], old: str, new: str) -> None:
    """No request failed while prod rolled from one version to the other, and both answered."""
    say(f"    the clients: {json.dumps(seen)}")
    check(seen["failed"] == 0, f"none of {seen['sent']} requests failed during the roll", seen)
    check({old, new} <= set(seen["versions"]), f"they were answered by version {old}, then {new}", seen)


def leave(demo: Demo) -> None:
    """It stays

    Everything goes on running: look at it, send to it, break it.
    """
    system = demo.system
    show(*system.kubectl("get", "modeldeployment", "demo"))
    forward = f"kubectl -n {system.namespace} port-forward"
    say(f"""
    next (export KUBECONFIG={ROOT / ".build/kubeconfig"} PATH={ROOT / ".build/bin"}:$PATH):
      {forward} svc/demo 8000                  # then: curl localhost:8000/health, and /docs in a browser
      curl localhost:8000/predict -H 'Content-Type: application/json' \\
        -d '{{"features": [{",".join(["0"] * 20)}]}}'
      {forward} svc/{system.release}-mlflow 5000      # the registry: http://localhost:5000
      kubectl -n {system.namespace} get modeldeployment demo -w         # what happens
      kubectl -n {system.namespace} describe modeldeployment demo       # and why
      make demo-down                               # remove it""")


STEPS: list[Callable[[Demo], None]] = [install, serve, winter, summer, retrain, promote, leave]
__all__ = ["MODEL", "STEPS", "Demo"]
