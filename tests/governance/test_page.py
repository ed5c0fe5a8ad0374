"""The checklists in a browser: who may reach the page, what it keeps, and what it never loses."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from audit.cli.main import main
from audit.cli.page.app import App
from audit.cli.page.forms import LONGEST
from audit.cli.page.loopback import LARGEST, Request, Response, Server
from audit.errors import UsageError
from audit.governance.answers import AnswerFile, load_answers
from audit.governance.catalogue import load_catalogue
from tests.governance.project import answer, failing, look
from tests.needs import needs_extra
from tests.report.sample import HOSTILE

BASE = "/secret/"


@pytest.fixture
def app(tmp_path: Path) -> App:
    (tmp_path / "governance/answers").mkdir(parents=True)
    return App(tmp_path, lambda: look(tmp_path, failing()))


def get(app: App, path: str, **query: str) -> Response:
    return app.respond(Request("GET", path, BASE, query))


def post(app: App, path: str, **form: str) -> Response:
    return app.respond(Request("POST", path, BASE, {}, tuple(form.items())))


def mark(app: App, name: str) -> str:
    found = re.search(r'name="mark" value="([^"]+)"', get(app, name).text)
    assert found
    return found[1]


def kept(app: App, name: str) -> Any:
    return load_answers(app.project / "governance/answers", load_catalogue()).get(name)


class Page(HTMLParser):
    """Tags, and the value of each field."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.values: dict[str, str] = {}
        self.area: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        name = given.get("id") or ""
        if tag == "input":
            self.values[name] = given.get("value") or ""
        self.area = name if tag == "textarea" else None
        if self.area is not None:
            self.values[self.area] = ""

    def handle_data(self, data: str) -> None:
        if self.area is not None:
            self.values[self.area] += data

    def handle_endtag(self, tag: str) -> None:
        self.area = None


class TestAnswering:
    def test_an_answer_is_kept_as_the_command_keeps_it(self, app: App, tmp_path: Path) -> None:
        (tmp_path / "why.md").write_text("because", encoding="utf-8")
        form = {"said": "yes", "by": "Ada", "note": "since May", "documents": "why.md\nhttps://example.org/x"}
        said = post(app, "EVAL-02", mark=mark(app, "EVAL-02"), **form)
        assert (said.status, said.see, said.who) == (303, "EVAL-08?saved=EVAL-02", "Ada")
        found = kept(app, "EVAL-02")
        assert (found.answer, found.answered_by, found.note) == ("yes", "Ada", "since May")
        assert [(d.path, d.sha256 is None) for d in found.evidence] == [
            ("why.md", False), ("https://example.org/x", True),
        ]  # fmt: skip
        hashes = look(tmp_path, failing()).hashes()
        assert found.bound == {name: hashes[name] for name in ("model", "data", "policy")}
        page = get(app, "EVAL-08", saved="EVAL-02").text
        assert "EVAL-02: saved." in page
        assert "It is now satisfied (attested)" in page

    def test_a_field_that_was_emptied_is_empty(self, app: App) -> None:
        first = {
            "said": "yes",
            "by": "Ada",
            "note": "since May",
            "documents": "https://example.org/x",
            "owner": "B",
        }
        post(app, "EVAL-02", mark=mark(app, "EVAL-02"), **first)
        second = {"said": "yes", "by": "Ada", "note": "", "documents": "", "owner": "B"}
        post(app, "EVAL-02", mark=mark(app, "EVAL-02"), **second)
        found = kept(app, "EVAL-02")
        assert (found.note, found.evidence, found.owner) == (None, (), "B")
        assert "no document is named" in get(app, "EVAL-02").text

    def test_a_list_shows_what_is_open_and_where_each_comes_from(self, app: App) -> None:
        page = get(app, "EVAL").text
        assert '<span class="source derived">derived</span>' in page
        assert "Go on with EVAL-02" in page
        assert "EVAL: " in get(app, "").text

    def test_a_form_comes_back_with_what_was_typed(self, app: App) -> None:
        said = post(app, "EVAL-02", mark=mark(app, "EVAL-02"), note="long thought", by="Ada")
        assert said.status == 422
        assert "choose yes, no or partly" in said.text
        assert Page(said.text).values["answer-note"].strip() == "long thought"
        assert kept(app, "EVAL-02") is None

    @pytest.mark.parametrize(
        ("form", "words"),
        [
            ({"said": "yes"}, "needs a name"),
            ({"said": "maybe", "by": "A"}, "choose yes"),
            ({"said": "yes", "by": "A", "documents": "gone.md"}, "cannot be read"),
            ({"said": "yes", "by": "A", "documents": "../../etc/passwd"}, "outside the project"),
            ({"said": "yes", "by": "A", "documents": "/etc/passwd"}, "outside the project"),
            ({"said": "yes", "by": "A", "note": "x" * (LONGEST + 1)}, "longer than"),
            ({"way": "na", "by": "A"}, "say why"),
            ({"way": "na", "by": "A", "reason": "x"}, "approval"),
            ({"way": "waive", "by": "A", "reason": "x", "approved_by": "B"}, "runs out"),
            ({"way": "waive", "by": "A", "reason": "x", "approved_by": "B", "until": "soon"}, "2026-11-30"),
        ],
    )
    def test_what_is_lacking_is_said_and_nothing_kept(
        self, app: App, form: dict[str, str], words: str
    ) -> None:
        said = post(app, "EVAL-02", mark=mark(app, "EVAL-02"), **form)
        assert said.status == 422
        assert words in said.text
        assert kept(app, "EVAL-02") is None

    def test_na_and_waiver(self, app: App) -> None:
        na = {"way": "na", "by": "Ada", "reason": "no people", "approved_by": "Grace"}
        post(app, "OVER-05", mark=mark(app, "OVER-05"), **na)
        assert kept(app, "OVER-05").na.approved_by == "Grace"
        waive = {
            "way": "waive",
            "by": "Ada",
            "reason": "pilot",
            "approved_by": "Grace",
            "until": "2027-01-31",
        }
        post(app, "EVAL-03", mark=mark(app, "EVAL-03"), **waive)
        assert str(kept(app, "EVAL-03").waiver.until) == "2027-01-31"
        assert "satisfied with waiver" in get(app, "EVAL-03").text

    def test_what_the_audit_answers_nobody_answers(self, app: App) -> None:
        assert "answered by the program alone" in get(app, "EVAL-03").text
        said = post(app, "EVAL-03", mark=mark(app, "EVAL-03"), said="yes", by="Ada")
        assert said.status == 422
        assert kept(app, "EVAL-03") is None

    def test_an_unknown_address_is_not_found(self, app: App) -> None:
        for path in ("LL144", "EVAL-99", "EVAL-02/..", "<script>"):
            said = get(app, path)
            assert said.status == 404
            assert "<script>" not in said.text


class TestTogether:
    def test_the_second_of_two_people_is_told_and_loses_nothing(self, app: App) -> None:
        seen = mark(app, "EVAL-02")
        post(app, "EVAL-02", mark=seen, said="yes", by="Ada")
        late = post(app, "EVAL-02", mark=seen, said="no", by="Grace", note="I looked too")
        assert late.status == 409
        assert "somebody else changed this answer" in late.text
        assert "yes, says Ada" in late.text
        assert Page(late.text).values["answer-note"].strip() == "I looked too"
        assert kept(app, "EVAL-02").answer == "yes"
        again = re.search(r'name="mark" value="([^"]+)"', late.text)
        assert again
        post(app, "EVAL-02", mark=again[1], said="no", by="Grace", note="I looked too")
        assert kept(app, "EVAL-02").answer == "no"
        assert "no, says Grace" in get(app, "EVAL-02").text

    def test_two_people_at_two_questions_of_a_list_do_not_meet(self, app: App) -> None:
        one, other = mark(app, "SCOPE-01"), mark(app, "SCOPE-02")
        assert post(app, "SCOPE-01", mark=one, said="yes", by="Ada").status == 303
        assert post(app, "SCOPE-02", mark=other, said="no", by="Grace").status == 303
        assert (kept(app, "SCOPE-01").answer, kept(app, "SCOPE-02").answer) == ("yes", "no")

    def test_an_answer_by_command_meanwhile_is_seen(self, app: App) -> None:
        seen = mark(app, "SCOPE-01")
        answer(app.project, "SCOPE-01", answer="partly", by="Bob")
        assert post(app, "SCOPE-01", mark=seen, said="yes", by="Ada").status == 409
        assert kept(app, "SCOPE-01").answer == "partly"

    def test_a_write_that_always_loses_the_race_is_given_up(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = mark(app, "SCOPE-01")
        save = AnswerFile.save

        def raced(self: AnswerFile) -> bool:
            with self.document.path.open("a", encoding="utf-8") as handle:
                handle.write("# hello\n")
            return save(self)

        answer(app.project, "SCOPE-02", answer="yes")
        monkeypatch.setattr(AnswerFile, "save", raced)
        said = post(app, "SCOPE-01", mark=seen, said="yes", by="Ada")
        assert said.status == 422
        assert "being changed all the time" in said.text

    def test_a_broken_file_is_named_and_what_was_typed_comes_back(self, app: App) -> None:
        seen = mark(app, "SCOPE-01")
        path = app.project / "governance/answers/SCOPE.yaml"
        path.write_text("list: SCOPE\n<<<<<<< HEAD\n", encoding="utf-8")
        said = post(app, "SCOPE-01", mark=seen, said="yes", by="Ada", note="a long evening")
        assert said.status == 409
        assert "SCOPE.yaml:2" in said.text
        assert "a long evening" in said.text
        assert path.read_text("utf-8") == "list: SCOPE\n<<<<<<< HEAD\n"

    @pytest.mark.parametrize(
        "text", [*HOSTILE, "\n=======\n", "--- !!python/object:os.system", "a: b", "# x"]
    )
    def test_hostile_text_comes_back_as_it_was(self, app: App, text: str) -> None:
        text = text[:LONGEST]
        form = dict.fromkeys(("note", "owner", "reviewer", "by"), text or "x")
        said = post(app, "LAUNCH-06", mark=mark(app, "LAUNCH-06"), said="yes", **form)
        assert said.status in (303, 422)
        for page in (said.text, get(app, "LAUNCH-06").text, get(app, "LAUNCH").text):
            if page:
                assert not {"script", "img"} & set(Page(page).tags)
        if said.status == 303:
            found = kept(app, "LAUNCH-06")
            plain = "".join(c for c in (text or "x") if c.isprintable() and c != "\ufffd")
            assert [c for c in found.note if c.isalnum()] == [c for c in plain if c.isalnum()]
            values = Page(get(app, "LAUNCH-06").text).values
            assert values["answer-note"].split() == found.note.split()


@pytest.fixture
def server(app: App) -> Iterator[Server]:
    with Server(app.respond, token="s3cret") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(
    server: Server, method: str, path: str, body: str | bytes = "", **headers: str
) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body=body or None, headers=given)
    answered = connection.getresponse()
    found = answered.status, dict(answered.getheaders()), answered.read().decode()
    connection.close()
    return found


FORM = "application/x-www-form-urlencoded"


class TestReach:
    def test_only_this_machine_is_listened_to(self, server: Server) -> None:
        assert server.server_address[0] == "127.0.0.1"
        assert server.url == f"http://127.0.0.1:{server.server_port}/s3cret/"

    def test_every_server_has_its_own_secret(self, app: App) -> None:
        with Server(app.respond) as one, Server(app.respond) as other:
            assert one.token != other.token
            assert len(one.token) >= 32

    @pytest.mark.parametrize("path", ["/", "/EVAL", "/wrong/", "/s3cre/", "/s3crett/", "/%73%33cret/"])
    def test_without_the_secret_nothing_is_said(self, server: Server, path: str) -> None:
        status, headers, text = ask(server, "GET", path)
        assert status == 403
        assert "EVAL" not in text
        assert headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 403),  # a form that does not say where it comes from
            ({"Origin": "null"}, 403),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "http://127.0.0.1:1"}, 403),
            ({"Origin": "http://localhost:PORT"}, 403),
            ({"Origin": "http://127.0.0.1:PORT", "Sec-Fetch-Site": "cross-site"}, 403),
            ({"Origin": "http://127.0.0.1:PORT", "Host": "evil.example:PORT"}, 421),
            ({"Origin": "http://127.0.0.1:PORT", "Content-Type": "text/plain"}, 415),
            ({"Origin": "http://127.0.0.1:PORT", "Content-Type": "multipart/form-data; boundary=x"}, 415),
            ({"Origin": "http://127.0.0.1:PORT"}, 303),
            ({"Origin": "http://127.0.0.1:PORT", "Sec-Fetch-Site": "same-origin"}, 303),
        ],
    )
    def test_a_form_counts_from_this_page_alone(
        self, app: App, server: Server, headers: dict[str, str], status: int
    ) -> None:
        sent = {"Content-Type": FORM, **headers}
        sent = {name: value.replace("PORT", str(server.server_port)) for name, value in sent.items()}
        form = urlencode({"mark": mark(app, "EVAL-02"), "said": "yes", "by": "Ada"})
        assert ask(server, "POST", "/s3cret/EVAL-02", form, **sent)[0] == status
        assert (kept(app, "EVAL-02") is not None) == (status == 303)

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Host": "evil.example"}, 421),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Origin": "http://evil.example"}, 403),
            ({"Sec-Fetch-Site": "none"}, 200),
        ],
    )
    def test_a_page_elsewhere_cannot_read_it(
        self, server: Server, headers: dict[str, str], status: int
    ) -> None:
        assert ask(server, "GET", "/s3cret/", **headers)[0] == status

    def test_every_answer_carries_its_guards(self, server: Server) -> None:
        for path in ("/s3cret/", "/s3cret/EVAL-02", "/s3cret/nothing", "/wrong/"):
            headers = ask(server, "GET", path)[1]
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "same-origin"
            assert "Python" not in headers["Server"]

    def test_too_much_is_not_read(self, server: Server) -> None:
        own = {"Origin": server.origin, "Content-Type": FORM}
        assert ask(server, "POST", "/s3cret/EVAL-02", "x", **own, Content_Length=str(LARGEST + 1))[0] == 413
        assert ask(server, "POST", "/s3cret/EVAL-02", "x", **own, Content_Length="-1")[0] == 411
        many = "&".join(f"a{n}=1" for n in range(200))
        assert ask(server, "POST", "/s3cret/EVAL-02", many, **own)[0] == 400
        assert ask(server, "POST", "/s3cret/EVAL-02", b"note=\xff", **own)[0] == 400

    def test_a_defect_shows_no_trace_and_keeps_serving(
        self, app: App, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def broken() -> Any:
            raise RuntimeError("some detail")

        monkeypatch.setattr(app, "situation", broken)
        status, _, text = ask(server, "GET", "/s3cret/")
        assert (status, "some detail" in text, "Traceback" in text) == (500, False, False)
        monkeypatch.undo()
        assert ask(server, "GET", "/s3cret/")[0] == 200

    def test_the_name_is_remembered_under_the_secret_alone(self, app: App, server: Server) -> None:
        form = urlencode({"mark": mark(app, "EVAL-02"), "said": "yes", "by": "Ada; Path=/\n x"})
        own = {"Origin": server.origin, "Content-Type": FORM}
        _, headers, _ = ask(server, "POST", "/s3cret/EVAL-02", form, **own)
        cookie = headers["Set-Cookie"]
        assert "Path=/s3cret/; HttpOnly; SameSite=Strict" in cookie
        assert cookie.count(";") == 3
        page = ask(server, "GET", "/s3cret/OVER-05", Cookie=cookie.partition(";")[0])[2]
        assert "Ada; Path=/" in Page(page).values["answer-by"]


def test_a_port_that_is_taken_is_a_usage_error(app: App, tmp_path: Path) -> None:
    from audit.cli.page.loopback import serve

    with Server(app.respond) as taken, pytest.raises(UsageError, match="cannot be had"):
        serve(app.respond, taken.server_port)
    assert main(["checklist", "serve", "--project", str(tmp_path / "nowhere")]) == 2


@pytest.mark.slow
def test_the_command_serves_until_ctrl_c(app: App) -> None:
    words = [sys.executable, "-m", "audit", "checklist", "serve", "--project", str(app.project)]
    serving = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert serving.stdout is not None
    url = serving.stdout.readline().removeprefix("Open ").strip()
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", f"/{path}")
    assert "All lists" in connection.getresponse().read().decode()
    connection.close()
    serving.send_signal(signal.SIGINT)
    out, err = serving.communicate(timeout=10)
    assert (serving.returncode, err) == (0, "")
    assert "ended" in out


@pytest.mark.slow
@pytest.mark.browser
class TestBrowser:
    @pytest.fixture
    def page(self, browser: Any, server: Server) -> Iterator[Any]:
        page = browser.new_context(java_script_enabled=False).new_page()
        page.goto(server.url)
        yield page
        page.context.close()

    def test_answer_reload_resume_without_script(self, app: App, server: Server, page: Any) -> None:
        page.click("text=EVAL: ")
        page.click("text=Go on with EVAL-02")
        page.check("input[value=yes]")
        page.fill("#answer-note", "</textarea><script>alert(1)</script> {{ 7*7 }}\nsecond line")
        page.fill("#answer-documents", "https://example.org/metrics")
        page.fill("#answer-by", 'Ada "quoted" <b>')
        page.click("text=Save and go on")
        assert page.url == f"{server.url}EVAL-08?saved=EVAL-02"
        assert page.locator("[role=status]").inner_text().startswith("EVAL-02: saved. It is now satisfied")
        assert page.input_value("#answer-by") == 'Ada "quoted" <b>'
        page.goto(f"{server.url}EVAL-02")
        page.reload()
        assert page.is_checked("input[value=yes]")
        assert (
            page.input_value("#answer-note") == "</textarea><script>alert(1)</script> {{ 7*7 }} second line"
        )
        assert kept(app, "EVAL-02").answered_by == 'Ada "quoted" <b>'
        page.goto(server.url)
        row = page.locator("tr", has_text="EVAL: ")
        assert row.locator("td").nth(3).inner_text() == "EVAL-08"

    def test_two_windows_on_one_question(self, server: Server, browser: Any, page: Any) -> None:
        other = browser.new_context().new_page()
        for window in (page, other):
            window.goto(f"{server.url}OVER-05")
            window.fill("#answer-by", "Ada" if window is page else "Grace")
        page.check("input[value=yes]")
        page.click("text=Save and go on")
        other.check("input[value=no]")
        other.fill("#answer-note", "it took me an hour")
        other.click("text=Save and go on")
        assert "somebody else changed this answer" in other.locator("[role=alert]").inner_text()
        assert other.input_value("#answer-note") == "it took me an hour"
        assert other.is_checked("input[value=no]")
        other.click("text=Save and go on")
        assert other.locator("[role=status]").inner_text().startswith("OVER-05: saved")
        other.context.close()

    def test_the_keyboard_is_enough(self, server: Server, browser: Any) -> None:
        page = browser.new_context().new_page()
        page.goto(f"{server.url}EVAL-02")
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Skip to the content"
        page.keyboard.press("Enter")
        seen = []
        for _ in range(8):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.name || document.activeElement.textContent"))
            if seen[-1] == "said":
                page.keyboard.press("Space")
            elif seen[-1] == "by":
                page.keyboard.type("Ada")
                page.keyboard.press("Enter")
                break
        page.wait_for_url("**/EVAL-08?saved=EVAL-02")
        assert seen[0] == "said"
        page.context.close()

    def test_another_page_gets_nothing(self, app: App, server: Server, browser: Any, tmp_path: Path) -> None:
        form = "".join(
            f'<input name="{name}" value="{value}">'
            for name, value in {"mark": mark(app, "EVAL-02"), "said": "yes", "by": "Eve"}.items()
        )
        evil = tmp_path / "evil.html"
        evil.write_text(
            f'<form method="post" action="{server.url}EVAL-02">{form}<button>Win</button></form>'
            f'<a href="{server.url}">Read</a><iframe src="{server.url}"></iframe>',
            encoding="utf-8",
        )
        page = browser.new_context().new_page()
        page.goto(evil.as_uri())
        assert "Checklists" not in page.frames[1].content()
        page.click("button")
        assert "comes from another page" in page.content()
        assert kept(app, "EVAL-02") is None
        page.context.close()

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_nothing(self, server: Server, browser: Any, scheme: str) -> None:
        axe = needs_extra("axe_playwright_python.sync_playwright").Axe()
        page = browser.new_context(color_scheme=scheme, bypass_csp=True).new_page()
        for path in ("", "EVAL", "EVAL-02", "EVAL-03", "LAUNCH-06", "nothing"):
            page.goto(server.url + path)
            self._clean(axe, page, path)
        page.goto(f"{server.url}EVAL-02")
        page.click("text=Save and go on")
        page.locator("[role=alert]").wait_for()
        self._clean(axe, page, "refused")
        page.set_viewport_size({"width": 320, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        page.context.close()
        assert wide <= 0

    @staticmethod
    def _clean(axe: Any, page: Any, path: str) -> None:
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(v["id"], v["nodes"][0]["target"], v["nodes"][0]["failureSummary"]) for v in found] == [], (
            path
        )


def test_a_situation_is_asked_anew_for_every_page(app: App) -> None:
    before = get(app, "EVAL-03").text
    good = replace(look(app.project, failing()), result=None)
    app.situation = lambda: good
    assert get(app, "EVAL-03").text != before
