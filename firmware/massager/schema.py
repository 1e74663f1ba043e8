"""Schema: hands the tables out, section by section and page by page; the host knows nothing by heart."""

import json

from massager import (
    areas,
    authority,
    cues,
    errors,
    events,
    faults,
    library,
    program,
    selftest,
    session,
    settings,
    telemetry,
)

PAGE = 400  # characters after which a page is full, which keeps a reply within the tick, …
PAGE_MAX = 900  # … and beyond which the last item waits for the next page

_WHEN = {
    settings.NEVER: None,
    settings.RAISED: "raised",
    settings.LOWERED: "lowered",
    settings.EITHER: "changed",
    settings.LIMIT: "raised_or_zero",
}


def _setting(row):
    name, kind, unit, low, high, default, needs, weakens, doc = row
    if kind == "bool":
        low, high, default = False, True, bool(default)
    return {
        "name": name,
        "type": kind,
        "unit": unit,
        "min": low,
        "max": high,
        "default": default,
        "doc": doc,
        "weakens": weakens != settings.NEVER,
        "weakens_when": _WHEN[weakens],
        "confirm": needs in (authority.IDLE_REMOTE, authority.PRESS)
        or bool(weakens and needs != authority.BUTTONS),
        "local": needs == authority.BUTTONS,
        "authority": authority.name(needs),
    }


def _fault(row):
    keys = (
        "code",
        "name",
        "measures",
        "unit",
        "limit",
        "fault",
        "hysteresis",
        "debounce_ms",
        "reaction",
        "remedy",
        "clear",
        "source",
        "survives",
    )
    return dict(zip(keys, row))


def _test(row):
    return dict(zip(("name", "measures", "unit", "low", "high", "remedy"), row))


def _bit_doc(row):
    return {"bit": row[0], "name": row[1], "doc": row[2]}


def _refusal(row):
    return {"bit": row[0], "name": row[1], "remedy": row[2]}


def _value_doc(row):
    return {"value": row[0], "name": row[1], "doc": row[2]}


def _method(row):
    return {"name": row[0], "params": row[2], "doc": row[4], "authority": authority.name(row[3])}


def _error(row):
    return {"code": row[0], "name": row[1], "message": row[2], "remedy": row[3]}


def _field(row):
    return {"name": row[0], "unit": row[1], "doc": row[2]}


def _area(row):
    return {"name": row[0], "sides": bool(row[1]), "doc": row[2]}


def _cue(row):
    return {
        "value": row[0],
        "name": row[1],
        "doc": row[2],
        "dip_ms": row[3],
        "beeps": row[4],
        "colour": cues.COLOURS[row[5]],
    }


def _event(row):
    return {"name": row[1], "doc": row[2]}


SECTIONS: dict = {
    "settings": (settings.TABLE, _setting),
    "faults": (faults.FAULTS, _fault),
    "selftests": (selftest.TESTS, _test),
    "limiters": (faults.LIMITERS, _bit_doc),
    "refusals": (session.REFUSALS, _refusal),
    "reasons": (session.REASONS, _value_doc),
    "states": (session.STATES, _value_doc),
    "warnings": (session.WARNINGS, _bit_doc),
    "cues": (cues.CUES, _cue),
    "areas": (areas.AREAS, _area),
    "patterns": (program.PATTERNS, _value_doc),
    "programs": (library.BUILT_IN, None),  # described by the library
    "authorities": (authority.AUTHORITIES, _value_doc),
    "errors": (errors.ERRORS, _error),
    "telemetry": (telemetry.FIELDS, _field),
    "events": (events.EVENTS, _event),
    "methods": ((), _method),  # filled by the module that holds the methods
}


def page(section, start, programs):
    """JSON text of one page from item `start`; None when there is no such section or item.

    programs: the Library, which has the texts of the section programs on flash.
    """
    if section not in SECTIONS:
        return None
    rows, item = SECTIONS[section]
    item = item or programs.describe
    if not 0 <= start < max(len(rows), 1):
        return None
    texts: list = []
    size = 0
    at = start
    while at < len(rows) and size < PAGE:
        text = json.dumps(item(rows[at]), separators=(",", ":"))
        if texts and size + len(text) > PAGE_MAX:
            break
        texts.append(text)
        size += len(text)
        at += 1
    following = at if at < len(rows) else "null"
    return '{"section":"%s","start":%d,"items":[%s],"next":%s}' % (section, start, ",".join(texts), following)
