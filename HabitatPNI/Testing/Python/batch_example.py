"""Take many cases through a frozen model without a click: in Slicer without its window, or on slicer-core.

    Slicer --no-splash --no-main-window --python-script batch_example.py -- CASES --model NAME --output FOLDER
    python batch_example.py CASES --model NAME --output FOLDER

CASES is a folder with one sub-folder a case, or a cohort table as `habitatpni phantom` writes it. A sub-folder holds
`t2w`, `dwi`, `adc`, if there is one `low_b`, and the outline `roi` or `segmentation`, each as NRRD, NIfTI or MHA (the
outline also as `.seg.nrrd`). Clinical values stand in CASES/clinical.csv (columns `case_id` and the predictors' names), or
in the sub-folder's `case.json`: {"clinical": {"age": 63}, "b_values": {"dwi": 1400}, "roi_segment": "Tumour", "roi_on": "t2w"}.

Prints one line a case and writes FOLDER/results.csv after each. Exit code: 0 every case has its probability, 1 a case
failed or the batch stopped half-way, 2 nothing could be started.
"""

import argparse
import csv
import io
import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))  # last: an installed module or package comes first

from HabitatPNILib.errors import CaseError, HabitatPNIError, MissingDependencyError
from HabitatPNILib.frozen_model import load_model
from HabitatPNILib.storage import check_output_folder, write_text

IMAGES = ("t2w", "dwi", "adc", "low_b")
SUFFIXES = (".nrrd", ".nhdr", ".nii.gz", ".nii", ".mha", ".mhd")
OUTLINES = ("roi", "segmentation")
OPTIONS = ("clinical", "b_values", "roi_segment", "roi_on")
NO_PREDICTORS = {"case_id", "centre", "split", "outcome", "true_probability", "b_dwi", "b_low_b", *IMAGES, "roi", *OPTIONS}
COLUMNS = ("case_id", "probability", "cut_off", "high_risk", "model", "version", "notice", "warnings", "error")
DONE, CASE_FAILED, NOT_STARTED = 0, 1, 2


def main(arguments):
    """Run the batch and return its exit code, whatever happens: in Slicer nothing else would end the process."""
    rows = []
    try:
        options = _parser().parse_args(arguments)
        model = load_model(options.model)
        cases = read_cases(options.cases)
        check_output_folder(options.output)
        run_cases(cases, model, options.output / "results.csv", rows)
    except Exception as error:
        _say(f"batch: {_one_line(error)}", sys.stderr)
        return CASE_FAILED if rows else NOT_STARTED
    failed = sum("error" in row for row in rows)
    _say(f"{len(cases) - failed} of {len(cases)} cases have a probability: {options.output / 'results.csv'}")
    return CASE_FAILED if failed else DONE


def read_cases(path):
    """What is known of each case, by its name: files, clinical values, b-values; a `CaseError` in place of what cannot be read."""
    if path.is_file():
        return _from_table(path)
    if not path.is_dir():
        raise CaseError(f"No folder or table of cases at {path}")
    if (path / "cohort.csv").is_file():
        return _from_table(path / "cohort.csv")
    clinical = _clinical_table(path / "clinical.csv")
    folders = sorted(p for p in path.iterdir() if _is_folder(p) and not p.name.startswith("."))
    if not folders:
        raise CaseError(f"{path} holds no case: give each case a sub-folder with t2w, dwi, adc and roi")
    return {folder.name: _kept(folder.name, _from_folder, folder, clinical.get(folder.name, {})) for folder in folders}


def run_cases(cases, model, results, rows):
    """Take every case through the model: add its row to `rows` and write the table, one case after the other."""
    for case_id, known in cases.items():
        try:
            if isinstance(known, CaseError):
                raise known
            row = _run_case(case_id, known, model)
            _say(f"{case_id}: {float(row['probability']):.4f}")
        except MissingDependencyError:
            raise
        except Exception as error:
            row = {"error": _one_line(error)}
            _say(f"{case_id}: failed: {row['error']}")
        rows.append({"case_id": case_id, "model": model.name, "version": model.version, **row})
        _write_table(rows, results)


def _run_case(case_id, known, model):
    """One case as nodes of a scene through the module's logic."""
    from HabitatPNILib.mrml.logic import HabitatPNILogic, packages_needed

    with packages_needed():
        from HabitatPNILib.imaging.files import read_case_files
        from HabitatPNILib.protocol import Protocol

        diffusion = Protocol.from_dict(dict(model.protocol), f"of model {model.name}").diffusion
    read = read_case_files(**known, case_id=case_id, diffusion=diffusion)
    logic, scene = HabitatPNILogic(), _empty_scene()
    nodes = logic.add_case(read, scene)
    analysis = logic.run(**nodes, model=model, clinical=read.clinical, b_values=read.b_values, case_id=case_id)
    return {
        "probability": f"{analysis.probability:.9f}",
        "cut_off": f"{analysis.cut_off:.9f}",
        "high_risk": int(analysis.high_risk),
        "notice": analysis.notice,
        "warnings": "; ".join(dict.fromkeys((*read.warnings, *analysis.warnings))),
    }


def _empty_scene():
    """Slicer's own scene, emptied; on slicer-core a new one."""
    from HabitatPNILib.mrml.host import slicer

    if hasattr(slicer, "app"):
        slicer.mrmlScene.Clear()
        return slicer.mrmlScene
    from HabitatPNILib.mrml.scene import new_scene

    return new_scene()


def _from_folder(folder, clinical):
    known = {name: found for name in IMAGES if (found := _file(folder, (name,), SUFFIXES))}
    outline = _file(folder, OUTLINES, (".seg.nrrd", *SUFFIXES))
    if outline:
        known["roi"] = outline
    if not known:
        raise CaseError(f"Case {folder.name}: no image in its folder; the files are called t2w, dwi, adc and roi, such as t2w.nrrd")
    extra = _json(folder / "case.json", folder.name)
    return {**known, **extra, "clinical": {**clinical, **extra.get("clinical", {})}}


def _is_folder(path):
    """Whether it is a folder, or may be one: what cannot be looked at is a case that cannot be read."""
    try:
        return path.is_dir()
    except OSError:
        return True


def _file(folder, stems, suffixes):
    found = [path for stem in stems for suffix in suffixes if (path := folder / f"{stem}{suffix}").is_file()]
    if len(found) > 1:
        raise CaseError(f"Case {folder.name}: {found[0].name} and {found[1].name} are both there; keep one of them")
    return found[0] if found else None


def _json(path, case_id):
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CaseError(f"Case {case_id}: case.json cannot be read ({type(error).__name__}); write it as JSON") from error
    unknown = sorted(set(values) - set(OPTIONS)) if isinstance(values, dict) else ["a list"]
    if unknown:
        raise CaseError(f"Case {case_id}: case.json holds {', '.join(unknown)}; it may hold {', '.join(OPTIONS)}")
    if not all(isinstance(values.get(key, {}), dict) for key in ("clinical", "b_values")):
        raise CaseError(f"Case {case_id}: case.json: clinical and b_values are objects, such as {{'age': 63}}")
    return values


def _clinical_table(path):
    if not path.is_file():
        return {}
    return {row["case_id"]: _predictors(row) for row in _rows(path)}


def _from_table(path):
    return {row["case_id"]: _kept(row["case_id"], _from_row, row, path.parent) for row in _rows(path)}


def _from_row(row, folder):
    known = {name: folder / row[name] for name in (*IMAGES, "roi") if row.get(name)}
    known |= {name: row[name] for name in ("roi_segment", "roi_on") if row.get(name)}
    try:
        known["b_values"] = {name: float(row[f"b_{name}"]) for name in ("dwi", "low_b") if row.get(f"b_{name}")}
    except ValueError as error:
        raise CaseError(f"Case {row['case_id']}: a b-value in the table is not a number; give it in s/mm2") from error
    return {**known, "clinical": _predictors(row)}


def _rows(path):
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise CaseError(f"{path.name} is not a readable CSV table; save it as CSV in UTF-8") from error
    names = [row.get("case_id") or "" for row in rows]
    if not rows or not all(names) or len(set(names)) < len(names):
        raise CaseError(f"{path.name}: every row needs a case_id of its own")
    return rows


def _predictors(row):
    return {name: value for name, value in row.items() if name and name not in NO_PREDICTORS and value}


def _kept(case_id, function, *arguments):
    """The result, or the error: one unreadable case must not stop the others."""
    try:
        return function(*arguments)
    except CaseError as error:
        return error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return CaseError(f"Case {case_id}: its files cannot be read ({reason}); check that you may open its folder")


def _one_line(error):
    """What went wrong; an error that nobody foresaw with its type."""
    return str(error) if isinstance(error, HabitatPNIError) else f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"


def _write_table(rows, path):
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())


def _say(line, stream=None):
    print(line, file=stream or sys.stdout, flush=True)


def _parser():
    parser = argparse.ArgumentParser(prog="batch_example.py", description="Take many cases through a frozen model.")
    parser.add_argument("cases", type=Path, help="folder of cases, or a cohort table")
    parser.add_argument("--model", required=True, help="name or folder of a frozen model")
    parser.add_argument("--output", type=Path, required=True, help="folder for results.csv")
    return parser


def _leave(code):
    """End with an exit code: Slicer by way of its own event loop, Python at once."""
    slicer = sys.modules.get("slicer")
    if hasattr(slicer, "app"):
        slicer.util.exit(code)
    else:
        sys.exit(code)


if __name__ == "__main__":
    try:
        code = main(sys.argv[2:] if sys.argv[1:2] == ["--"] else sys.argv[1:])
    except SystemExit as stop:  # argparse has said what is wrong
        code = stop.code
    _leave(code)
