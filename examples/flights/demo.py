"""The main job: a year of flights, from raw files to a watched and retrained model.

Only public commands and API calls; each command is printed as a user would type it. What was done
before is not done again: a second run is quick.
"""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import msgspec
from chart import Month, year_chart
from raw import MONTHS, write_raw_files

import tidemill as tm

HERE = Path(__file__).parent
TIDEMILL = Path(sys.executable).with_name("tidemill")
RAW = "raw"
CHECK_FAILED = 3
SHOWN_LINES = 14
FIRST_REPLAYED = 3


def main() -> None:
    """Live the year and tell it."""
    began = time.monotonic()
    os.chdir(HERE)
    say("1. January to March arrive, each checked against its contract while it is read")
    write_raw_files(HERE / RAW)
    tidemill("team", "add", "delays", "ada", "grace", "--because", "they own the delay model")
    tidemill("data", "add", "planes", f"{RAW}/planes.csv", "--at", "2013-01-01")
    for place in range(FIRST_REPLAYED):
        arrive(MONTHS[place], f"{MONTHS[place + 1]}-01")
    say("2. A training set as it was known then, a model, its evaluation, a candidate")
    tidemill("run", "delay", "--until", "2013-04-01", "--at", "2013-04-01")
    say("3. The gates judge it, and a decision makes it champion")
    tidemill("policy", "set", "model:delay", "champion", "--verdict", "gates",
             "--because", "nothing serves that the gates did not pass")  # fmt: skip
    tidemill("check", "model:delay@1", "--at", "2013-04-01", lines=60)
    if not exists("model:delay@champion"):
        tidemill("promote", "model:delay@1", "champion", "--at", "2013-04-01",
                 "--because", "the first model; it passes every gate")  # fmt: skip
    say("4. It is deployed: a model server of its own, behind a stable address")
    if not exists("deployment:delay"):
        tidemill("view", "materialize", "--at", "2013-04-01")
        tidemill("deploy", "model:delay@champion", "--at", "2013-04-01",
                 "--because", "the first model")  # fmt: skip
    else:
        tidemill("up", "--detach")
    say("5. April to December, as they came")
    for place in range(FIRST_REPLAYED, 12):
        live(place)
    tidemill("monitor", "agreement", "delay", "--window", "2013-04-01..2014-01-01",
             "--at", "2014-01-02")  # fmt: skip
    say(f"6. The year, told after {time.monotonic() - began:.0f} s")
    tell()
    tidemill("down")


def live(place: int) -> None:
    """Live one month: ask, seal, report, test for drift, and let the triggers decide."""
    month, after = MONTHS[place], MONTHS[place + 1 : place + 2]
    at = f"{after[0]}-01" if after else "2014-01-02"
    if exists(f"data:flights@{place + 1}"):
        print(f"{month} was lived before", flush=True)
        return
    run(sys.executable, "replay.py", month, RAW, shown=["python", "replay.py", month, RAW])
    tidemill("predictions", "collect", "delay", "--window", month, "--at", at)
    tidemill("monitor", "report", "delay", "--window", month, "--at", at, lines=24)
    tidemill("drift", "test", "delay", "--window", month, "--at", at)
    arrive(month, at)
    tidemill("trigger", "tick", "--at", at)


def arrive(month: str, at: str) -> None:
    """Add a month's raw files; the flights come last, so that they mark the month as lived."""
    tidemill("data", "add", "weather", f"{RAW}/weather-{month}.csv", "--append", "--at", at)
    tidemill("data", "add", "flights", f"{RAW}/flights-{month}.csv", "--append", "--at", at)


def tell() -> None:
    """Print the table of the year, write `year.json` and `year.svg`, and say what to try next."""
    with tm.open(HERE) as project:
        months = [month_of(project, place) for place in range(FIRST_REPLAYED, 12)]
        gains = [
            project.backtest_model("model:delay@1", window=window, at="2014-01-02")
            for window in ("2013-04-01..2014-01-01", "2013-10-01..2014-01-01")
        ]
        late = most_surely_late(project)
    Path("year.json").write_bytes(
        msgspec.json.format(msgspec.json.encode({"months": months, "gains": gains}))
    )
    Path("year.svg").write_text(year_chart(months), encoding="utf-8")
    print(table(months))
    for gain in gains:
        print(
            f"\n{gain.window}: what served has an AUC of {gain.served:.4f}, the first model, "
            f"frozen, {gain.other:.4f}:\n  better by {gain.gain:+z.4f} "
            f"(95 % interval from {gain.days} days: {gain.low:+z.4f} to {gain.high:+z.4f})"
        )
    print(f"\nthe table as JSON: {HERE / 'year.json'}\nthe chart:         {HERE / 'year.svg'}")
    print(f"""
Worth trying next, in {HERE}:
  tidemill why prediction:{late}
  tidemill impact data:flights@2
  tidemill diff model:delay@1 model:delay@2
  tidemill diff data:flights@1 data:flights@2
  tidemill log model:delay@champion
  tidemill audit verify""")


def month_of(project: tm.Project, place: int) -> Month:
    """Return what is known of a month, from the record alone."""
    month = MONTHS[place]
    at = f"{MONTHS[place + 1]}-01" if place + 1 < len(MONTHS) else "2014-01-02"
    report = project.show(f"report:delay@{place - FIRST_REPLAYED + 1}").detail
    frozen = project.backtest_model("model:delay@1", window=month, at=at)
    figures = {figure.name: figure for figure in report.figures}
    auc = figures["auc"]
    happened = [
        one.decision for one in project.list_decisions(since=f"{month}-02", until=at).answered
    ]
    alerts = project.list_alerts("delay", all=True).alerts
    alarm_days = {
        (alert.check, day) for alert in alerts for day in (alert.day, *alert.again)
        if day.startswith(month)
    }  # fmt: skip
    return Month(
        month=month,
        champion=int(str(report.parts[-1].model).rpartition("@")[2]),
        rows=report.rows,
        base_rate=figures["base_rate"].value,
        frozen=frozen.other,
        served=auc.value,
        served_low=auc.low,
        served_high=auc.high,
        alarms=len(alarm_days),
        retrainings=sum(bool(d.champion) for d in happened),
        promotions=sum(d.promoted for d in happened),
        refusals=sum(bool(d.champion) and not d.promoted for d in happened),
    )


def most_surely_late(project: tm.Project) -> str:
    """Return the short id of the prediction of December that was surest of a late landing."""
    seals = [
        s for s in project.list_windows("delay").seals if f"{s.window.start:%Y-%m}" == "2013-12"
    ]
    rows = project.frame(f"predictions:delay@{seals[-1].number}").frame
    found = rows.filter(rows["score"] == rows["score"].max())
    return str(found["prediction_id"][0])[-8:]


def table(months: list[Month]) -> str:
    """Return the table of the year."""
    head = ("month", "champion", "rows", "late", "AUC frozen", "AUC served", "alarms",
            "retrained", "promoted", "refused")  # fmt: skip
    rows = [
        (m.month, f"v{m.champion}", f"{m.rows:,}", f"{m.base_rate:.0%}", f"{m.frozen:.4f}",
         f"{m.served:.4f}", m.alarms, m.retrainings, m.promotions, m.refusals)
        for m in months
    ]  # fmt: skip
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    lines = [[str(cell).rjust(width) for cell, width in zip(row, widths, strict=True)]
             for row in [head, *rows]]  # fmt: skip
    return "\n".join("  ".join(line) for line in lines)


def tidemill(*arguments: str, lines: int = SHOWN_LINES) -> None:
    """Run a public command, printed as typed; a check that says no is an answer, not a failure."""
    run(str(TIDEMILL), *arguments, shown=["tidemill", *arguments], lines=lines)


def run(*command: str, shown: list[str], lines: int = SHOWN_LINES) -> None:
    """Run a command and print the beginning of its answer."""
    print(f"$ {shlex.join(shown)}", flush=True)
    began = time.monotonic()
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    told = answer.stdout.rstrip().splitlines()
    for line in told[:lines]:
        print(f"  {line}")
    if len(told) > lines:
        print(f"  ... and {len(told) - lines} lines more")
    print(f"  [{time.monotonic() - began:.1f} s]", flush=True)
    if answer.returncode not in {0, CHECK_FAILED}:
        raise SystemExit(answer.returncode)


def exists(ref: str) -> bool:
    """Whether the record has something of this name."""
    asked = subprocess.run([TIDEMILL, "show", ref, "--json"], capture_output=True, check=False)
    return asked.returncode == 0


def say(text: str) -> None:
    """Print a headline."""
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    main()
