"""Areas of the body that a session or a stage can name, from one table.

Nothing above the neck stands here, so no program can name it. The tick counts by a label's index in LABELS.
"""

# base, whether there is a left and a right one, meaning
AREAS = (
    ("foot", True, "Sole."),
    ("calf", True, "Back of the lower leg."),
    ("shin", True, "Beside the shin bone."),
    ("hamstring", True, "Back of the thigh."),
    ("quadriceps", True, "Front of the thigh."),
    ("inner_thigh", True, "Inner thigh, not the groin."),
    ("outer_thigh", True, "Outer thigh, not the hip bone."),
    ("glute", True, "Buttock."),
    ("shoulder", True, "Muscle of the shoulder, never the neck."),
    ("arm", True, "Upper arm, not the armpit."),
    ("forearm", True, "Not the elbow."),
    ("hand", True, "Palm."),
    ("lower_back", False, "Beside the spine, not on it or the kidneys."),
    ("upper_back", False, "Between spine and shoulder blade, not on them."),
)

SIDES = ("_left", "_right")


def _labels():
    """Every label in the order of its index; the first one stands for an area that was not named."""
    labels = [""]
    for base, paired, _ in AREAS:
        labels.append(base)
        if paired:
            labels += [base + side for side in SIDES]
    return tuple(labels)


LABELS = _labels()
INDEX = {label: index for index, label in enumerate(LABELS)}
