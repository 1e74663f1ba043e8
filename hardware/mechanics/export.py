"""Writes the solids: STEP of the whole, STL of printed parts as they lie on the bed, pictures."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path
from typing import Any

import cadquery as cq

from hardware.mechanics import parts
from hardware.mechanics.assembly import place
from hardware.mechanics.parts import Solid
from hardware.mechanics.sizes import Sizes

HERE = Path(__file__).resolve().parent
FINE, ANGLE = 0.08, 0.35  # of the meshes: mm and rad
COLOURS = {
    "steel": (0.55, 0.57, 0.60), "brass": (0.80, 0.62, 0.25), "magnet": (0.25, 0.25, 0.28),
    "petg": (0.20, 0.50, 0.75), "pc": (0.35, 0.35, 0.38), "asa": (0.88, 0.87, 0.84),
    "silicone": (0.85, 0.40, 0.35), "bought": (0.70, 0.72, 0.75),
}  # fmt: skip
EXPLODED = {  # how far each is moved along z; the halves are left out
    "silicone": -75, "pad": -55, "carriage": -30, "strips": -30, "rods": -12, "bearing": 2,
    "eccentric": 14, "grub_screw": 26, "counterweight": 26, "magnet": 34, "mount": 40, "motor": 70,
    "saddle": 105,
}  # fmt: skip


def write(s: Sizes, solids: dict[str, Solid], folder: Path = HERE) -> list[Path]:
    """All files; their paths."""
    (folder / "stl").mkdir(parents=True, exist_ok=True)
    written = [_step(solids, folder / "massager.step")]
    for name in parts.PRINTED:
        path = folder / "stl" / f"{name}.stl"
        parts.on_bed(name, solids[name]).val().exportStl(str(path), FINE, ANGLE, relative=False)
        written.append(path)
    return written + pictures(s, solids, folder / "pictures")


def _step(solids: dict[str, Solid], path: Path) -> Path:
    assembly = cq.Assembly(name="massager")
    for name, solid in solids.items():
        assembly.add(solid, name=name, color=cq.Color(*_colour(name)))
    assembly.export(str(path))
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"'\d{4}-\d\d-\d\dT[\d:]+'", "'2026-01-01T00:00:00'", text), encoding="utf-8")
    return path


def _colour(name: str) -> tuple[float, float, float]:
    return COLOURS[parts.MATERIAL.get(name, "bought")]


# -- pictures -----------------------------------------------------------------------------------------------


def pictures(s: Sizes, solids: dict[str, Solid], folder: Path) -> list[Path]:
    """Whole, open, the mechanism alone at two crank angles, exploded, and the printed parts on the bed."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = place(s, solids, 0.0)
    open_ = {name: solid for name, solid in whole.items() if name != "handle_right"}
    apart = {n: solid.translate((0, 0, EXPLODED[n])) for n, solid in solids.items() if n in EXPLODED}
    scenes: dict[str, tuple[dict[str, Solid], tuple[float, float, float]]] = {
        "massager": (whole, (0.9, -1.6, 0.7)),
        "open": (open_, (0.35, -1.8, 0.35)),
        "mechanism": (_mechanism(s, solids), (0.5, -1.6, 0.9)),
        "exploded": (apart, (1.0, -1.9, 0.4)),
        "printing": (_bed(solids), (0.3, -1.2, 1.3)),
    }
    written = []
    for name, (shown, eye) in scenes.items():
        path = folder / f"{name}.png"
        _render(shown, eye, path)
        written.append(path)
    return written


def _mechanism(s: Sizes, solids: dict[str, Solid]) -> dict[str, Solid]:
    """Without housing, motor and mount: the crank at 0; at a quarter turn, the counterweight taken off."""
    shown = {}
    names = {*parts.ROTOR, *parts.MOVING, "rods"}
    for n, hidden in enumerate((set(), {"counterweight", "magnet", "grub_screw"})):
        now = place(s, solids, n * math.pi / 2)
        shown |= {f"{name}:{n}": now[name].translate((110 * n, 0, 0)) for name in sorted(names - hidden)}
    return shown


def _bed(solids: dict[str, Solid]) -> dict[str, Solid]:
    """The printed parts side by side as they are printed."""
    places = {"handle_left": (0, 70), "handle_right": (0, -70), "pad": (-20, 180), "carriage": (70, 180)}
    places |= {"mount": (135, 180), "saddle": (195, 180)}
    shown = {}
    for name, (x, y) in places.items():
        solid = parts.on_bed(name, solids[name])
        box = solid.val().BoundingBox()
        shown[name] = solid.translate((x - (0 if "handle" in name else box.center.x), y - box.center.y, 0))
    return shown


def _render(shown: dict[str, Solid], eye: tuple[float, float, float], path: Path) -> None:
    import vtkmodules.all as vtk

    renderer = vtk.vtkRenderer()
    renderer.SetBackground(1, 1, 1)
    for name, solid in shown.items():
        plain = name.partition(":")[0]
        mapper = vtk.vtkPolyDataMapper()
        mapper.SetInputData(_mesh(solid))
        actor = vtk.vtkActor()
        actor.SetMapper(mapper)
        actor.GetProperty().SetColor(*_colour(plain))
        actor.GetProperty().SetSpecular(0.15)
        renderer.AddActor(actor)
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(8)
    window.SetSize(1100, 760)
    window.AddRenderer(renderer)
    camera = renderer.GetActiveCamera()
    camera.SetParallelProjection(1)
    camera.SetPosition(*eye)
    camera.SetFocalPoint(0, 0, 0)
    camera.SetViewUp(0, 0, 1)
    renderer.ResetCameraScreenSpace(0.95)
    window.Render()
    image = vtk.vtkWindowToImageFilter()
    image.SetInput(window)
    image.ReadFrontBufferOff()
    writer = vtk.vtkPNGWriter()
    writer.SetFileName(str(path))
    writer.SetInputConnection(image.GetOutputPort())
    writer.Write()


def _mesh(solid: Solid) -> Any:
    """Its STL as polygons, with edges left sharp."""
    import vtkmodules.all as vtk

    reader, normals = vtk.vtkSTLReader(), vtk.vtkPolyDataNormals()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "part.stl")
        solid.val().exportStl(path, FINE, ANGLE, relative=False)
        reader.SetFileName(path)
        normals.SetInputConnection(reader.GetOutputPort())
        normals.SetFeatureAngle(30)
        normals.Update()
    return normals.GetOutput()
