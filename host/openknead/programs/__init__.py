"""Massage programs as files: the format, its checks, its curve, and what goes over the wire.

    from openknead.programs import check, curve

    report = check.check(Path("calves.toml").read_bytes())
    for problem in report.problems:
        print(problem)
    points = curve.evaluate(report.program.stages, slew_s=2)

A file is what a user writes and shares (`check`, `table`, `text`); a document is what the device keeps, the
file inside it (`document`, `transfer`); a `model.Program` is what both stand for.
"""

STEADY = "steady"  # the program that is a level and a time, no list of stages
