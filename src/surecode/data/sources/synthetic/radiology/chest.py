"""The plain film of the chest."""

from __future__ import annotations

from surecode.data.sources.synthetic.radiology.incidental import AORTA
from surecode.data.sources.synthetic.tables import UNCODED, Condition, Scenario, Unclear, cpt

CHEST = Scenario(
    name="chest film",
    weight=42,
    procedures=(
        cpt(
            "71046",
            "Chest x-ray, two views",
            "XR chest, PA and lateral",
            "Frontal and lateral chest film",
        ),
    ),
    principals=(
        Condition(
            values=("J18.9",),
            weight=9,
            integral=("cough", "shortness of breath"),
            names=("pneumonia", "infectious pneumonia", "community-acquired pneumonia", "PNA"),
            bare=("pneumonia", "PNA"),
            reasons=("Fever and rigors for {2-5} days.", "Crackles at the base on auscultation."),
            findings=(
                "Focal airspace opacity in the lower lobe with air bronchograms.",
                "Patchy consolidation measuring {2.0-5.5} cm in the middle lobe.",
            ),
        ),
        Condition(
            values=("J90",),
            weight=6,
            integral=("shortness of breath", "cough"),
            names=(
                "pleural effusion",
                "small pleural effusion",
                "pleurisy with effusion",
                "encysted pleurisy",
            ),
            reasons=("Dullness to percussion at the base.", "Decreased breath sounds."),
            findings=(
                "Blunting of the costophrenic angle with a fluid meniscus.",
                "Dependent pleural fluid, depth about {1.0-4.0} cm.",
            ),
        ),
        Condition(
            values=("J98.11",),
            weight=5,
            integral=("shortness of breath",),
            names=("atelectasis", "subsegmental atelectasis", "bibasilar atelectasis"),
            reasons=("Low saturation after bed rest.", "Shallow breathing."),
            findings=("Linear basal densities with volume loss.", "Low lung volumes."),
        ),
        Condition(
            values=("R91.1",),
            weight=4,
            names=(
                "solitary pulmonary nodule",
                "single pulmonary nodule",
                "SPN",
                "coin lesion of the lung",
            ),
            reasons=("Abnormal outside film.", "Density on outside film."),
            findings=(
                "Well-circumscribed {6-14} mm rounded focus in the upper lobe.",
                "{6-14} mm rounded focus projecting over the {4-7}th posterior rib.",
            ),
        ),
        Condition(
            values=("R05.9",),
            absence="denied",
            weight=7,
            symptom=True,
            names=("cough", "persistent cough", "nagging cough"),
        ),
        Condition(
            values=("R06.02",),
            absence="denied",
            weight=4,
            symptom=True,
            names=("shortness of breath", "SOB", "breathlessness"),
        ),
    ),
    unclear=(
        Unclear(
            names=("basilar airspace disease",),
            options=(("J18.9", 0.5), ("J98.11", 0.5)),
            reasons=("Low saturation.",),
            findings=("Ill-defined basal density.",),
        ),
        Unclear(
            names=("nodular density in the upper lobe",),
            options=(("R91.1", 0.55), ("R91.8", 0.45)),
            reasons=("Abnormal outside film.",),
            findings=("Indistinct {8-15} mm focus.",),
        ),
    ),
    comorbid=(
        Condition(
            values=("J44.9",),
            absence="never",
            resolving=False,
            weight=5,
            names=(
                "COPD",
                "chronic obstructive pulmonary disease",
                "chronic obstructive lung disease",
                "chronic obstructive airway disease",
            ),
        ),
        Condition(
            values=("I50.9",),
            absence="never",
            resolving=False,
            weight=4,
            names=("congestive heart failure", "CHF", "heart failure", "congestive heart disease"),
        ),
        AORTA,
    ),
    unclear_also=(
        Unclear(
            names=("pulmonary vascular prominence", "cephalization of the vessels"),
            options=(("I50.9", 0.5), (UNCODED, 0.5)),
        ),
    ),
    grey=(AORTA,),
    excluded=("pneumothorax", "rib fracture", "mediastinal widening"),
    past=("tuberculosis", "lung cancer", "COVID-19"),
    family=("lung cancer", "COPD"),
    phrases={
        "technique": ("Upright PA and lateral projections.", "Two projections obtained."),
        "normal": (
            "Cardiomediastinal silhouette is within normal limits.",
            "Trachea is midline.",
            "Osseous structures are intact.",
            "Hila are unremarkable.",
            "Visualized upper abdomen is unremarkable.",
            "Median sternotomy wires are in place.",
        ),
        "clear": ("Lungs are clear.", "No acute cardiopulmonary process."),
    },
)
