"""Surgical pathology, professional billing: colon, stomach, skin, breast and gallbladder."""

from __future__ import annotations

from surecode.data.sources.synthetic.case import Case
from surecode.data.sources.synthetic.pen import Pen
from surecode.data.sources.synthetic.tables import (
    Condition,
    Distractions,
    Scenario,
    Specialty,
    Unclear,
    cpt,
    side_left_out,
)

_BIOPSY = cpt(
    "88305", "biopsy, routine sections", "tissue for routine histology", "surgical path, biopsy"
)
_ORGAN = cpt("88304", "gallbladder, routine sections", "cholecystectomy specimen, routine")
_STAIN = cpt("88342", "single-antibody immunostain", "IHC, one antibody")

_PROLAPSE = Condition(
    values=("K64.8",),
    names=("internal hemorrhoids", "prolapsed hemorrhoids", "internal hemorrhoidal tissue"),
    absence="never",
    resolving=False,
)
_COLON = Scenario(
    name="colon",
    weight=32,
    procedures=(_BIOPSY,),
    principals=(
        Condition(
            values=("K63.5",),
            absence="never",
            weight=6,
            names=("hyperplastic polyp", "hyperplastic colonic polyp", "benign polyp of colon"),
            findings=("Serrated surface crypts with straight bases.",),
        ),
        Condition(
            values=("D12.2",),
            weight=4,
            names=("tubular adenoma, ascending colon", "ascending colon adenoma"),
            absence="never",
            bare=("ascending colon adenoma",),
            findings=("Crypts with pencillate nuclei.",),
        ),
        Condition(
            values=("D12.3",),
            weight=3,
            names=(
                "tubular adenoma, transverse colon",
                "transverse colon adenoma",
                "tubular adenoma, hepatic flexure",
            ),
            absence="never",
            bare=("transverse colon adenoma",),
            findings=("Crypts with pencillate nuclei.",),
        ),
        Condition(
            values=("D12.5",),
            weight=5,
            names=("tubular adenoma, sigmoid colon", "sigmoid adenoma"),
            absence="never",
            bare=("sigmoid adenoma",),
            findings=("Crowded crypts with pseudostratified nuclei.",),
        ),
    ),
    unclear=(
        Unclear(
            names=("tubular adenoma", "adenomatous polyp"),
            options=(("D12.5", 0.5), ("D12.2", 0.3), ("D12.3", 0.2)),
            findings=("Crypts with pencillate nuclei.",),
        ),
    ),
    comorbid=(_PROLAPSE,),
    unclear_also=(
        Unclear(names=("IBD", "quiescent IBD"), options=(("K51.90", 0.5), ("K50.90", 0.5))),
    ),
    grey=(_PROLAPSE,),
    excluded=("high-grade dysplasia", "invasive carcinoma", "lymphoma"),
    past=("colon cancer", "appendectomy"),
    family=("colon cancer", "polyposis"),
    phrases={
        "specimen": ("Colon, polypectomy", "Large bowel polyp, snare"),
        "history": ("Polypectomy at colonoscopy.", "Altered bowel habit."),
        "gross": (
            "Received in formalin, {2-4} tan soft fragments, {0.3-0.9} cm in aggregate.",
            "One tan polypoid piece, {0.4-1.2} x {0.3-0.6} x {0.2-0.4} cm.",
        ),
        "micro": ("Lamina propria is unremarkable.", "Multiple levels examined.", "Margins free."),
    },
)
_METAPLASIA = Condition(
    values=("K31.A0",),
    weight=2,
    names=("intestinal metaplasia", "gastric intestinal metaplasia"),
)
_STOMACH = Scenario(
    name="stomach",
    weight=22,
    procedures=(_BIOPSY,),
    principals=(
        Condition(
            values=("K29.50",),
            weight=6,
            names=(
                "chronic gastritis",
                "chronic inactive gastritis",
                "chronic antral gastritis",
            ),
            findings=("Lymphoplasmacytic infiltrate of the lamina propria.",),
        ),
        Condition(
            values=("K29.00",),
            weight=3,
            names=("acute gastritis", "acute erosive gastritis, not bleeding"),
            findings=("Neutrophils in the surface epithelium with edema.",),
        ),
    ),
    unclear=(
        Unclear(
            names=("gastritis", "gastritis with mixed infiltrate"),
            options=(("K29.50", 0.55), ("K29.00", 0.45)),
            findings=("Inflammatory infiltrate of the lamina propria.",),
        ),
    ),
    comorbid=(
        Condition(
            values=("B96.81",),
            weight=4,
            names=("H. pylori", "Helicobacter pylori", "H. pylori organisms"),
            orders=((_STAIN, 0.6),),
        ),
        _METAPLASIA,
    ),
    unclear_also=(Unclear(names=("HP", "HP present"), options=(("B96.81", 0.5), ("K31.7", 0.5))),),
    grey=(_METAPLASIA,),
    excluded=("dysplasia", "malignancy", "celiac disease"),
    past=("gastric ulcer", "cholecystectomy"),
    family=("gastric cancer",),
    phrases={
        "specimen": ("Stomach, antrum", "Gastric antrum and body"),
        "history": ("Dyspepsia, EGD.", "Epigastric discomfort."),
        "gross": (
            "Two tan fragments, {0.2-0.5} cm each, wrapped in paper.",
            "Three mucosal pieces, {0.2-0.6} cm in aggregate.",
        ),
        "micro": ("Oxyntic glands are preserved.", "Glandular architecture is intact."),
    },
)
_NEVUS = Condition(
    values=("D22.5",),
    absence="never",
    weight=4,
    names=("melanocytic nevus of the back", "compound nevus, trunk", "intradermal nevus, trunk"),
    bare=("melanocytic nevus",),
)
_SKIN = Scenario(
    name="skin",
    weight=24,
    procedures=(_BIOPSY,),
    principals=(
        Condition(
            values=("L82.1",),
            weight=5,
            names=("seborrheic keratosis", "pigmented seborrheic keratosis"),
            findings=("Acanthosis with horn pseudocysts.",),
        ),
        Condition(
            values=("L57.0",),
            weight=4,
            names=("actinic keratosis", "solar keratosis", "senile keratosis"),
            findings=("Basal atypia with parakeratosis and elastosis.",),
        ),
        Condition(
            values=("C44.519",),
            weight=4,
            names=(
                "basal cell carcinoma of the back",
                "BCC, trunk",
                "nodular basal cell carcinoma, back",
            ),
            bare=("basal cell carcinoma", "BCC"),
            findings=("Basaloid nests with peripheral palisading, depth {0.6-2.4} mm.",),
        ),
    ),
    unclear=(
        Unclear(
            names=("SK", "superficial SK"),
            options=(("L82.1", 0.55), ("L57.0", 0.45)),
            findings=("Hyperkeratosis and acanthosis.",),
        ),
    ),
    comorbid=(
        _NEVUS,
        Condition(
            values=("L72.0",),
            absence="never",
            weight=2,
            names=("epidermal cyst", "epidermal inclusion cyst", "infundibular cyst"),
        ),
    ),
    unclear_also=(
        Unclear(
            names=("keratinous cyst", "keratin-filled cyst"),
            options=(("L72.0", 0.55), ("L72.11", 0.45)),
        ),
    ),
    grey=(_NEVUS,),
    excluded=("melanoma", "squamous cell carcinoma", "ulceration"),
    past=("melanoma", "squamous cell carcinoma"),
    family=("melanoma",),
    phrases={
        "specimen": ("Skin, biopsy", "Skin lesion"),
        "history": ("Changing lesion.", "Irritated lesion."),
        "gross": (
            "Skin fragment, {0.5-1.2} x {0.4-0.9} x {0.1-0.2} cm, inked and bisected.",
            "Punch, {3-6} mm in diameter, {0.3-0.6} cm deep.",
        ),
        "micro": (
            "Deep margin free.",
            "Solar elastosis in the dermis.",
            "Epidermis present throughout.",
        ),
    },
)
_CARCINOMA = Condition(
    values=("C50.911", "C50.912"),
    weight=4,
    names=(
        "invasive ductal carcinoma of the {side} breast",
        "{side} breast invasive ductal carcinoma",
        "IDC, {side} breast",
    ),
    bare=("invasive ductal carcinoma of the breast", "IDC"),
    findings=("Infiltrating ducts, Nottingham grade {1-3}.", "Malignant ducts in fibrous stroma."),
)
_FIBROADENOMA = Condition(
    values=("D24.1", "D24.2"),
    weight=4,
    names=("fibroadenoma of the {side} breast", "{side} breast fibroadenoma"),
    bare=("fibroadenoma of the breast", "fibroadenoma"),
    findings=("Biphasic lesion, intracanalicular pattern.", "Bland stroma around slit-like ducts."),
)
_FAT_NECROSIS = Condition(
    values=("N64.1",), names=("fat necrosis of the breast", "breast fat necrosis")
)
_BREAST = Scenario(
    name="breast",
    weight=20,
    sex="female",
    procedures=(_BIOPSY,),
    principals=(_FIBROADENOMA, _CARCINOMA),
    unclear=(side_left_out(_FIBROADENOMA), side_left_out(_CARCINOMA)),
    comorbid=(_FAT_NECROSIS,),
    grey=(_FAT_NECROSIS,),
    excluded=("atypia", "lymphovascular invasion", "DCIS"),
    past=("breast cyst aspiration", "hysterectomy"),
    family=("breast cancer", "ovarian cancer"),
    phrases={
        "specimen": ("Breast, core needle", "Breast core, ultrasound guided"),
        "history": ("BI-RADS 4 mass.", "Palpable mass, {8-22} mm on ultrasound."),
        "gross": (
            "{3-6} cores, up to {0.9-1.6} cm long, 0.2 cm across.",
            "Fragmented fibrofatty cores, {1.0-1.8} cm in aggregate.",
        ),
        "micro": ("Calcifications are present.", "Adjacent ducts are unremarkable."),
    },
)
_CHOLESTEROLOSIS = Condition(values=("K82.4",), names=("cholesterolosis", "strawberry gallbladder"))
_GALLBLADDER = Scenario(
    name="gallbladder",
    weight=14,
    procedures=(_ORGAN,),
    principals=(
        Condition(
            values=("K80.10",),
            weight=4,
            names=(
                "chronic cholecystitis with cholelithiasis",
                "cholelithiasis with chronic cholecystitis",
                "chronic calculous cholecystitis",
            ),
            findings=("Rokitansky-Aschoff sinuses, thickened muscularis.",),
        ),
        Condition(
            values=("K81.1",),
            weight=3,
            names=("chronic cholecystitis", "chronic acalculous cholecystitis"),
            findings=("Thickened muscularis with lymphocytes.",),
        ),
    ),
    unclear=(
        Unclear(
            names=("chronic cholecystitis, calculi not received",),
            options=(("K80.10", 0.55), ("K81.1", 0.45)),
            findings=("Thickened muscularis with lymphocytes.",),
        ),
    ),
    comorbid=(_CHOLESTEROLOSIS,),
    grey=(_CHOLESTEROLOSIS,),
    excluded=("dysplasia", "malignancy", "gangrene"),
    past=("pancreatitis", "appendectomy"),
    family=("gallstones",),
    phrases={
        "specimen": ("Gallbladder",),
        "history": ("Biliary colic.", "RUQ discomfort."),
        "gross": (
            "Gallbladder {6.5-9.5} x {2.5-3.8} cm, wall {0.2-0.5} cm, opened.",
            "Intact sac, {7.0-10.0} cm long, mucosa bile stained.",
        ),
        "micro": ("Cystic duct margin unremarkable.", "Serosa is smooth."),
    },
)


_SUBMITTED = (
    "Entirely submitted.",
    "Entirely submitted in {2-3} cassettes.",
    "Representative sections submitted.",
)
_MICROSCOPIC = (
    "Sections stained with H&E.",
    "Controls stain as expected.",
    "Fixation and orientation are adequate.",
)


def _write(pen: Pen, case: Case) -> None:
    accession, *stains = case.procedures
    late = case.also[-1:] if case.several_documents else ()
    pen.open("surgical pathology report")
    pen.section("SPECIMEN", "SPECIMEN SUBMITTED")
    pen.one_of(tuple(f"{phrase}." for phrase in case.phrases("specimen")))
    pen.claim("Submitted: {m}.", accession)
    pen.section("CLINICAL HISTORY", "CLINICAL INFORMATION")
    pen.say("{age}-year-old {sex}.")
    pen.one_of(case.phrases("history"))
    for distractor in case.distractors_of("uncertain", "historical", "family"):
        pen.say(distractor.template, distractor.subject)
    pen.section("GROSS", "GROSS DESCRIPTION")
    pen.one_of(case.phrases("gross"))
    pen.one_of(_SUBMITTED)
    pen.section("MICROSCOPIC", "MICROSCOPIC DESCRIPTION")
    pen.one_of(case.principal.wording.findings)
    pen.some_of(case.phrases("micro") + _MICROSCOPIC, least=3)
    for stain in stains:
        pen.claim("{M} examined.", stain)
    pen.section("DIAGNOSIS", "FINAL DIAGNOSIS")
    pen.numbered([claim for claim in case.diagnoses if claim not in late])
    for distractor in case.distractors_of("negated"):
        pen.say(distractor.template, distractor.subject)
    if case.several_documents:
        pen.open("addendum")
        pen.section("ADDENDUM")
        if late:
            pen.say("Deeper levels reviewed.")
            pen.numbered(late)
        else:
            pen.say("Deeper levels were examined; the interpretation is unchanged.")


PATHOLOGY = Specialty(
    name="pathology",
    setting="professional",
    ages=(40, 85),
    scenarios=(_COLON, _SKIN, _STOMACH, _BREAST, _GALLBLADDER),
    distractions=Distractions(
        denied=("Denies {m}.",),
        negated=(
            "No {m}.",
            "Negative for {m}.",
            "No evidence of {m}.",
            "{M} is not identified.",
            "Without {m}.",
            "{M} is ruled out.",
        ),
        historical=("History of {m}.", "Prior {m}, treated.", "Status post removal of {m}."),
        family=("Family history of {m}.", "Mother had {m}.", "FHx: {m}."),
        uncertain=(
            "Rule out {m}.",
            "R/o {m}.",
            "Clinically suspicious for {m}.",
            "Clinically ?{m}.",
        ),
    ),
    hedges=(("{M} is favored.", 0.5), ("Features compatible with {m}.", 0.55)),
    exclusive=(
        ("D12.5", "D12.2", "D12.3"),
        ("K51.90", "K50.90"),
        ("K29.50", "K29.00"),
        ("B96.81", "K31.7"),
        ("L82.1", "L57.0"),
        ("L72.0", "L72.11"),
        ("K80.10", "K81.1"),
        ("C50.911", "C50.912", "D24.1", "D24.2"),
    ),
    write=_write,
)
