"""Complaints of the chest."""

from __future__ import annotations

from surecode.data.sources.synthetic.emergency.chronic import ABBREVIATED, COMORBID, HYPERTENSION
from surecode.data.sources.synthetic.emergency.treatments import CEFTRIAXONE
from surecode.data.sources.synthetic.tables import Condition, Scenario, Unclear

CHEST = Scenario(
    name="chest",
    weight=30,
    principals=(
        Condition(
            values=("J18.9",),
            weight=5,
            integral=("chest pain",),
            names=("pneumonia", "community-acquired pneumonia", "CAP", "infectious pneumonia"),
            reasons=("fever and productive sputum for {2-5} days", "chills and feeling winded"),
            findings=(
                "T {100.6-103.1} F, SpO2 {90-94}% RA, crackles at the base.",
                "Film shows a lobar infiltrate.",
            ),
            plans=("Discharged on doxycycline.", "Oral antibiotics for {5-7} days."),
            orders=((CEFTRIAXONE, 0.6),),
        ),
        Condition(
            values=("J44.1",),
            absence="never",
            resolving=False,
            weight=4,
            names=(
                "COPD exacerbation",
                "acute exacerbation of COPD",
                "AECOPD",
                "decompensated COPD",
            ),
            reasons=("worsening dyspnea and sputum", "trouble breathing for two days"),
            findings=("SpO2 {88-92}% RA, diffuse wheezes, pursed-lip breathing.",),
            plans=("Prednisone 40 mg for 5 days, duonebs with relief.",),
        ),
        Condition(
            values=("J45.901",),
            resolving=False,
            weight=3,
            names=("asthma exacerbation", "acute asthma exacerbation", "asthma flare"),
            reasons=("wheezing since last night", "tight chest, inhaler not helping"),
            findings=("SpO2 {93-96}% RA, expiratory wheezes, peak flow {180-260}.",),
            plans=("Albuterol x{2-4} with relief, prednisone taper.",),
        ),
        Condition(
            values=("R07.9",),
            absence="denied",
            weight=5,
            symptom=True,
            names=("chest pain", "CP", "acute chest pain"),
            reasons=("pressure in the chest for {2-6} hours",),
            findings=("Chest wall non-tender. Troponin <0.01 x2, ECG normal sinus rhythm.",),
            plans=("HEART score {1-3}, outpatient stress test.",),
        ),
    ),
    unclear=(
        Unclear(
            names=("acute exacerbation of airway disease", "reactive airway flare"),
            options=(("J44.1", 0.5), ("J45.901", 0.5)),
            reasons=("trouble breathing", "wheezing and dyspnea"),
            findings=("SpO2 {91-95}% RA, expiratory wheezes.",),
            plans=("Nebulizers with relief, steroid burst.",),
        ),
    ),
    comorbid=COMORBID,
    unclear_also=ABBREVIATED,
    grey=(HYPERTENSION,),
    past=("lung cancer", "tuberculosis", "COVID-19"),
    family=("hypertension", "heart attack"),
    excluded=("pulmonary embolism", "PE", "ACS", "pneumothorax"),
)
