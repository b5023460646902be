"""What the laboratory bills for a specimen."""

from __future__ import annotations

from surecode.data.sources.synthetic.tables import cpt

BIOPSY = cpt(
    "88305", "biopsy, routine sections", "tissue for routine histology", "surgical path, biopsy"
)
ORGAN = cpt("88304", "gallbladder, routine sections", "cholecystectomy specimen, routine")
STAIN = cpt("88342", "single-antibody immunostain", "IHC, one antibody")
