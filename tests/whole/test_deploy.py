"""The Dockerfile and the recipes in deploy/ name only what there is, and say the same."""

import configparser
import os
import re
import shlex
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from fnmatch import fnmatch
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from cronsim import CronSim

import newsletter
from newsletter import errors
from newsletter.config.loading import load
from newsletter.operating import status
from newsletter.subscribers.token_keys import key_file
from newsletter.subscribers.tokens import Tokens
from tests.making.commandline import parse, variables
from tests.making.warm import Forked, fork
from tests.peers.ports import free_port
from tests.whole.container import instructions

CHECKOUT = Path(__file__).parents[2]
DEPLOY = CHECKOUT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
MANIFEST = KUBERNETES / "base" / "newsletter.yaml"
RECIPES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
ACTION = CHECKOUT / "action.yml"
DOCKERFILE = list(instructions((CHECKOUT / "Dockerfile").read_text("utf-8")))
USER = next(step.rest for step in DOCKERFILE if step.name == "USER")

# Trying again does not mend these: a person must.
GIVING_UP = {
    errors.USAGE,
    errors.DATA,
    errors.SOFTWARE,
    errors.IO,
    errors.PERMISSION,
    errors.CONFIG,
}


def recipe(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text("utf-8"))


def compose_services() -> dict[str, Any]:
    services: dict[str, Any] = recipe("compose.yaml")["services"]
    return services


def cron_job() -> Any:
    documents = yaml.safe_load_all(MANIFEST.read_text("utf-8"))
    return next(each for each in documents if each["kind"] == "CronJob")["spec"]


def pod() -> Any:
    return cron_job()["jobTemplate"]["spec"]["template"]["spec"]


def web_pod() -> Any:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes-web.yaml").read_text("utf-8"))
    deployment = next(each for each in documents if each["kind"] == "Deployment")["spec"]
    assert deployment["replicas"] == 1
    assert deployment["selector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]
    return deployment["template"]["spec"]


def sender_pod() -> Any:
    deployment = recipe("kubernetes-senders.yaml")["spec"]
    assert deployment["selector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]
    return deployment["template"]["spec"]


def unit(name: str) -> configparser.RawConfigParser:
    # systemd repeats keys to make lists; the last one is as good as any here.
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / name, "utf-8")
    return parser


def action_steps() -> dict[str, Any]:
    steps = yaml.safe_load(ACTION.read_text("utf-8"))["runs"]["steps"]
    return {step["name"]: step for step in steps if "name" in step}


def command_lines() -> Iterator[tuple[str, list[str]]]:
    for name, service in compose_services().items():
        yield f"compose {name}", service["command"]
    comments = (DEPLOY / "compose.yaml").read_text("utf-8")
    for line in re.findall(r"compose run [^#\n]*", comments):
        _, _, overriding = line.partition(" newsletter")
        yield line, overriding.split() or compose_services()["newsletter"]["command"]
    for name, service in recipe("compose-several.yaml")["services"].items():
        if service["image"] == compose_services()["newsletter"]["image"]:
            yield f"compose several {name}", service["command"]
    yield "kubernetes sender", sender_pod()["containers"][0]["args"]
    yield "kubernetes", pod()["containers"][0]["args"]
    for container in web_pod()["containers"]:
        yield f"kubernetes {container['name']}", container["args"]
    program, *words = shlex.split(unit("newsletter.service")["Service"]["ExecStart"])
    assert Path(program).name == "newsletter"
    yield "systemd", words
    yield "github", shlex.split(action_steps()["Run"]["run"])[1:]
    for step in DOCKERFILE:
        if step.name == "CMD":
            yield "docker", step.words()
        if step.name == "HEALTHCHECK":
            yield "docker health", yaml.safe_load(step.rest.removeprefix("CMD"))[1:]


@pytest.mark.parametrize("words", [pytest.param(words, id=name) for name, words in command_lines()])
def test_every_command_of_a_recipe_exists_with_its_options(words: list[str]) -> None:
    assert parse(words) in {"run", "init", "check", "status", "schedule", "serve", "deliver"}


@pytest.mark.parametrize("path", [*RECIPES, ACTION], ids=lambda path: path.name)
def test_every_variable_of_a_recipe_is_read_by_the_program(path: Path) -> None:
    named = set(re.findall(r"NEWSLETTER_[A-Z_]+", path.read_text("utf-8")))

    assert named <= variables()


def test_the_password_has_the_name_that_the_secrets_folder_is_searched_for() -> None:
    named = set(recipe("compose.yaml")["secrets"])
    named.add(unit("newsletter.service")["Service"]["LoadCredential"].partition(":")[0])
    named |= set(re.findall(r"--from-file=(\w+__\w+)", MANIFEST.read_text("utf-8")))

    assert {f"NEWSLETTER_{name.upper()}" for name in named} == {"NEWSLETTER_SMTP__PASSWORD"}
    assert "NEWSLETTER_SMTP__PASSWORD" in variables()


def test_what_a_person_must_mend_is_not_tried_again() -> None:
    policy = cron_job()["jobTemplate"]["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]
    prevented = unit("newsletter.service")["Service"]["RestartPreventExitStatus"]

    assert set(policy["values"]) == GIVING_UP
    assert {int(code) for code in prevented.split()} == GIVING_UP


def test_the_workflow_gives_the_action_what_it_takes() -> None:
    action = yaml.safe_load(ACTION.read_text("utf-8"))
    steps = recipe("github-actions.yaml")["jobs"]["run"]["steps"]
    [used] = [step for step in steps if step["uses"].startswith("arxiv-newsletter/")]

    assert used["uses"].partition("@")[2] == f"v{newsletter.__version__}"
    assert used["with"].keys() <= action["inputs"].keys()
    assert action["inputs"]["state-branch"]["default"] == "newsletter-state"
    taken = set(re.findall(r"inputs\.([\w-]+)", ACTION.read_text("utf-8")))
    assert taken == action["inputs"].keys()


def test_recipes_and_labels_name_this_version() -> None:
    arguments = dict(step.rest.split("=", 1) for step in DOCKERFILE if step.name == "ARG")
    named = {
        version
        for path in RECIPES
        for version in re.findall(r"arxiv-newsletter(?::|@v)(\d[\w.]*)", path.read_text("utf-8"))
    }
    labels = " ".join(step.rest for step in DOCKERFILE if step.name == "LABEL")

    assert arguments["VERSION"] == newsletter.__version__
    assert named == {newsletter.__version__}
    for label in ("source", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in labels


def test_a_container_that_waits_for_its_next_run_is_healthy() -> None:
    service = compose_services()["schedule"]
    longest = status.age(service["healthcheck"]["test"][-1])
    times = list(islice(CronSim(service["command"][-1], datetime(2026, 1, 1, tzinfo=UTC)), 400))

    for last, due in pairwise(times):
        assert due - last < longest
    image = next(step for step in DOCKERFILE if step.name == "HEALTHCHECK")
    assert yaml.safe_load(image.rest.removeprefix("CMD")) == service["healthcheck"]["test"][1:]


def test_the_base_and_the_overlay_name_what_there_is() -> None:
    base = recipe("kubernetes/base/kustomization.yaml")
    overlay = recipe("kubernetes/example/kustomization.yaml")
    kinds = {
        (each["kind"], each["metadata"]["name"])
        for name in base["resources"]
        for each in yaml.safe_load_all((KUBERNETES / "base" / name).read_text("utf-8"))
    }
    [secret] = overlay["secretGenerator"]

    assert overlay["resources"] == ["../base"]
    assert {
        volume["secret"]["secretName"] for volume in pod()["volumes"] if "secret" in volume
    } == {secret["name"]}
    assert {file.partition("=")[0] for file in secret["files"]} == {
        "newsletter.toml",
        "subscribers.csv",
        "smtp__password",
    }
    assert all((KUBERNETES / "example" / file).is_file() for file in secret["files"])
    assert load(KUBERNETES / "example" / "newsletter.toml", environ={}).keywords
    for patch in overlay["patches"]:
        assert (patch["target"]["kind"], patch["target"]["name"]) in kinds
        for change in yaml.safe_load(patch["patch"]):
            assert found_at(cron_job_whole(), change["path"])
    names = {container["image"].rpartition(":")[0] for container in pod()["containers"]}
    assert {image["name"] for image in overlay["images"]} == names
    assert {image["newTag"] for image in overlay["images"]} == {newsletter.__version__}


def found_at(document: Any, path: str) -> bool:
    """Tell whether a document has a JSON pointer, as a patch that replaces it needs."""
    for step in path.strip("/").split("/"):
        document = document[int(step) if isinstance(document, list) else step]
    return document is not None


def cron_job_whole() -> Any:
    documents = yaml.safe_load_all(MANIFEST.read_text("utf-8"))
    return next(each for each in documents if each["kind"] == "CronJob")


def test_two_runs_never_overlap() -> None:
    assert cron_job()["concurrencyPolicy"] == "Forbid"
    assert recipe("github-actions.yaml")["concurrency"]["cancel-in-progress"] is False
    assert unit("newsletter.service")["Service"]["Type"] == "oneshot"


def test_every_schedule_can_be_read_and_keeps_clear_of_the_evening_announcement() -> None:
    at = compose_services()["schedule"]["command"][-1]
    workflow = recipe("github-actions.yaml")[True]["schedule"][0]["cron"]  # YAML reads `on` as true
    schedules = [at, cron_job()["schedule"], workflow]
    start = datetime(2026, 11, 21, tzinfo=UTC)

    assert all(8 <= next(CronSim(each, start)).hour < 12 for each in schedules)
    assert cron_job()["timeZone"] == "Etc/UTC"
    assert unit("newsletter.timer")["Timer"]["OnCalendar"] == "*-*-* 10:00:00 UTC"


def test_everything_runs_as_the_numeric_user_of_the_image() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", USER)
    context = pod()["securityContext"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == USER
    assert f"chown {USER}" in (DEPLOY / "compose.yaml").read_text("utf-8")


def test_the_root_is_read_only_and_the_state_on_a_volume() -> None:
    volume = next(step.words()[0] for step in DOCKERFILE if step.name == "VOLUME")
    container = pod()["containers"][0]

    assert all(service["read_only"] for service in compose_services().values())
    assert all(f"./data:{volume}" in service["volumes"] for service in compose_services().values())
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert volume in {mount["mountPath"] for mount in container["volumeMounts"]}


@pytest.mark.slow
def test_on_kubernetes_nothing_is_written_beside_the_settings(tmp_path: Path) -> None:
    settings, data = tmp_path / "settings", tmp_path / "data"
    shutil.copytree(CHECKOUT / "newsletter" / "preview" / "sample", settings)
    data.mkdir()
    container = pod()["containers"][0]
    moved = {"/etc/newsletter": str(settings), "/data": str(data)}
    assert moved.keys() < {mount["mountPath"] for mount in container["volumeMounts"]}
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}
    for variable in container["env"]:
        folder = next(path for path in moved if variable["value"].startswith(path))
        environ[variable["name"]] = variable["value"].replace(folder, moved[folder])
    before = sorted(settings.iterdir())

    words = [*container["args"], "--now", "2026-11-19T10:00:00Z"]
    run = fork(*words, folder=tmp_path, environ=environ)
    assert run.wait() == 0, run.communicate()

    assert sorted(settings.iterdir()) == before
    assert {"state.sqlite3", "outbox"} < {path.name for path in data.iterdir()}


@pytest.mark.slow
def test_the_door_on_kubernetes_answers_and_changes_the_list_on_the_volume(tmp_path: Path) -> None:
    settings, data = tmp_path / "settings", tmp_path / "data"
    shutil.copytree(CHECKOUT / "newsletter" / "preview" / "sample", settings)
    with (settings / "newsletter.toml").open("a") as file:
        file.write('\n[web]\nbase_url = "https://papers.example.org"\n')
    data.mkdir()
    moved = {"/etc/newsletter": str(settings), "/data": str(data)}
    (first,), containers = web_pod()["initContainers"], web_pod()["containers"]
    by_name = {each["name"]: each for each in containers}
    assert by_name["web"]["env"] == by_name["job"]["env"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}
    for variable in by_name["web"]["env"]:
        environ[variable["name"]] = moved_to(variable["value"], moved)
    before = sorted(settings.iterdir())

    name, option, script = first["command"]
    assert (name, option) == ("sh", "-c")
    there, _, copied = script.partition(" || ")
    assert there.split() == ["test", "-e", environ_of(by_name)["NEWSLETTER_SUBSCRIBERS__FILE"]]
    copy, source, target = copied.split()
    assert copy == "cp"
    shutil.copy(moved_to(source, moved), moved_to(target, moved))

    port = str(free_port())
    args = [port if word == "8080" else word for word in by_name["web"]["args"]]
    host = args[args.index("--host") + 1]
    assert host == "0.0.0.0"
    args[args.index("--host") + 1] = "127.0.0.1"
    process = fork(*args, folder=tmp_path, environ=environ)
    try:
        probe = by_name["web"]["readinessProbe"]["httpGet"]
        assert answer_of(process, f"http://127.0.0.1:{port}{probe['path']}") == "ok\n"
        token = Tokens(key_file(data), "sample-papers").token("ada@example.org")
        click = {"List-Unsubscribe": "One-Click"}
        url = f"http://127.0.0.1:{port}/unsubscribe/{token}"
        assert requests.post(url, data=click, timeout=200).status_code == 200
    finally:
        process.terminate()
    assert process.wait() == 0
    assert "ada@example.org,unsubscribed" in (data / "suppressions.csv").read_text()
    assert sorted(settings.iterdir()) == before


def moved_to(path: str, moved: Mapping[str, str]) -> str:
    folder = next((each for each in moved if path.startswith(each)), "")
    return path.replace(folder, moved[folder], 1) if folder else path


def environ_of(containers: Mapping[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in containers["web"]["env"]}


def answer_of(process: Forked, url: str) -> str:
    while process.poll() is None:
        with suppress(requests.ConnectionError):
            return requests.get(url, timeout=200).text
        time.sleep(0.1)
    raise AssertionError(process.communicate())


def test_the_image_is_built_from_one_pinned_base_and_hashed_dependencies() -> None:
    bases = {step.words()[0] for step in DOCKERFILE if step.name == "FROM"}
    runs = [step.rest for step in DOCKERFILE if step.name == "RUN"]

    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", bases.pop())
    assert any("--require-hashes" in run for run in runs)
    assert all(
        "--require-hashes" in run or {"--no-deps", "--no-index"} <= set(run.split())
        for run in runs
        if " install -" in run
    )
    assert all("--no-build-isolation" in run for run in runs if " wheel -" in run)


def test_nothing_is_built_from_what_was_not_checked_by_hash() -> None:
    requires = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["build-system"]
    locks = "".join(
        (CHECKOUT / f"requirements{name}.lock").read_text("utf-8") for name in ("", "-build")
    )
    pinned = set(re.findall(r"^([\w.-]+)==\S+ (?:;.*)?\\\n +--hash=sha256:", locks, re.MULTILINE))
    assert {re.split(r"[>=<]", each)[0] for each in requires["requires"]} <= pinned
    for name in ("Makefile", "docs/set-up.md"):
        lines = (CHECKOUT / name).read_text("utf-8").splitlines()
        ours = [line for line in lines if "pip install" in line and line.split()[-1] == "."]
        assert ours
        assert all("--no-build-isolation" in line for line in ours)


def test_entry_point_and_command_are_in_exec_form() -> None:
    forms = {step.name: step.rest for step in DOCKERFILE if step.name in {"ENTRYPOINT", "CMD"}}

    assert forms == {"ENTRYPOINT": '["newsletter"]', "CMD": '["run"]'}


def test_what_the_image_is_built_from_exists_and_is_not_ignored() -> None:
    lines = (CHECKOUT / ".dockerignore").read_text("utf-8").splitlines()
    allowed = [line.removeprefix("!") for line in lines if line.startswith("!")]
    copied = [
        source
        for step in DOCKERFILE
        if step.name == "COPY" and "from" not in step.flags
        for source in step.words()[:-1]
    ]

    assert "*" in lines
    assert copied
    for source in copied:
        assert (CHECKOUT / source).exists()
        assert any(fnmatch(source, pattern) for pattern in allowed)


class Runner:
    """What GitHub does for the state steps: a fresh shallow clone each run, bash -e for a step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.origin = folder / "origin.git"
        self.runs = 0
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.origin))
        first = self.clone()
        self.git("commit", "--quiet", "--allow-empty", "--message", "program", cwd=first)
        self.git("push", "--quiet", "origin", "HEAD:main", cwd=first)

    def git(self, *words: str, cwd: Path | None = None) -> None:
        subprocess.run(["git", *words], cwd=cwd, env=self.environ, check=True, capture_output=True)

    @property
    def environ(self) -> dict[str, str]:
        people = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org"}
        people |= {"GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org"}
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        given = {"GITHUB_RUN_ID": str(self.runs), "BRANCH": "newsletter-state"}
        return {"PATH": os.environ["PATH"], **given, **people, **alone}

    def clone(self) -> Path:
        self.runs += 1
        target = self.folder / f"run-{self.runs}"
        self.git("clone", "--quiet", "--depth=1", f"file://{self.origin}", str(target))
        return target

    def step(self, name: str, clone: Path) -> bool:
        script = ["bash", "-e", "-c", action_steps()[name]["run"]]
        done = subprocess.run(script, cwd=clone, env=self.environ, check=False, capture_output=True)
        return done.returncode == 0


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


@pytest.mark.slow
@pytest.mark.git
def test_on_github_the_state_of_one_run_is_there_in_the_next(runner: Runner) -> None:
    first = runner.clone()
    assert runner.step("Fetch the state", first)
    assert [path.name for path in (first / "data").iterdir()] == [".git"]
    (first / "data" / "state.sqlite3").write_text("issue 1")
    assert runner.step("Keep the state", first)

    second = runner.clone()
    assert runner.step("Fetch the state", second)
    assert (second / "data" / "state.sqlite3").read_text() == "issue 1"
    (second / "data" / "state.sqlite3").write_text("issue 2")
    assert runner.step("Keep the state", second)

    third = runner.clone()
    assert runner.step("Fetch the state", third)
    assert (third / "data" / "state.sqlite3").read_text() == "issue 2"


@pytest.mark.slow
@pytest.mark.git
def test_on_github_a_run_that_changed_nothing_is_no_failure(runner: Runner) -> None:
    for _ in range(2):
        clone = runner.clone()
        assert runner.step("Fetch the state", clone)
        (clone / "data" / "state.sqlite3").write_text("the same")
        assert runner.step("Keep the state", clone)


@pytest.mark.git
def test_on_github_an_outage_does_not_look_like_a_first_run(runner: Runner) -> None:
    clone = runner.clone()
    runner.origin.rename(runner.folder / "gone.git")

    assert not runner.step("Fetch the state", clone)
    assert not (clone / "data").exists()
    assert action_steps()["Keep the state"]["if"] == "always() && steps.state.outcome == 'success'"
    assert action_steps()["Fetch the state"]["id"] == "state"


def test_senders_have_the_secrets_of_the_ledger_and_time_to_give_back_their_parcel() -> None:
    several = recipe("compose-several.yaml")
    sender = several["services"]["sender"]
    assert {"state__password", "state__token_key"} <= set(sender["secrets"])
    assert set(sender["secrets"]) <= set(several["secrets"])
    assert sender["stop_grace_period"] == "2m"
    assert sender["deploy"]["replicas"] == 3
    assert not any("subscribers" in each for each in sender["volumes"])
    assert sender_pod()["terminationGracePeriodSeconds"] == 120
    assert {each["name"] for each in sender_pod()["volumes"]} == {
        each["name"] for each in sender_pod()["containers"][0]["volumeMounts"]
    }
    asked_for = (DEPLOY / "kubernetes-senders.yaml").read_text("utf-8")
    named = set(re.findall(r"--from-file=(\w+__\w+)", asked_for))
    assert named == {"state__password", "state__token_key", "smtp__password"}
    environment = {f"NEWSLETTER_{each}".upper() for each in named}
    assert environment <= variables()
