"""How an alarm is told: a signed webhook, Slack's JSON, mail, a program; `outbox` repeats what fails."""

from __future__ import annotations

import hashlib
import json
import os
import smtplib
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any
from urllib.parse import unquote, urlsplit

from audit.monitor.signature import DELIVERY, SIGNATURE, TIMESTAMP, sign
from audit.spec import AuditSpec
from audit.spec.monitor import Sink
from audit.spec.secrets import expand

TIMEOUT = 10
COMMAND_TIMEOUT = 60


class SendError(Exception):
    """One try failed; the words go into the ledger and never hold the address."""


@dataclass(frozen=True)
class Target:
    """A sink with its secrets read from the environment."""

    name: str
    """Kind and a digest of what the spec says: the same from run to run, and no secret."""
    kind: str
    address: str
    secret: str | None
    to: tuple[str, ...]
    sender: str
    command: tuple[str, ...]
    severity: tuple[str, ...]


def targets(spec: AuditSpec, environ: Mapping[str, str] | None = None) -> tuple[Target, ...]:
    """The sinks of a spec; an environment variable that is not set is a SpecError now, not at the alarm."""
    return tuple(_target(sink, spec, place, environ) for place, sink in enumerate(spec.monitor.sinks))


def _target(sink: Sink, spec: AuditSpec, place: int, environ: Mapping[str, str] | None) -> Target:
    def read(text: str | None) -> str:
        where = spec.where("monitor", "sinks", place)
        return "" if text is None else expand(text, where=where, environ=environ)

    said = json.dumps([sink.kind, getattr(sink, sink.kind), sink.to])
    return Target(
        name=f"{sink.kind}-{hashlib.sha256(said.encode()).hexdigest()[:8]}",
        kind=sink.kind,
        address=read(sink.webhook or sink.slack or sink.smtp),
        secret=read(sink.secret) or None,
        to=sink.to,
        sender=sink.sender or "",
        command=sink.command or (),
        severity=sink.severity,
    )


def send(target: Target, delivery: str, body: str) -> None:
    """One try; a SendError where it was not taken."""
    try:
        SENDERS[target.kind](target, delivery, body)
    except SendError:
        raise
    except urllib.error.HTTPError as error:
        error.close()
        raise SendError(f"answered with status {error.code}") from None
    except (OSError, ValueError, smtplib.SMTPException, subprocess.SubprocessError) as error:
        raise SendError(type(error).__name__) from None


def _webhook(target: Target, delivery: str, body: str) -> None:
    data, now = body.encode(), int(time.time())
    headers = {"Content-Type": "application/json", DELIVERY: delivery, TIMESTAMP: str(now)}
    if target.secret is not None:
        headers[SIGNATURE] = sign(target.secret, now, data)
    _post(target.address, data, headers)


def _slack(target: Target, delivery: str, body: str) -> None:
    text = {"text": slack_text(json.loads(body))}
    _post(target.address, json.dumps(text).encode(), {"Content-Type": "application/json", DELIVERY: delivery})


def slack_text(message: Mapping[str, Any]) -> str:
    """The message in Slack's markup, in which three characters have to be written otherwise.

    >>> alarm = {"id": "a", "severity": "major", "words": "x & y"}
    >>> slack_text({"event": "opened", "system": "<b>", "alarm": alarm})
    '*opened* &lt;b&gt;: major alarm a\\nx &amp; y'
    """
    head, words = headline(message), str(message["alarm"]["words"])
    for char, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        head, words = head.replace(char, name), words.replace(char, name)
    event, _, rest = head.partition(" ")
    return f"*{event}* {rest}\n{words}"


def headline(message: Mapping[str, Any]) -> str:
    """What happened, in one line."""
    alarm = message["alarm"]
    return f"{message['event']} {message['system']}: {alarm['severity']} alarm {alarm['id']}"


def _smtp(target: Target, delivery: str, body: str) -> None:
    message, parts = json.loads(body), urlsplit(target.address)
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = " ".join(headline(message).split())[:200]
    mail["From"], mail["To"] = target.sender, ", ".join(target.to)
    mail["Message-ID"] = f"<{delivery}@harm-audit.invalid>"
    mail.set_content(f"{message['alarm']['words']}\n\n{json.dumps(message, indent=1, ensure_ascii=False)}\n")
    secure = parts.scheme == "smtps"
    host, port = parts.hostname or "", parts.port or (465 if secure else 25)
    context = ssl.create_default_context()
    server = (
        smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
        if secure
        else smtplib.SMTP(host, port, timeout=TIMEOUT)
    )
    with server:
        if not secure and (server.has_extn("starttls") or server.ehlo()[0] == 250):
            if server.has_extn("starttls"):
                server.starttls(context=context)
            elif parts.username:
                raise SendError("the mail server offers no TLS, and a password would go in the clear")
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(mail)


def _command(target: Target, delivery: str, body: str) -> None:
    environ = {**os.environ, "HARM_AUDIT_DELIVERY": delivery}
    done = subprocess.run(
        list(target.command),
        input=body.encode(),
        env=environ,
        timeout=COMMAND_TIMEOUT,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if done.returncode:
        raise SendError(f"the command ended with {done.returncode}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed message goes where the spec says and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _post(address: str, data: bytes, headers: Mapping[str, str]) -> None:
    if not address.startswith(("http://", "https://")):
        raise SendError("the address is neither http:// nor https://")
    request = urllib.request.Request(address, data, {**headers, "User-Agent": "harm-audit"}, method="POST")
    with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT) as answer:
        answer.read(1_024)


SENDERS = {"webhook": _webhook, "slack": _slack, "smtp": _smtp, "command": _command}
"""How each kind of sink is told."""
