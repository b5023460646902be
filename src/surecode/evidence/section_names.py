"""Names of sections, English and Spanish, folded (`evidence/folding`), as patterns per kind.

The first kind with a pattern that is the whole name wins. ``other`` stands before ``history``: the
history of the present illness is no past history, and neither is a radiologist's ``HISTORY``.
"""

from __future__ import annotations

import re
from typing import Literal

SectionKind = Literal[
    "history",
    "family",
    "findings",
    "assessment",
    "plan",
    "procedure",
    "allergies",
    "medication",
    "social",
    "other",
]

_NAMES: tuple[tuple[SectionKind, str], ...] = (
    (
        "family",
        r"(?:pertinent |significant )?family (?:medical |social |psychiatric )?(?:history|hx)"
        r"|fhx?|fam hx|antecedentes? (?:patologicos |medicos )?familiares|historia familiar"
        r"|a\. ?familiares",
    ),
    (
        "other",
        r"history|hpi|s|(?:clinical|brief|interval|case) history"
        r"|history (?:of (?:the )?)?present(?:ing)? (?:illness|complaint)|(?:chief|presenting) "
        r"complaints?|cc|reason for (?:consult(?:ation)?|exam(?:ination)?|visit|admission|referral)"
        r"|indications?(?: for .{3,30})?|subjective|(?:hospital|emergency department) course"
        r"|complications|specimens?|comments?|note|technical factors"
        r"|anamnesis|motivo de (?:la )?(?:consulta|ingreso)|enfermedad actual"
        r"|historia (?:actual|clinica|oncologica|de la enfermedad(?: actual)?)"
        r"|evolucion(?: .{3,30})?"
        r"|curso clinico|comentarios?|caso clinico|complicaciones",
    ),
    (
        "social",
        r"social (?:history|hx)|shx?|habits|habitos(?: toxicos)?|(?:historia|situacion) "
        r"(?:social|basal|sociofuncional|funcional)",
    ),
    (
        "history",
        r"(?:past |prior |previous |other |pertinent |relevant )*(?:medical|surgical|psychiatric"
        r"|obstetrical|obstetric|gynecologic|gynecological|ob(?:/gyn)?|birth|ocular|oncologic"
        r"|cardiac|dental|past) (?:history|hx)|past medical (?:and|&) surgical history"
        r"|pmhx?|pshx?|pmh/psh|antecedentes?(?: (?:personales|medicos?|patologicos|quirurgicos"
        r"|medico-quirurgicos|obstetricos|ginecologicos|ginecoobstetricos|oftalmologicos"
        r"|oncologicos|previos|de interes|y|generales|relevantes))*|a\. ?personales",
    ),
    (
        "allergies",
        r"(?:drug |medication |known )?allerg(?:y|ies)(?: .{3,20})?"
        r"|alergias?(?: (?:medicamentosas|conocidas|a .{3,20}))*|reacciones adversas",
    ),
    (
        "medication",
        r"(?:current |home |discharge |outpatient |inpatient |admission |active )*"
        r"(?:medications?|meds)(?: (?:on|at|prior to) .{3,20})?|medicacion(?: .{3,20})?|farmacos"
        r"|tratamiento (?:habitual|actual|domiciliario|previo|cronico|al alta|en domicilio)",
    ),
    (
        "assessment",
        r"(?:clinical )?impressions?(?:(?: and |/)(?:plan|recommendations?))?"
        r"|assessments?(?:(?: and | & |/)(?:plan|recommendations?|dx|diagnos[ie]s))?|a(?:[/&]p)?"
        r"|(?:final |discharge |admitting |admission |principal |primary |secondary |preoperative "
        r"|postoperative |pre-?op |post-?op |working |differential |pathologic |clinical )*"
        r"(?:diagnos[ie]s|dx)|conclusions?|opinion|interpretation|summary|axis [iv]+"
        r"|juicio (?:clinico|diagnostico)|(?:orientacion|impresion) (?:diagnostica|clinica)"
        r"|impresion|diagnosticos?(?: .{3,30})?|conclusion(?:es)?|valoracion(?: .{3,20})?",
    ),
    (
        "plan",
        r"p|(?:treatment )?plan(?: .{3,20})?|recommendations?|disposition|discharge instructions"
        r"|follow[- ]?up|instructions|tratamiento(?: .{3,30})?|recomendaciones(?: .{3,20})?"
        r"|seguimiento|actitud(?: terapeutica)?",
    ),
    (
        "procedure",
        r"(?:operative |surgical )?procedures?(?: (?:performed|in detail|details?|note))?"
        r"|operations?(?: performed)?"
        r"|(?:title|name|description) of (?:the )?(?:operation|procedure)"
        r"|technique|anesthesia|exam(?:ination)? (?:performed|type)|procedimientos?(?: .{3,20})?"
        r"|intervencion(?:es)?(?: quirurgicas?)?|tecnica(?: quirurgica)?|anestesia",
    ),
    (
        "findings",
        r"o|(?:operative |intraoperative |gross |microscopic |pertinent )?findings?"
        r"|physical(?: exam(?:ination)?)?|exam(?:ination)?|objective|review of systems|ros"
        r"|(?:laborator(?:y|ies)|diagnostic|imaging)(?: (?:data|studies|results|tests|findings))?"
        r"|labs|imaging|results|vital signs|vitals|(?:gross|microscopic) description|ekg|ecg"
        r"|(?:final )?pathologic findings|exploracion(?:es)?(?: .{3,40})?|examen(?: .{3,30})?"
        r"|pruebas (?:complementarias|de imagen|diagnosticas)(?: .{3,20})?|analitica(?: .{3,30})?"
        r"|laboratorio|hallazgos(?: .{3,30})?|resultados?(?: .{3,30})?|anatomia patologica"
        r"|(?:descripcion )?(?:macroscopica|microscopica)|(?:radiografia|ecografia|tc|tac|rmn?)"
        r"(?: .{3,30})?|constantes(?: vitales)?|inmunohistoquimica",
    ),
)
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _NAMES)

# Names long enough to be headings inside a line too: "... no cough. FAMILY HISTORY: ...".
INLINE = re.compile(
    r"(?<![^\s.;,])(?:"
    r"family (?:medical )?history|fhx|(?:past )?(?:medical|surgical|social) history|pmhx?"
    r"|history of present illness|review of systems|physical exam(?:ination)?"
    r"|assessment(?: and plan)?"
    r"|impression|allergies|(?:current |discharge )?medications"
    r"|antecedentes(?: (?:personales|familiares|medicos|patologicos|quirurgicos|de interes))*"
    r"|enfermedad actual|exploracion fisica|juicio clinico|pruebas complementarias"
    r"|motivo de consulta"
    r")(?=[ \t]*:)"
)


def kind_of(name: str) -> SectionKind | None:
    """The kind of a folded section name, or None for a name that is not known."""
    return next((kind for kind, pattern in _COMPILED if pattern.fullmatch(name)), None)
