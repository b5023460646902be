"""CT of the head without contrast."""

from __future__ import annotations

from surecode.data.sources.synthetic.tables import Condition, Scenario, Unclear, cpt

HEAD = Scenario(
    name="head CT",
    weight=16,
    procedures=(
        cpt("70450", "CT head without contrast", "Noncontrast head CT", "CT brain, no contrast"),
    ),
    principals=(
        Condition(
            values=("I62.01",),
            weight=3,
            integral=("headache",),
            names=("acute subdural hematoma", "acute SDH", "acute subdural hemorrhage"),
            reasons=("New lethargy.", "Acute mental status change."),
            findings=("Hyperdense crescentic convexity collection, {4-12} mm thick.",),
        ),
        Condition(
            values=("I62.03",),
            weight=3,
            integral=("headache",),
            names=("chronic subdural hematoma", "chronic SDH", "chronic subdural hemorrhage"),
            reasons=("Gait decline over weeks.", "Slowly progressive confusion."),
            findings=("Hypodense crescentic convexity collection, {5-15} mm thick.",),
        ),
        Condition(
            values=("R51.9",),
            absence="denied",
            weight=6,
            symptom=True,
            names=("headache", "HA", "cephalgia"),
        ),
    ),
    unclear=(
        Unclear(
            names=("subdural hematoma", "subdural collection"),
            options=(("I62.01", 0.5), ("I62.03", 0.5)),
            reasons=("Altered from baseline.",),
            findings=("Convexity collection of mixed density, {5-12} mm thick.",),
        ),
    ),
    comorbid=(
        Condition(
            values=("J32.9",),
            absence="never",
            resolving=False,
            weight=4,
            names=("chronic sinusitis", "chronic sinus inflammation", "chronic rhinosinusitis"),
        ),
        Condition(
            values=("I67.82",),
            absence="never",
            resolving=False,
            weight=4,
            names=(
                "chronic small vessel ischemia",
                "chronic cerebral ischemia",
                "chronic microvascular ischemia",
            ),
        ),
    ),
    unclear_also=(
        Unclear(
            names=("sinusitis", "sinus disease with air-fluid level"),
            options=(("J32.9", 0.55), ("J01.90", 0.45)),
        ),
    ),
    grey=(
        Condition(
            values=("I67.82",),
            absence="never",
            resolving=False,
            names=("chronic small vessel ischemia", "chronic cerebral ischemia"),
        ),
    ),
    excluded=("acute infarct", "midline shift", "herniation", "intracranial mass"),
    past=("concussion", "meningioma resection", "stroke"),
    family=("brain aneurysm", "stroke"),
    phrases={
        "technique": (
            "Axial 5 mm images, coronal and sagittal reformats.",
            "Helical acquisition without IV contrast.",
        ),
        "normal": (
            "Ventricles and sulci are normal for age.",
            "Basal cisterns are patent.",
            "Mastoid air cells are clear.",
            "Orbits are unremarkable.",
            "Gray-white differentiation is preserved.",
        ),
        "clear": ("No acute intracranial abnormality.", "Unremarkable brain for age."),
    },
)
