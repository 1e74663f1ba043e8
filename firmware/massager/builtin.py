"""Built-in programs, from one table, with what is known of each kind of massage and what is not.

The texts of a row travel to the host in one line, and the table lies in a Pico's heap: therefore they are
short and ASCII, and what several rows say has a name; equal texts in literal tuples would be kept twice.
A program starts low, rises gently and moves on; + and - shift all of it.
"""

# A source and what it found; "no benefit" and "nobody has tested it" are findings too.
_PRACTICE = ("Practice of massage", "Order and times are custom; no trial of them found.")
_KONRAD = ("Konrad 2020, PMC7675623", "5 min on the calf, 16 men: 5.4 deg more range, same strength.")
_SKINNER = ("Skinner 2023, JSSM 22:496", "2 x 60 s on the hamstrings, 20 people: 11 % more range.")
_NEEDS = ("Needs 2023, PMC10003898", "Calf: blood flow up for longer at 38 and 47 Hz than at 30.")
_FERREIRA = ("Ferreira 2023, PMC10532323", "11 studies: flexibility up for a while; strength, agility not.")
_GREENE = ("Greene 2024, Muscles 3:166", "25 Hz, 60 s between sets: no benefit, fewer repetitions.")
_LEABEATER = ("Leabeater 2024, JAT 59:310", "5 min on tired calves: no benefit, a little sorer for 4 h.")
_CHEATHAM = ("Cheatham 2021, PMC8964305", "425 clinicians: 30 s-3 min and low or medium speed lead.")
_DAVIS = ("Davis 2020, PMC7228568", "By hand, 29 trials: no gain in performance, small in flexibility.")
_LU = ("Lu 2022, PMC9434898", "Pressing, 15 trials: more pressure borne, pain felt the same.")
_DEBSKI = ("Debski 2019, BHK 11:36", "Rollers, 55 articles: 30-120 s, 1-3 times; no agreed best.")
_BANDY = ("Bandy 1997, PMID 9327823", "Hamstring: 30 s once a day did as much as 60 s or 3 times.")
_MACAULEY = ("Mac Auley 2001, IJSM 22:379", "Review: repeated 10 min through a wet towel.")
_BLEAKLEY = ("Bleakley 2004, AJSM 32:251", "22 trials: no evidence for a best duration.")

_STOP = "Stop on sharp pain, burning, numbness or tingling."
_MUSCLE = "Muscle only: no bone, no joint."
_KNEE = "Not on the back of the knee."

_HAM_L = "hamstring_left"
_HAM_R = "hamstring_right"
_QUAD_L = "quadriceps_left"
_QUAD_R = "quadriceps_right"

_UP = ("light strokes", 60, "ramp", 1, 2, 0, "", "none")
_LONG = ("long strokes", 90, "wave", 2, 3, 30, "", "move_on")
_KNEAD = ("knead", 90, "wave", 2, 4, 15, "", "move_on")
_POINTS = ("3 points", 120, "pulse", 0, 3, 40, "", "stage")
_SPOT = ("spot", 60, "steady", 3, 3, 0, "", "move_on")
_ACROSS = ("across", 90, "wave", 2, 4, 15, "", "move_on")
_LIGHTLY = ("knead lightly", 90, "wave", 2, 3, 10, "", "move_on")
_DOWN = ("light strokes", 60, "ramp", 2, 1, 0, "", "stage")
_LEFT = ("hold left", 30, "off", 0, 0, 0, "", "stage")
_RIGHT = ("hold right", 30, "off", 0, 0, 0, "", "stage")
_CHANGE = ("change", 10, "off", 0, 0, 0, "", "stage")

# name, title, purpose, cautions, evidence as (source, finding), stages as
# (name, seconds, pattern, a, b, period_s, area, cue); "steady" is the chosen level for the time asked for
PROGRAMS = (
    ("steady", "Steady level", "One level for the whole session.", (_STOP,), (_CHEATHAM, _GREENE), ()),
    (
        "warm-up",
        "Light strokes (effleurage)",
        "Long light strokes toward the heart, to begin with.",
        (_STOP, _MUSCLE),
        (_PRACTICE, _FERREIRA),
        (_UP, _LONG, _LONG, _DOWN),
    ),
    (
        "knead",
        "Kneading (petrissage)",
        "Works the belly of the muscle, a new part every 90 s.",
        (_STOP, _MUSCLE),
        (_PRACTICE, _DAVIS, _CHEATHAM),
        (_UP, _KNEAD, _KNEAD, _KNEAD, _KNEAD, _DOWN),
    ),
    (
        "trigger-point",
        "Tender points",
        "Hold still on a point; when the motor stops, find the next.",
        (_STOP, _MUSCLE),
        (_LU, _PRACTICE),
        (_UP, _POINTS, _POINTS, _DOWN),
    ),
    (
        "spot",
        "Spots, as with a ball",
        "Up to a minute on each of four spots.",
        (_STOP, _MUSCLE),
        (_PRACTICE, _CHEATHAM),
        (_UP, _SPOT, _SPOT, _SPOT, _SPOT, _DOWN),
    ),
    (
        "roller",
        "One leg, as with a roller",
        "Slowly to and fro, 2 min a muscle; again for the other leg.",
        (_STOP, _KNEE),
        (_DEBSKI, _FERREIRA),
        (
            ("calf", 120, "wave", 1, 3, 30, "calf", "none"),
            ("hamstring", 120, "wave", 1, 3, 30, "hamstring", "stage"),
            ("thigh", 120, "wave", 1, 3, 30, "quadriceps", "stage"),
            ("buttock", 120, "wave", 1, 3, 30, "glute", "stage"),
        ),
    ),
    (
        "self-massage",
        "Simple self-massage",
        "Light strokes, across the muscle, light kneading.",
        (_STOP, _MUSCLE),
        (_PRACTICE, _DAVIS),
        (_UP, _LONG, _ACROSS, _ACROSS, _LIGHTLY, _LIGHTLY, _DOWN),
    ),
    (
        "pre-run",
        "Before a run",
        "A minute a muscle, then warm up on foot.",
        (_STOP, _KNEE, "Not before sprints, jumps or heavy lifts."),
        (_KONRAD, _FERREIRA, _GREENE),
        (
            ("left calf", 60, "ramp", 1, 3, 0, "calf_left", "none"),
            ("right calf", 60, "wave", 2, 4, 20, "calf_right", "stage"),
            ("left hamstring", 60, "wave", 2, 4, 20, _HAM_L, "stage"),
            ("right hamstring", 60, "wave", 2, 4, 20, _HAM_R, "stage"),
            ("left thigh", 60, "wave", 2, 4, 20, _QUAD_L, "stage"),
            ("right thigh", 60, "wave", 2, 4, 20, _QUAD_R, "stage"),
        ),
    ),
    (
        "post-run",
        "After a run",
        "Lightly, 90 s a muscle, strokes toward the heart.",
        (_STOP, _KNEE, "Tired muscles get sore: rather too light."),
        (_LEABEATER, _DAVIS),
        (
            ("left calf", 90, "wave", 1, 2, 30, "calf_left", "none"),
            ("right calf", 90, "wave", 1, 2, 30, "calf_right", "stage"),
            ("left hamstring", 90, "wave", 1, 2, 30, _HAM_L, "stage"),
            ("right hamstring", 90, "wave", 1, 2, 30, _HAM_R, "stage"),
            ("left thigh", 90, "wave", 1, 2, 30, _QUAD_L, "stage"),
            ("right thigh", 90, "wave", 1, 2, 30, _QUAD_R, "stage"),
        ),
    ),
    (
        "hamstring-10",
        "Hamstrings, 5 min each",
        "Strokes, lower part, upper part, strokes; then the right one.",
        (_STOP, _KNEE, "Not on the sit bone."),
        (_SKINNER, _FERREIRA, _PRACTICE),
        (
            ("left strokes", 60, "ramp", 1, 2, 0, _HAM_L, "none"),
            ("left lower", 90, "wave", 2, 4, 15, _HAM_L, "stage"),
            ("left upper", 90, "wave", 2, 4, 15, _HAM_L, "move_on"),
            ("left strokes", 60, "ramp", 2, 1, 0, _HAM_L, "stage"),
            ("right strokes", 60, "ramp", 1, 2, 0, _HAM_R, "stage"),
            ("right lower", 90, "wave", 2, 4, 15, _HAM_R, "stage"),
            ("right upper", 90, "wave", 2, 4, 15, _HAM_R, "move_on"),
            ("right strokes", 60, "ramp", 2, 1, 0, _HAM_R, "stage"),
        ),
    ),
    (
        "calf-5",
        "One calf, 5 min",
        "Rises to about 39 Hz; again for the other calf.",
        (_STOP, _KNEE, "A swollen, warm or red calf: see a doctor today."),
        (_KONRAD, _NEEDS, _LEABEATER),
        (
            ("strokes", 60, "ramp", 1, 3, 0, "calf", "none"),
            ("inner calf", 90, "ramp", 3, 6, 0, "calf", "stage"),
            ("outer calf", 90, "steady", 6, 6, 0, "calf", "move_on"),
            ("strokes", 60, "ramp", 6, 1, 0, "calf", "stage"),
        ),
    ),
    (
        "stretch-timer",
        "Stretch timer, motor off",
        "Three holds of 30 s a side.",
        ("Muscles warm, no bouncing, a pull but no pain.",),
        (_BANDY,),
        (
            ("get ready", 10, "off", 0, 0, 0, "", "none"),
            _LEFT,
            _CHANGE,
            _RIGHT,
            _CHANGE,
            _LEFT,
            _CHANGE,
            _RIGHT,
            _CHANGE,
            _LEFT,
            _CHANGE,
            _RIGHT,
        ),
    ),
    (
        "ice-timer",
        "Ice timer, motor off",
        "Cues at 10 and 15 min. Keep the pad away from ice.",
        ("Cloth between; not on numb skin; off when it burns.",),
        (_MACAULEY, _BLEAKLEY),
        (
            ("ice", 600, "off", 0, 0, 0, "", "none"),
            ("5 min more", 300, "off", 0, 0, 0, "", "stage"),
        ),
    ),
    (
        "desk-day",
        "A break at the desk",
        "50 s each on forearms, shoulders, thighs; then get up.",
        (_STOP, "Shoulder muscle only, never the neck."),
        (_CHEATHAM, _PRACTICE),
        (
            ("left forearm", 50, "ramp", 1, 2, 0, "forearm_left", "none"),
            ("right forearm", 50, "steady", 2, 2, 0, "forearm_right", "stage"),
            ("left shoulder", 50, "steady", 2, 2, 0, "shoulder_left", "stage"),
            ("right shoulder", 50, "steady", 2, 2, 0, "shoulder_right", "stage"),
            ("left thigh", 50, "steady", 2, 2, 0, _QUAD_L, "stage"),
            ("right thigh", 50, "ramp", 2, 1, 0, _QUAD_R, "stage"),
        ),
    ),
)
