"""Design: every part of both builds, and the net at each of its pins. Plain data, no KiCad needed.

`breadboard` is a Pico and a motor-driver carrier with sensors, wired pin to pin; `board` adds the hardware
interlock, in two channels: A gates the driver's nSLEEP, B its EN, and either one takes the motor off.
Schematic, board, truth table and harness check start here; where a part lies stands in `kicad/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

BREADBOARD = "breadboard"
BOARD = "board"
BUILDS = (BREADBOARD, BOARD)
BOTH = BUILDS

# Pins of each kind of part: number -> (name, electrical type as KiCad calls it). Sources: KiCad 9's libraries
# and makers' data sheets; carriers: the names on Pololu's boards.
PASSIVE2 = {"1": ("1", "passive"), "2": ("2", "passive")}
# fmt: off
_PICO_NAMES = (
    "GP0", "GP1", "GND", "GP2", "GP3", "GP4", "GP5", "GND", "GP6", "GP7",
    "GP8", "GP9", "GND", "GP10", "GP11", "GP12", "GP13", "GND", "GP14", "GP15",
    "GP16", "GP17", "GND", "GP18", "GP19", "GP20", "GP21", "GND", "GP22", "RUN",
    "GP26", "GP27", "AGND", "GP28", "ADC_VREF", "3V3", "3V3_EN", "GND", "VSYS", "VBUS",
)
# fmt: on
_PICO_TYPES = {"3V3": "power_out", "VSYS": "power_in", "GND": "passive", "AGND": "passive", "VBUS": "passive"}
_PICO_TYPES |= {"RUN": "input", "3V3_EN": "input", "ADC_VREF": "passive"}


def _connector(count: int) -> dict[str, tuple[str, str]]:
    return {str(n): (str(n), "passive") for n in range(1, count + 1)}


PINS: dict[str, dict[str, tuple[str, str]]] = {
    "resistor": PASSIVE2,
    "capacitor": PASSIVE2,
    "electrolytic": PASSIVE2,  # 1 = plus
    "fuse": PASSIVE2,
    "link": PASSIVE2,
    "schottky": {"1": ("K", "passive"), "2": ("A", "passive")},
    "tvs": {"1": ("K", "passive"), "2": ("A", "passive")},
    "npn": {"1": ("C", "passive"), "2": ("B", "input"), "3": ("E", "passive")},  # BC547: C B E
    "conn2": _connector(2),
    "conn4": _connector(4),
    "conn6": _connector(6),
    "pico": {
        str(n): (name, _PICO_TYPES.get(name, "bidirectional")) for n, name in enumerate(_PICO_NAMES, start=1)
    },
    # DRV8874 carrier, Pololu 4035. The names are Pololu's; the numbers, that is the pins' order along the
    # edges, are a guess: compare with the carrier in hand before a board is ordered.
    "drv8874": {
        "1": ("EN", "input"),
        "2": ("PH", "input"),
        "3": ("PMODE", "input"),
        "4": ("SLEEP", "input"),
        "5": ("FAULT", "open_collector"),
        "6": ("CS", "passive"),
        "7": ("VREF", "passive"),
        "8": ("IMODE", "passive"),
        "9": ("VM", "passive"),
        "10": ("OUT2", "passive"),
        "11": ("OUT1", "passive"),
        "12": ("GND", "passive"),
        "13": ("VIN", "power_in"),
    },
    # 5 V regulator, Pololu D24V5F5. Order of the four pins recalled: check against the part.
    "buck": {
        "1": ("SHDN", "input"),
        "2": ("VIN", "power_in"),
        "3": ("GND", "passive"),
        "4": ("VOUT", "power_out"),
    },
    "74HC4051": {
        "1": ("Y4", "passive"),
        "2": ("Y6", "passive"),
        "3": ("Z", "passive"),
        "4": ("Y7", "passive"),
        "5": ("Y5", "passive"),
        "6": ("nE", "input"),
        "7": ("VEE", "power_in"),
        "8": ("GND", "power_in"),
        "9": ("S2", "input"),
        "10": ("S1", "input"),
        "11": ("S0", "input"),
        "12": ("Y3", "passive"),
        "13": ("Y0", "passive"),
        "14": ("Y1", "passive"),
        "15": ("Y2", "passive"),
        "16": ("VCC", "power_in"),
    },
    "74HC123": {
        "1": ("1nA", "input"),
        "2": ("1B", "input"),
        "3": ("1nR", "input"),
        "4": ("1nQ", "output"),
        "5": ("2Q", "output"),
        "6": ("2C", "passive"),
        "7": ("2RC", "passive"),
        "8": ("GND", "power_in"),
        "9": ("2nA", "input"),
        "10": ("2B", "input"),
        "11": ("2nR", "input"),
        "12": ("2nQ", "output"),
        "13": ("1Q", "output"),
        "14": ("1C", "passive"),
        "15": ("1RC", "passive"),
        "16": ("VCC", "power_in"),
    },
    "74HC74": {
        "1": ("1nR", "input"),
        "2": ("1D", "input"),
        "3": ("1C", "input"),
        "4": ("1nS", "input"),
        "5": ("1Q", "output"),
        "6": ("1nQ", "output"),
        "7": ("GND", "power_in"),
        "8": ("2nQ", "output"),
        "9": ("2Q", "output"),
        "10": ("2nS", "input"),
        "11": ("2C", "input"),
        "12": ("2D", "input"),
        "13": ("2nR", "input"),
        "14": ("VCC", "power_in"),
    },
    "74HC21": {
        "1": ("1A", "input"),
        "2": ("1B", "input"),
        "3": ("NC", "no_connect"),
        "4": ("1C", "input"),
        "5": ("1D", "input"),
        "6": ("1Y", "output"),
        "7": ("GND", "power_in"),
        "8": ("2Y", "output"),
        "9": ("2A", "input"),
        "10": ("2B", "input"),
        "11": ("NC", "no_connect"),
        "12": ("2C", "input"),
        "13": ("2D", "input"),
        "14": ("VCC", "power_in"),
    },
    "supervisor": {"1": ("nRST", "output"), "2": ("VDD", "power_in"), "3": ("VSS", "power_in")},
}


@dataclass(frozen=True)
class Part:
    """ref: reference on the schematic; kind: key of PINS; value: what is printed beside it; mpn: the
    manufacturer's part number, key of the bill of materials; nets: pin number -> net (a missing pin is left
    open on purpose); builds: those it is fitted in; footprint: KiCad's name; why: what it is for.
    """

    ref: str
    kind: str
    value: str
    mpn: str
    nets: dict[str, str]
    builds: tuple[str, ...]
    footprint: str
    why: str


_F_RESISTOR = "Resistor_THT:R_Axial_DIN0207_L6.3mm_D2.5mm_P7.62mm_Horizontal"
_F_DISC = "Capacitor_THT:C_Disc_D5.0mm_W2.5mm_P5.00mm"
_F_FILM = "Capacitor_THT:C_Rect_L7.2mm_W4.5mm_P5.00mm_FKS2_FKP2_MKS2_MKP2"
_F_XH = "Connector_JST:JST_XH_B{0}B-XH-A_1x{0:02d}_P2.50mm_Vertical"
_F_VH = "Connector_JST:JST_VH_B2P-VH-B_1x02_P3.96mm_Vertical"

_R_MPN = {  # 1 % metal film, 0.25 W or more
    "100": "MFR-25FTE52-100R",
    "220": "MFR-25FTE52-220R",
    "330": "MFR-25FTE52-330R",
    "470": "MFR-25FTE52-470R",
    "1k": "MFR-25FTE52-1K",
    "2k2": "MFR-25FTE52-2K2",
    "4k7": "MFR-25FTE52-4K7",
    "10k": "MFR-25FTE52-10K",
    "22k": "MFR-25FTE52-22K",
    "47k": "MFR-25FTE52-47K",
    "470k": "MFR-25FTE52-470K",
}
_C_MPN = {"100n": "K104K15X7RF5TL2", "10n": "K103K15X7RF5TL2", "1n": "K102K15X7RF5TL2"}

GND, V33 = "GND", "+3V3"


def _r(ref: str, value: str, one: str, two: str, why: str, builds: tuple[str, ...] = BOTH) -> Part:
    return Part(ref, "resistor", value, _R_MPN[value], {"1": one, "2": two}, builds, _F_RESISTOR, why)


def _c(ref: str, value: str, one: str, why: str, builds: tuple[str, ...] = BOTH) -> Part:
    return Part(ref, "capacitor", value, _C_MPN[value], {"1": one, "2": GND}, builds, _F_DISC, why)


def _xh(ref: str, value: str, nets: list[str], why: str, builds: tuple[str, ...] = BOTH) -> Part:
    n = len(nets)
    pins = {str(i): net for i, net in enumerate(nets, start=1)}
    return Part(ref, f"conn{n}", value, f"B{n}B-XH-A", pins, builds, _F_XH.format(n), why)


def _vh(ref: str, value: str, nets: list[str], why: str) -> Part:
    pins = {str(i): net for i, net in enumerate(nets, start=1)}
    return Part(ref, "conn2", value, "B2P-VH-B", pins, BOTH, _F_VH, why)


def _dip(
    ref: str, kind: str, mpn: str, nets: dict[str, str], why: str, builds: tuple[str, ...] = BOTH
) -> Part:
    return Part(ref, kind, kind, mpn, nets, builds, f"Package_DIP:DIP-{len(PINS[kind])}_W7.62mm", why)


# Nets of the Pico: the names of firmware/massager/board.py's PINS where the firmware has one.
_PICO = {
    "GP2": "WD_KICK",
    "GP3": "RUN_REQ",
    "GP4": "ILK_OK",
    "GP5": "NFAULT",
    "GP6": "STOP",
    "GP7": "PLUS",
    "GP8": "MINUS",
    "GP9": "MODE",
    "GP10": "REARM",
    "GP11": "LED_R",
    "GP12": "LED_G",
    "GP13": "LED_B",
    "GP14": "TACH_A",
    "GP15": "TACH_B",
    "GP16": "MOT_PWM",
    "GP17": "MOT_PH",
    "GP18": "BUZZER",
    "GP19": "MUX_S0",
    "GP20": "MUX_S2",
    "GP22": "MUX_S1",
    "GP26": "I_SENSE",
    "GP27": "T_MUX",
    "GP28": "V_BAT",
    "3V3": V33,
    "VSYS": "VSYS",
    "GND": GND,
    "AGND": GND,
}


def _pico_nets(build: str) -> dict[str, str]:
    """The breadboard has no re-arm button and no one-shot: its two pins stay open."""
    absent = {"GP10"} if build == BREADBOARD else set()
    return {
        number: _PICO[name]
        for number, (name, _) in PINS["pico"].items()
        if name in _PICO and name not in absent
    }


def _pico(build: str) -> Part:
    footprint = "Module:RaspberryPi_Pico_Common_THT"
    return Part(
        "A1", "pico", "Raspberry Pi Pico", "SC0915", _pico_nets(build), (build,), footprint, "controller"
    )


PARTS: tuple[Part, ...] = (
    _pico(BREADBOARD),
    _pico(BOARD),
    # -- supply ---------------------------------------------------------------------------------------
    _vh("J1", "Supply 12 V", ["VIN", GND], "adapter or pack"),
    Part(
        "F1",
        "fuse",
        "3 A",
        "0297003.WXNV",
        {"1": "VIN", "2": "VFUSED"},
        BOTH,
        "Fuse:Fuseholder_Blade_Mini_Keystone_3568",
        "blows on a short of the supply or of a protection diode; mini blade in a Keystone 3568 holder",
    ),
    Part(
        "D1",
        "tvs",
        "SMBJ18A",
        "SMBJ18A",
        {"1": "VFUSED", "2": GND},
        BOTH,
        "Diode_SMD:D_SMB",
        "clamps the supply; with the supply reversed it conducts and blows the fuse",
    ),
    _vh("J2", "E-stop", ["VFUSED", "VM"], "first pole of the latching e-stop, in the motor's supply"),
    Part(
        "D2",
        "tvs",
        "SMBJ18A",
        "SMBJ18A",
        {"1": "VM", "2": GND},
        BOTH,
        "Diode_SMD:D_SMB",
        "clamps what the motor gives back when the e-stop opens",
    ),
    Part(
        "C1",
        "electrolytic",
        "470u 35V",
        "EEU-FR1V471",
        {"1": "VM", "2": GND},
        BOTH,
        "Capacitor_THT:CP_Radial_D10.0mm_P5.00mm",
        "takes the ripple of the driver; low ESR",
    ),
    _c("C2", "100n", "VM", "high frequencies of the driver's supply"),
    Part(
        "U7",
        "buck",
        "D24V5F5",
        "Pololu 2843",
        {"2": "VFUSED", "3": GND, "4": "V5"},
        BOTH,
        "Connector_PinSocket_2.54mm:PinSocket_1x04_P2.54mm_Vertical",
        "5 V for the Pico, before the e-stop: the Pico lives on and says what happened",
    ),
    Part(
        "D3",
        "schottky",
        "1N5817",
        "1N5817",
        {"1": "VSYS", "2": "V5"},
        BOTH,
        "Diode_THT:D_DO-41_SOD81_P10.16mm_Horizontal",
        "keeps USB's 5 V out of the regulator",
    ),
    # -- driver ---------------------------------------------------------------------------------------
    Part(
        "U8",
        "drv8874",
        "DRV8874 carrier",
        "Pololu 4035",
        {
            "1": "DRV_EN",
            "2": "MOT_PH",
            "3": GND,
            "4": "DRV_NSLEEP",
            "5": "NFAULT",
            "6": "CS",
            "10": "MOT_B",
            "11": "MOT_A",
            "12": GND,
            "13": "VM",
        },
        BOTH,
        "openknead:DRV8874_carrier",
        "PMODE at ground: PH/EN mode; SLEEP low lets the motor coast; VREF follows SLEEP: 2.9 A at most",
    ),
    _vh("J3", "Motor", ["MOT_A", "MOT_B"], "motor, through its thermal cut-off"),
    _r("R1", "2k2", "DRV_NSLEEP", GND, "driver asleep when nSLEEP is not driven"),
    _r("R2", "2k2", "DRV_EN", GND, "motor braked when EN is not driven"),
    _r("R3", "4k7", V33, "NFAULT", "pull-up of the open drain; the carrier has none"),
    _c("C3", "1n", "NFAULT", "20 kHz of the motor's wires is no fault"),
    _r("R4", "1k", "CS", "I_SENSE", "with C4 and the carrier's 2.49 kΩ: 0.35 ms"),
    _c("C4", "100n", "I_SENSE", "averages the ripple of the current"),
    _r("R5", "47k", "VM", "V_BAT", "supply divider 5.7:1, behind the e-stop: the firmware sees it open"),
    _r("R6", "10k", "V_BAT", GND, "supply divider"),
    _c("C5", "100n", "V_BAT", "filter of the supply's reading"),
    # A pull-down at every output that can move the motor: a reset leaves the pins floating.
    _r("R7", "10k", "RUN_REQ", GND, "low while the Pico is in reset"),
    _r("R8", "10k", "MOT_PWM", GND, "low while the Pico is in reset"),
    _r("R9", "10k", "MOT_PH", GND, "low while the Pico is in reset"),
    _r("R10", "10k", "WD_KICK", GND, "low while the Pico is in reset"),
    _r("R11", "10k", "BUZZER", GND, "silent while the Pico is in reset"),
    _r(
        "R12",
        "22k",
        "DRV_NSLEEP",
        "ILK_OK",
        "read-back; so weak that GP4 as an output cannot wake the driver",
    ),
    # -- what the breadboard has instead of the interlock ---------------------------------------------
    Part(
        "W1",
        "link",
        "wire",
        "wire",
        {"1": "RUN_REQ", "2": "DRV_NSLEEP"},
        (BREADBOARD,),
        _F_RESISTOR,
        "in place of channel A",
    ),
    Part(
        "W2",
        "link",
        "wire",
        "wire",
        {"1": "MOT_PWM", "2": "DRV_EN"},
        (BREADBOARD,),
        _F_RESISTOR,
        "in place of channel B",
    ),
    # -- interlock ------------------------------------------------------------------------------------
    _dip(
        "U1",
        "74HC123",
        "CD74HC123E",
        {
            "1": GND,
            "2": "WD_KICK",
            "3": V33,
            "5": "WD_OK_B",
            "6": "WD_C_B",
            "7": "WD_RC_B",
            "8": GND,
            "9": GND,
            "10": "WD_KICK",
            "11": "RUN_B",
            "13": "WD_OK_A",
            "14": "WD_C_A",
            "15": "WD_RC_A",
            "16": V33,
        },
        "two one-shots: high for 110 ms after a rising edge of WD_KICK; B only while RUN_REQ is high",
        (BOARD,),
    ),
    _r("R20", "470k", V33, "WD_RC_A", "one-shot A: 0.5 · 470 kΩ · 470 nF = 110 ms", (BOARD,)),
    _r("R21", "470k", V33, "WD_RC_B", "one-shot B", (BOARD,)),
    Part(
        "C20",
        "capacitor",
        "470n film",
        "MKS2C034701F00KSSD",
        {"1": "WD_RC_A", "2": "WD_C_A"},
        (BOARD,),
        _F_FILM,
        "one-shot A; film, because ceramics lose capacitance",
    ),
    Part(
        "C21",
        "capacitor",
        "470n film",
        "MKS2C034701F00KSSD",
        {"1": "WD_RC_B", "2": "WD_C_B"},
        (BOARD,),
        _F_FILM,
        "one-shot B",
    ),
    _dip(
        "U2",
        "74HC74",
        "SN74HC74N",
        {
            "1": "CLR_A",
            "2": "NRUN",
            "3": "REARM_CLK",
            "4": V33,
            "5": "ARMED_A",
            "7": GND,
            "9": "ARMED_B",
            "10": V33,
            "11": "REARM_CLK",
            "12": "NRUN",
            "13": "CLR_B",
            "14": V33,
        },
        "two latches, set by the edge of the re-arm button while RUN_REQ is low, cleared by loop or supply",
        (BOARD,),
    ),
    _dip(
        "U3",
        "74HC21",
        "SN74HC21N",
        {
            "1": "RUN_A",
            "2": "ARMED_A",
            "4": "WD_OK_A",
            "5": "TRIP_A",
            "6": "DRV_NSLEEP",
            "7": GND,
            "8": "CLR_A",
            "9": "TRIP_A",
            "10": "TRIP_A",
            "12": "POR_N",
            "13": "POR_N",
            "14": V33,
        },
        "channel A: nSLEEP = RUN_A · ARMED_A · WD_OK_A · TRIP_A; and the clear of latch A",
        (BOARD,),
    ),
    _dip(
        "U4",
        "74HC21",
        "SN74HC21N",
        {
            "1": "MOT_PWM",
            "2": "ARMED_B",
            "4": "WD_OK_B",
            "5": "TRIP_B",
            "6": "DRV_EN",
            "7": GND,
            "8": "CLR_B",
            "9": "TRIP_B",
            "10": "TRIP_B",
            "12": "POR_N",
            "13": "POR_N",
            "14": V33,
        },
        "channel B: EN = MOT_PWM · ARMED_B · WD_OK_B · TRIP_B; and the clear of latch B",
        (BOARD,),
    ),
    Part(
        "U5",
        "supervisor",
        "MCP100-300D",
        "MCP100-300DI/TO",
        {"1": "POR_N", "2": V33, "3": GND},
        (BOARD,),
        "Package_TO_SOT_THT:TO-92_Inline_Wide",
        "clears everything until 3.3 V has stood for a third of a second, and when it sags below 3.0 V",
    ),
    _xh(
        "J4",
        "Trip loop",
        ["LOOP_FEED", "TRIP_OK"],
        "second pole of the e-stop and thermostat, in series",
        (BOARD,),
    ),
    _r("R22", "100", V33, "LOOP_FEED", "a loop wire at ground costs 33 mA and not the supply", (BOARD,)),
    _r("R23", "2k2", "TRIP_OK", GND, "an open loop reads low; 3 mA keep the contacts clean", (BOARD,)),
    _r("R50", "2k2", "TRIP_OK", GND, "a second one, because an open loop must not float", (BOARD,)),
    # What both channels listen to reaches each through a resistor of its own: a bridge at a chip stays there.
    _r("R51", "10k", "TRIP_OK", "TRIP_A", "keeps a fault of channel A out of B", (BOARD,)),
    _r("R52", "10k", "TRIP_OK", "TRIP_B", "keeps a fault of channel B out of A", (BOARD,)),
    _r("R53", "10k", "RUN_REQ", "RUN_A", "keeps a fault of channel A out of B", (BOARD,)),
    _r("R54", "10k", "RUN_REQ", "RUN_B", "keeps a fault of channel B out of A", (BOARD,)),
    _r("R55", "10k", "POR_N", GND, "cleared without the supervisor, too", (BOARD,)),
    _c("C22", "1n", "TRIP_OK", "takes spikes; slow it must not be", (BOARD,)),
    _xh("J5", "Re-arm", ["REARM_FEED", "REARM_CLK"], "button inside the housing, normally open", (BOARD,)),
    _r("R24", "470", V33, "REARM_FEED", "limits the current of a short", (BOARD,)),
    _r("R25", "2k2", "REARM_CLK", GND, "no edge without the button", (BOARD,)),
    _c("C23", "100n", "REARM_CLK", "bounce and noise are no edges", (BOARD,)),
    _r("R26", "22k", "REARM_CLK", "REARM", "sense; so weak that GP10 as an output cannot re-arm", (BOARD,)),
    Part(
        "Q1",
        "npn",
        "BC547B",
        "BC547BTA",
        {"1": "NRUN", "2": "NRUN_B", "3": GND},
        (BOARD,),
        "Package_TO_SOT_THT:TO-92_Inline_Wide",
        "NRUN = not RUN_REQ: whoever presses re-arm must not start the motor",
    ),
    _r("R27", "47k", "RUN_REQ", "NRUN_B", "base of Q1", (BOARD,)),
    _r("R28", "10k", V33, "NRUN", "collector of Q1", (BOARD,)),
    _c("C24", "100n", V33, "at U1", (BOARD,)),
    _c("C25", "100n", V33, "at U2", (BOARD,)),
    _c("C26", "100n", V33, "at U3", (BOARD,)),
    _c("C27", "100n", V33, "at U4", (BOARD,)),
    # -- panel ----------------------------------------------------------------------------------------
    _xh(
        "J6",
        "Buttons",
        ["STOP_SW", "PLUS_SW", "MINUS_SW", "MODE_SW", GND, GND],
        "STOP closed at rest, others open",
    ),
    _r("R30", "4k7", V33, "STOP_SW", "an open wire reads as pressed"),
    _r("R31", "1k", "STOP_SW", "STOP", "protects the pin"),
    _c("C30", "10n", "STOP", "noise; with R30 and R31 57 us"),
    _r("R32", "1k", "PLUS_SW", "PLUS", "protects the pin; the pull-up is the Pico's"),
    _r("R33", "1k", "MINUS_SW", "MINUS", "protects the pin"),
    _r("R34", "1k", "MODE_SW", "MODE", "protects the pin"),
    _xh(
        "J7",
        "LED, buzzer",
        ["LED_R_A", "LED_G_A", "LED_B_A", GND, "BUZZER_P", GND],
        "RGB LED with common cathode, piezo buzzer without electronics",
    ),
    _r("R35", "470", "LED_R", "LED_R_A", "red, 3 mA"),
    _r("R36", "330", "LED_G", "LED_G_A", "green"),
    _r("R37", "330", "LED_B", "LED_B_A", "blue"),
    _r("R38", "220", "BUZZER", "BUZZER_P", "limits what the piezo's capacitance draws"),
    # -- sensors --------------------------------------------------------------------------------------
    _xh("J8", "Tach", [V33, "TACH_A_SW", "TACH_B_SW", GND], "hall switches, open drain; B may stay open"),
    _r("R40", "10k", V33, "TACH_A_SW", "pull-up"),
    _r("R41", "1k", "TACH_A_SW", "TACH_A", "protects the pin"),
    _c("C40", "1n", "TACH_A", "noise"),
    _r("R42", "10k", V33, "TACH_B_SW", "pull-up"),
    _r("R43", "1k", "TACH_B_SW", "TACH_B", "protects the pin"),
    _xh("J9", "NTC motor", ["NTC_MOTOR", GND], "thermistor 10 kΩ on the motor"),
    _xh("J10", "NTC driver", ["NTC_DRIVER", GND], "thermistor 10 kΩ glued to the driver"),
    _xh("J11", "NTC handle", ["NTC_HANDLE", GND], "thermistor 10 kΩ in the handle"),
    _xh("J12", "NTC pad", ["NTC_PAD", GND], "thermistor 10 kΩ at the pad's seat"),
    _r("R44", "10k", V33, "NTC_MOTOR", "pull-up 1 %"),
    _r("R45", "10k", V33, "NTC_DRIVER", "pull-up 1 %"),
    _r("R46", "10k", V33, "NTC_HANDLE", "pull-up 1 %"),
    _r("R47", "10k", V33, "NTC_PAD", "pull-up 1 %"),
    _c("C44", "100n", "NTC_MOTOR", "noise"),
    _c("C45", "100n", "NTC_DRIVER", "noise"),
    _c("C46", "100n", "NTC_HANDLE", "noise"),
    _c("C47", "100n", "NTC_PAD", "noise"),
    _r("R48", "10k", V33, "REF_HALF", "half the rail, tells whether the ADC can be believed"),
    _r("R49", "10k", "REF_HALF", GND, "half the rail"),
    _c("C48", "100n", "REF_HALF", "noise"),
    _dip(
        "U6",
        "74HC4051",
        "CD74HC4051E",
        {
            "1": "NTC_PAD",
            "2": GND,
            "3": "T_MUX",
            "4": "REF_HALF",
            "5": GND,
            "6": GND,
            "7": GND,
            "8": GND,
            "9": "MUX_S2",
            "10": "MUX_S1",
            "11": "MUX_S0",
            "12": GND,
            "13": "NTC_MOTOR",
            "14": "NTC_DRIVER",
            "15": "NTC_HANDLE",
            "16": V33,
        },
        "thermistors and half the rail onto one ADC input",
    ),
    _c("C49", "100n", V33, "at U6"),
)

Netlist = dict[str, set[tuple[str, str]]]  # net -> (reference, pin number)


def parts(build: str) -> Iterator[Part]:
    """The parts fitted in a build."""
    return (part for part in PARTS if build in part.builds)


def netlist(build: str) -> Netlist:
    """Nets of a build as the design has them."""
    nets: Netlist = {}
    for part in parts(build):
        for number, net in part.nets.items():
            nets.setdefault(net, set()).add((part.ref, number))
    return nets
