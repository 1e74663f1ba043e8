"""Examples, by command: what `knead COMMAND --help` ends with, and docs/command-line.md shows."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "list": ("knead list --json",),
    "info": ("knead info --port /dev/ttyACM0",),
    "status": ("knead status --json",),
    "guide": (
        "knead guide                              # the check before a first session",
        "knead guide calves                       # how on which part of the body",
        "knead guide --all-no --answer pregnancy=unsure",
    ),
    "start": (
        "knead start --level 3 --minutes 5 --area calf_left",
        "knead start --program roller --shift 1   # all its levels one higher",
        "knead start --level 5 --picture session.svg --record session.csv",
    ),
    "level": ("knead level 4",),
    "watch": ("knead watch --json --samples 100 --hz 20 > samples.jsonl",),
    "record": (
        "knead record session.csv --until-end     # in another terminal: knead start --level 3",
        "knead record day.sqlite --hz 2 --minutes 600",
    ),
    "plot": ("knead plot session.csv -o session.png --open",),
    "get": ("knead get slew_s",),
    "set": (
        "knead set slew_s=3 area_s=60",
        "knead set max_level=8 --save             # also over a power cycle",
        "knead set slew_s=1 --yes-weaken slew_s   # without being asked",
    ),
    "diff": (
        "knead diff                               # against the defaults",
        "knead diff mine.txt --exit-code",
        "knead diff --with left-leg               # a device with a name",
    ),
    "dump": ("knead dump mine.txt",),
    "restore": ("knead restore mine.txt",),
    "reset": ("knead reset slew_s area_s", "knead reset --all --save"),
    "device add": ("knead device add left-leg --port /dev/ttyACM0",),
    "completion": ("knead completion bash > ~/.knead-completion.bash",),
    "program show": ("knead program show roller",),
    "program check": ("knead program check mine.toml --on-device",),
    "program plot": ("knead program plot roller --picture roller.svg",),
    "program try": ("knead program try mine.toml --hand heavy --ambient 30",),
    "program push": ("knead program push mine.toml",),
    "program pull": ("knead program pull mine -o copy.toml",),
    "program remove": ("knead program remove mine",),
    "program new": ("knead program new mine --from roller",),
    "program select": ("knead program select roller",),
    "program schema": ("knead program schema -o program.schema.json",),
    "selftest": ("knead selftest --last --json",),
    "log": (
        "knead log --limit 20                     # the newest twenty, oldest first",
        "knead log --since 7d --kind session      # also 12h, today, '2026-01-31 18:00'",
        "knead log --explain                      # in sentences, and what is to be done now",
        "knead log --csv > journal.csv            # a column for every member of a record",
        "knead log --sync                         # keep what is new on this computer",
        "knead log --local --since 30d            # from there, without a device",
    ),
    "dose": (
        "knead dose                               # the last 7 days",
        "knead dose --days 30 --area calf         # calf has calf_left and calf_right in it",
        "knead dose --plot dose.svg",
        "knead dose --hand-vibration              # for whoever holds it for others",
    ),
    "calibrate": (
        "knead calibrate                          # tells what it found, changes nothing",
        "knead calibrate --apply --write motor.toml",
    ),
    "flash": (
        "knead flash --dry-run                    # what it would do",
        "knead flash --port /dev/ttyACM0 --source   # without precompiling",
    ),
    "doctor": ("knead doctor --port /dev/ttyACM0",),
    "udev": ("knead udev --install                     # with sudo, where root is needed",),
    "sim": (
        "knead sim                                # until Ctrl-C; other commands find it",
        "knead sim --speed max --seed 3 --hand heavy",
        "knead sim --inject blocked@20            # see `knead sim inject --list`",
    ),
    "sim press": ("knead sim press plus", "knead sim press mode --hold 3.5"),
    "sim state": ("knead sim state --json",),
    "sim inject": ("knead sim inject motor_ntc=open --for 10", "knead sim inject --list"),
    "sim mend": ("knead sim mend motor_ntc",),
    "demo": ("knead demo --picture demo.png",),
}


def epilog(path: str) -> str | None:
    """The end of a command's help; path: its name below `knead`, such as "program push"."""
    lines = EXAMPLES.get(path)
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines) if lines else None
