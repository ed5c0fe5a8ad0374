"""An inference server with the lending model: predictions, structured logs, metrics, gated updates, rollback.

    HOOK_SECRET=… uvicorn --factory server:make_app

A model goes live only if `harm-audit gate` lets its bundle pass with this very file; an alarm of the
monitor, signed, takes it back. Settings come from the environment: PROJECT (the folder with audit.yaml and
the models), LOGS (where predictions are logged; none without it), HOOK_SECRET (what signs alarms).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audit.monitor.capture import Capture
from audit.monitor.signature import DELIVERY, verify

log = logging.getLogger("serving")


class Models:
    """The models that were live, the present one last."""

    def __init__(self, first: Path) -> None:
        self.live = [(first.stem, joblib.load(first))]

    @property
    def version(self) -> str:
        return self.live[-1][0]

    def put(self, path: Path) -> None:
        self.live.append((path.stem, joblib.load(path)))

    def back(self) -> str | None:
        """The version that was taken back; None where there is no earlier one."""
        return self.live.pop()[0] if len(self.live) > 1 else None

    def predict(self, row: dict[str, Any]) -> tuple[str, float, int]:
        version, (model, features, threshold) = self.live[-1]
        score = float(model.predict_proba(np.array([[float(row[name]) for name in features]]))[0, 1])
        return version, score, int(score >= threshold)


class Server:
    """The endpoints."""

    def __init__(self, project: Path, secret: str) -> None:
        self.project, self.secret = project, secret
        self.models = Models(project / "v1.joblib")
        self.known: set[str] = set()
        self.capture: Capture | None = None
        self.registry = CollectorRegistry()
        options: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter(
            "serving_requests", "Predictions asked for.", ["version", "status"], **options
        )
        self.latency = Histogram("serving_latency_seconds", "Time of a prediction.", **options)
        self.rollbacks = Counter("serving_rollbacks", "Models taken back by an alarm.", **options)
        self.captured = Gauge(
            "serving_capture_events", "Events by what became of them.", ["outcome"], **options
        )

    async def predict(self, request: Request) -> Response:
        begun = time.perf_counter()
        try:
            version, score, approved = self.models.predict(await request.json())
        except (ValueError, KeyError, TypeError) as error:
            self.requests.labels(self.models.version, "400").inc()
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        spent = time.perf_counter() - begun
        self.latency.observe(spent)
        self.requests.labels(version, "200").inc()
        return JSONResponse({"approved": approved, "p_repay": round(score, 4), "model_version": version})

    async def update(self, request: Request) -> Response:
        """A model goes live through the gate and by no other way."""
        asked = await request.json()
        name = str(asked["model"])
        model, bundle = self.project / f"{name}.joblib", self.project / f"evidence-{name}"
        words = ("-m", "audit", "gate", str(bundle), "--model", str(model), "--quiet")
        gate = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await gate.communicate()
        verdict = said.decode().strip().splitlines()[-1:]
        log.info(json.dumps({"event": "update", "model": name, "exit": gate.returncode, "gate": verdict}))
        if gate.returncode != 0:
            return JSONResponse({"live": self.models.version, "refused": name, "gate": verdict}, 409)
        self.models.put(model)
        return JSONResponse({"live": self.models.version, "gate": verdict})

    async def alarm(self, request: Request) -> Response:
        """The monitor's webhook: a new alarm about a disparity takes the live model back, once."""
        body = await request.body()
        if not verify(self.secret, dict(request.headers), body, now=time.time()):
            return JSONResponse({"error": "not signed by the monitor"}, 401)
        message, name = json.loads(body), request.headers[DELIVERY]
        if name in self.known:
            return JSONResponse({"live": self.models.version, "seen": True})
        self.known.add(name)
        alarm = message["alarm"]
        said = {"event": "alarm", "what": message["event"], "alarm": alarm["id"], "words": alarm["words"]}
        log.info(json.dumps(said))
        if message["event"] == "opened" and alarm["kind"] == "disparity":
            taken = self.models.back()
            if taken is not None:
                self.rollbacks.inc()
                log.info(json.dumps({"event": "rollback", "from": taken, "to": self.models.version}))
        return JSONResponse({"live": self.models.version})

    async def metrics(self, request: Request) -> Response:
        for outcome, n in (self.capture.counts if self.capture else {}).items():
            self.captured.labels(outcome).set(n)
        return Response(generate_latest(self.registry), headers={"content-type": CONTENT_TYPE_LATEST})

    async def health(self, request: Request) -> Response:
        return JSONResponse(
            {"live": self.models.version, "before": [name for name, _ in self.models.live[:-1]]}
        )


def make_app() -> Any:
    """The application, with or without the capture."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    server = Server(Path(os.environ["PROJECT"]), os.environ["HOOK_SECRET"])
    app = Starlette(
        routes=[
            Route("/predict", server.predict, methods=["POST"]),
            Route("/admin/update", server.update, methods=["POST"]),
            Route("/hooks/alarm", server.alarm, methods=["POST"]),
            Route("/metrics", server.metrics),
            Route("/healthz", server.health),
        ]
    )
    if not os.environ.get("LOGS"):
        return app
    server.capture = Capture(
        app,
        to=os.environ["LOGS"],
        request=("customer", "sex"),
        response=("approved", "p_repay"),
        version=lambda: server.models.version,
    )
    return server.capture
