"""Parts: each function returns one solid in its place, the crank toward +x and the carriage in mid-travel.

Needs CadQuery (`make mechanics`). Lengths in mm; the frame is that of `sizes`.
"""

from __future__ import annotations

import cadquery as cq

from hardware.mechanics.sizes import Sizes

Solid = cq.Workplane
M3 = 3.4  # clearance hole


def box(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> Solid:
    """A box between two planes each way."""
    size = (x[1] - x[0], y[1] - y[0], z[1] - z[0])
    return cq.Workplane().box(*size, centered=False).translate((x[0], y[0], z[0]))


def rod(axis: str, length: float, diameter: float, at: tuple[float, float, float]) -> Solid:
    """A cylinder that begins at `at` and goes along "X", "Y" or "Z"."""
    plane = {"X": "YZ", "Y": "XZ", "Z": "XY"}[axis]
    signed = -length if axis == "Y" else length  # the normal of plane XZ is -y
    return cq.Workplane(plane).circle(diameter / 2).extrude(signed).translate(at)


def _octagon(plane: str, half_u: float, half_v: float, chamfer: float, length: float) -> Solid:
    u, v, c = half_u, half_v, chamfer
    corners = [
        (u - c, v),
        (u, v - c),
        (u, c - v),
        (u - c, -v),
        (c - u, -v),
        (-u, c - v),
        (-u, v - c),
        (c - u, v),
    ]
    return cq.Workplane(plane).polyline(corners).close().extrude(length)


# -- the rotor ----------------------------------------------------------------------------------------------


def eccentric(s: Sizes) -> Solid:
    """Collar on the shaft, shoulder, and the journal of the bearing, off by the crank's radius toward +x."""
    e = s.stroke
    journal = rod("Z", s["bearing.width"], s["bearing.bore_d"], (e, 0, s.bearing_z))
    shoulder = rod(
        "Z", s["eccentric.shoulder_t"], s["eccentric.shoulder_d"], (e, 0, s.bearing_z + s["bearing.width"])
    )
    collar = rod("Z", s["counterweight.thickness"], s["eccentric.collar_d"], (0, 0, s.counter_z))
    bore = rod("Z", 60, s["motor.shaft_d"], (0, 0, s.bearing_z - 20))
    return journal.union(shoulder).union(collar).cut(bore).cut(grub_screw(s))


def counterweight(s: Sizes) -> Solid:
    """A ring around the collar and a half ring opposite the crank; the tach's magnet sits in its uppe"""
    z, t = s.counter_z, s["counterweight.thickness"]
    half = rod("Z", t, 2 * s["counterweight.outer_r"], (0, 0, z)).intersect(
        box((-50, 0), (-50, 50), (z, z + t))
    )
    ring = rod("Z", t, 2 * s["counterweight.collar_r"], (0, 0, z))
    bore = rod("Z", t, s["eccentric.collar_d"], (0, 0, z))
    return half.union(ring).cut(bore).cut(grub_screw(s)).cut(magnet(s))


def grub_screw(s: Sizes) -> Solid:
    """M3 from the counterweight's rim onto the shaft, on the crank's side."""
    start, end = s["motor.shaft_d"] / 2, s["counterweight.collar_r"]
    z = s.counter_z + s["counterweight.thickness"] / 2
    return rod("X", end - start, s["eccentric.grub_d"], (start, 0, z)).cut(
        rod("Z", 60, s["motor.shaft_d"], (0, 0, z - 30))
    )


def magnet(s: Sizes) -> Solid:
    """The tach's magnet."""
    top = s.counter_z + s["counterweight.thickness"]
    t = s["sensors.magnet_t"]
    return rod("Z", t, s["sensors.magnet_d"], (-s["counterweight.magnet_r"], 0, top - t))


def bearing(s: Sizes) -> Solid:
    """The bearing on the journal, as a plain ring."""
    at = (s.stroke, 0, s.bearing_z)
    outer = rod("Z", s["bearing.width"], s["bearing.outer_d"], at)
    return outer.cut(rod("Z", s["bearing.width"], s["bearing.bore_d"], at))


# -- what reciprocates --------------------------------------------------------------------------------------


def silicone(s: Sizes) -> Solid:
    """The pad's facing."""
    return _slab(s, 0, s["pad.silicone_t"])


def pad(s: Sizes) -> Solid:
    """The pad's plate: countersunk holes from below, and from above the seat of its NTC at the silicone."""
    plate = _slab(s, s["pad.silicone_t"], s["pad.plate_t"])
    top = s.pad_top
    for x, y in _pad_screws(s):
        plate = plate.cut(rod("Z", 10, M3, (x, y, top - 10)))
        head = cq.Workplane("XY").circle(s["handle.head_d"] / 2).workplane(offset=1.9).circle(M3 / 2).loft()
        plate = plate.cut(head.translate((x, y, s["pad.silicone_t"])))
    return plate.cut(
        rod("Z", s["pad.plate_t"] - 0.8, s.seat("sensors.ntc_d"), (0, 0, s["pad.silicone_t"] + 0.8))
    )


def carriage(s: Sizes) -> Solid:
    """Two rails on the rods, two webs that carry the pad, and above them the yoke with the bearing's slot."""
    half, w, h = s["carriage.length"] / 2, s["carriage.rail_w"], s["carriage.rail_h"]
    y, z, top = s["guide.rod_y"], s.pad_top, s.yoke_z + s["carriage.yoke_t"]
    body = box((-half, half), (-y - w / 2, y + w / 2), (s.yoke_z, top))
    for side in (-1, 1):
        body = body.union(box((-half, half), (side * y - w / 2, side * y + w / 2), (z, z + h)))
        web = sorted((side * half, side * (half - s["carriage.web_x"])))
        body = body.union(box((web[0], web[1]), (-y, y), (z, z + s["carriage.web_h"])))
    for side in (-1, 1):  # bushings at the ends, air between them
        body = body.cut(rod("X", 2 * half, s["guide.bushing_d"], (-half, side * y, s.rod_z)))
    x, ends = s.slot_x, s["carriage.slot_y"] / 2
    body = body.cut(box((-x, x), (-ends, ends), (s.yoke_z, top)))
    for x, y in _pad_screws(s):
        body = body.cut(rod("Z", s["carriage.web_h"] - 1.0, s["handle.insert_d"], (x, y, z)))
    return body


def strips(s: Sizes) -> Solid:
    """The two spring-steel strips of the slot."""
    inner, t, ends = s.slot_x - s["carriage.strip_t"], s["carriage.strip_t"], s["carriage.slot_y"] / 2
    z = (s.bearing_z, s.bearing_z + s["bearing.width"])
    return box((inner, inner + t), (-ends, ends), z).union(box((-inner - t, -inner), (-ends, ends), z))


def _slab(s: Sizes, z: float, thickness: float) -> Solid:
    slab = cq.Workplane().rect(s["pad.length"], s["pad.width"]).extrude(thickness)
    return slab.edges("|Z").fillet(s["pad.corner_r"]).translate((0, 0, z))


def _pad_screws(s: Sizes) -> list[tuple[float, float]]:
    x = (s["carriage.length"] - s["carriage.web_x"]) / 2
    return [(sx * x, sy * 5.0) for sx in (-1, 1) for sy in (-1, 1)]


# -- what stands still --------------------------------------------------------------------------------------


def mount(s: Sizes) -> Solid:
    """Plate under the motor's face, two end walls that hold the guide rods, and the hall switch's seat."""
    x, y, z = s["mount.half_x"], s["mount.half_y"], s.plate_z
    body = box((-x, x), (-y, y), (z, s.face_z))
    for side in (-1, 1):
        wall = sorted((side * s.end_x, side * x))
        body = body.union(box((wall[0], wall[1]), (-y + 1.7, y - 1.7), (s.skirt_z, z)))
        body = body.cut(rod("X", 2 * x, s["guide.rod_d"], (-x, side * s["guide.rod_y"], s.rod_z)))
        body = body.cut(rod("Z", 20, M3, (0, side * s["motor.screws_d"] / 2, z - 5)))
    body = body.cut(rod("Z", 20, s.seat("motor.boss_d"), (0, 0, z - 5)))
    body = body.cut(box((0, 2 * x), (-4, 4), (s.skirt_z, s.rod_z + 3)))  # the pad's NTC leaves here
    w, h = s.seat("sensors.hall_w"), s.seat("sensors.hall_h")
    r, t = s["counterweight.magnet_r"], s.seat("sensors.hall_t")
    seat = box((-r - h / 2, -r + h / 2), (-w / 2, w / 2), (z, z + t))
    leads = box((-r - h / 2 - 2.5, -r - h / 2), (-w / 2, w / 2), (z - 1, s.face_z + 1))
    return body.cut(seat).cut(leads)


def rods(s: Sizes) -> Solid:
    """The two guide rods, flush with the mount."""
    x = s["mount.half_x"]
    one, two = (rod("X", 2 * x, s["guide.rod_d"], (-x, side * s["guide.rod_y"], s.rod_z)) for side in (-1, 1))
    return one.union(two)


def motor(s: Sizes) -> Solid:
    """The motor: can, boss, shaft, room of its terminals not included."""
    can = rod("Z", s["motor.can_l"], s["motor.can_d"], (0, 0, s.face_z))
    boss = rod("Z", s["motor.boss_l"], s["motor.boss_d"], (0, 0, s.face_z - s["motor.boss_l"]))
    return can.union(boss).union(rod("Z", s["motor.shaft_l"], s["motor.shaft_d"], (0, 0, s.shaft_z)))


def saddle(s: Sizes) -> Solid:
    """Ring on the can; toward the grip it is thicker and presses NTC and thermal cut-off onto the can."""
    z, h = s.saddle_z, s["saddle.height"]
    ring = rod("Z", h, 2 * s.saddle_r, (0, 0, z)).union(box((10, s.saddle_r + 4), (-9, 9), (z, z + h)))
    ring = ring.cut(rod("Z", h, 2 * s.can_seat_r, (0, 0, z)))
    r = s["motor.can_d"] / 2
    for name, y in (("sensors.ntc_d", -4.5), ("sensors.cutoff_d", 4.0)):
        d = s.seat(name)
        x = (r**2 - y**2) ** 0.5
        ring = ring.cut(box((x - 2, x + d), (y - d / 2, y + d / 2), (z, z + h)))
    return ring


def handle(s: Sizes, side: int) -> Solid:
    """One half of the housing: head around motor and mechanism, grip, seats. side: 1 (y > 0, inserts), -1."""
    shell = _outer(s).cut(_inner(s)).union(_inside(s).intersect(_outer(s)))
    outer, y = _outer(s), s["handle.half_y"]
    for x, z, _ in _bosses(s):
        shell = shell.union(rod("Y", 2 * y, 2 * s["handle.boss_r"], (x, -y, z)).intersect(outer))
    shell = shell.cut(_holes(s))
    for x, z, screw in _bosses(s):
        head = rod("Y", y - screw + 5, s["handle.head_d"], (x, -y, z))  # the screw goes 5 mm into its insert
        shell = shell.cut(rod("Y", y, M3, (x, -y, z))).cut(head)
        shell = shell.cut(rod("Y", 8.0, s["handle.insert_d"], (x, 0, z)))
    far = 400
    return shell.intersect(box((-far, far), (0, far) if side > 0 else (-far, 0), (-far, far)))


def _outer(s: Sizes) -> Solid:
    head = _octagon(
        "XY", s["handle.head_x"], s["handle.half_y"], s["handle.head_chamfer"], s.top_z - s.skirt_z
    )
    grip = _octagon("YZ", s["handle.half_y"], s["handle.grip_h"] / 2, s["handle.grip_chamfer"], s.grip_end_x)
    return head.translate((0, 0, s.skirt_z)).union(grip.translate((0, 0, s.grip_z)))


def _inner(s: Sizes) -> Solid:
    t = s["handle.wall_t"]
    cut = t * (2 - 2**0.5)  # a chamfer's leg shrinks by this, so that the wall is as thick there
    head = _octagon(
        "XY", s["handle.head_x"] - t, s.inner_y, s["handle.head_chamfer"] - cut, s.top_z - t - s.skirt_z
    )
    grip = _octagon(
        "YZ", s.inner_y, s["handle.grip_h"] / 2 - t, s["handle.grip_chamfer"] - cut, s.grip_end_x - t
    )
    return head.translate((0, 0, s.skirt_z)).union(grip.translate((0, 0, s.grip_z)))


def _inside(s: Sizes) -> Solid:
    """Ledges that clamp the mount, ribs around motor and cable, seats of the handle's NTC and thermostat."""
    y, t, rib = s.inner_y, s["fit.seat"], s["handle.rib_t"]
    low, high = s.plate_z - t, s.face_z + t
    body = box((-22, 22), (-y, y), (low - 3, low)).cut(box((-22, 22), (3 - y, y - 3), (low - 3, low)))
    for side in (-1, 1):
        corner = sorted((side * 22, side * s["mount.half_x"]))
        upper = box((corner[0], corner[1]), (-y, y), (high, high + 3))
        body = body.union(upper.cut(box((-99, 99), (3 - y, y - 3), (high, high + 3))))
    for z in (s.saddle_z - t - rib, s.saddle_z + s["saddle.height"] + t):
        ring = box((-24, 24), (-y, y), (z, z + rib)).cut(rod("Z", rib, 2 * s.can_seat_r, (0, 0, z)))
        body = body.union(ring)
    end, z = s.grip_end_x, s.grip_z
    for n, x in enumerate((end - 30, end - 22, end - 14)):
        shift = 1.5 if n % 2 else -1.5
        clamp = box((x, x + rib), (-y, y), (z - 9, z + 9))
        body = body.union(clamp.cut(rod("X", rib, s.clamp_d, (x, 0, z + shift))))
    d = s.seat("sensors.ntc_d")
    at = s["handle.head_x"] + 60
    ntc = box((at - 4.5, at + 4.5), (y - 2.5, y), (z - 4.5, z + 4.5))
    body = body.union(ntc.cut(rod("Y", 2.5, d, (at, y - 2.5, z))))
    long, wide, high = (s.seat(f"sensors.thermostat_{side}") for side in "lwh")
    x = s["handle.head_x"] + 14
    frame = box((x - 1.6, x + long + 1.6), (y - high, y), (z - wide / 2 - 1.6, z + wide / 2 + 1.6))
    lead = box((x - 5, x + long + 5), (y - high, y), (z - 1.5, z + 1.5))
    return body.union(frame.cut(box((x, x + long), (y - high, y), (z - wide / 2, z + wide / 2))).cut(lead))


def _holes(s: Sizes) -> Solid:
    """STOP in the grip's top, three buttons and the light in its right side, the cable at its end."""
    x, y, z = s["handle.head_x"], s["handle.half_y"], s.grip_z
    holes = rod("Z", s["handle.grip_h"], s.seat("sensors.stop_d"), (x + 20, 0, z))
    for n in range(3):
        holes = holes.union(rod("Y", 5, s.seat("sensors.button_d"), (x + 42 + 14 * n, -y - 1, z)))
    holes = holes.union(rod("Y", 5, s.seat("sensors.led_d"), (x + 20, -y - 1, z)))
    return holes.union(rod("X", 10, s.seat("sensors.cable_d"), (s.grip_end_x - 5, 0, z)))


def _bosses(s: Sizes) -> list[tuple[float, float, float]]:
    """(x, z, length) of the screws that hold the halves together; shorter where the grip is chamfered."""
    x, r = s["handle.head_x"] - s["handle.wall_t"] - s["handle.boss_r"], s["handle.boss_r"]
    low, high = (s.grip_z + sign * (s["handle.grip_h"] / 2 - s["handle.wall_t"] - r) for sign in (-1, 1))
    head = [(side * x, z) for side in (-1, 1) for z in (s.skirt_z + 6, s.top_z - s["handle.wall_t"] - r)]
    end = s.grip_end_x - s["handle.wall_t"] - r
    grip = [(s["handle.head_x"] + 42, low), (end, low), (end, high)]
    return [(x, z, 25.0) for x, z in [*head, (-x, s.grip_z)]] + [(x, z, 16.0) for x, z in grip]


ROTOR = {
    "eccentric": eccentric,
    "counterweight": counterweight,
    "bearing": bearing,
    "grub_screw": grub_screw,
    "magnet": magnet,
}
MOVING = {"silicone": silicone, "pad": pad, "carriage": carriage, "strips": strips}
STILL = {"mount": mount, "rods": rods, "motor": motor, "saddle": saddle}
HALVES = {"handle_left": 1, "handle_right": -1}
MATERIAL = {
    "eccentric": "steel", "counterweight": "brass", "grub_screw": "steel", "magnet": "magnet",
    "silicone": "silicone", "pad": "petg", "carriage": "petg", "strips": "steel",
    "mount": "pc", "rods": "steel", "saddle": "pc", "handle_left": "asa", "handle_right": "asa",
}  # fmt: skip
# Printed parts: the turn (axis, degrees) that lays each on the printer's bed.
PRINTED = {
    "pad": ("X", 0),
    "carriage": ("X", 180),
    "mount": ("X", 180),
    "saddle": ("X", 0),
    "handle_left": ("X", -90),
    "handle_right": ("X", 90),
}


def build(s: Sizes) -> dict[str, Solid]:
    """Every part by name."""
    solids = {name: make(s) for name, make in (ROTOR | MOVING | STILL).items()}
    return solids | {name: handle(s, side) for name, side in HALVES.items()}


def on_bed(name: str, solid: Solid) -> Solid:
    """A printed part as it lies on the bed: its lowest face at z = 0."""
    axis, degrees = PRINTED[name]
    turned = solid.rotate((0, 0, 0), (1, 0, 0) if axis == "X" else (0, 1, 0), degrees)
    return turned.translate((0, 0, -turned.val().BoundingBox().zmin))
