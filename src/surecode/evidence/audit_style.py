"""How an audit page looks, beside what holds for every page.

Codes and documents stand side by side where there is room and scroll apart, so that a link leads
to the words and the code stays in sight. Colours of lines reach a contrast of 3 to 1, words one of
4.5, on the page and on marks; lines differ by pattern too (Okabe and Ito's colours, darker by day).
"""

AUDIT_STYLE = """
:root { --mark: #fff2c2; --mark2: #ffe08a; --mark3: #ffcf5c; --focus: #0050b3; --k0: #0062a3;
  --k1: #a34400; --k2: #00694e; --k3: #96306f; --k4: #7a5200; --k5: #4b4bb5; --k6: #333333; }
@media (prefers-color-scheme: dark) {
  :root { --mark: #3a3212; --mark2: #4d4110; --mark3: #5c4d0c; --focus: #8ec7ff; --k0: #7cc4f2;
    --k1: #ff9a66; --k2: #45d6a8; --k3: #f0a3cf; --k4: #f0d048; --k5: #b9b9ff; --k6: #e0e0e0; }
}
body { max-width: 100rem; }
a { color: var(--focus); }
a:focus-visible, [tabindex]:focus-visible { outline: .15em solid var(--focus);
  outline-offset: .1em; }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
header ul { margin: .3rem 0; }
dl.facts { display: flex; flex-wrap: wrap; gap: .3rem 1.8rem; margin: .6rem 0; }
dl.facts dt { color: var(--quiet); font-size: .85rem; }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
.card, .document { border: 1px solid var(--line); border-radius: .4rem; padding: .2rem .9rem .5rem;
  margin: .9rem 0; }
.card h3, .document h3 { font-size: 1.05rem; margin: .5rem 0; }
.card p { margin: .35rem 0; }
.card h3 code { font-size: 1em; }
.number { margin-right: .3em; }
.bar { display: inline-block; width: 6rem; border: 1px solid var(--quiet); vertical-align: .05em; }
.bar span { display: block; border-top: .55rem solid var(--quiet); }
.badge { border: 1px solid var(--line); border-radius: 1em; padding: 0 .6em; white-space: nowrap; }
.badge.verified { border: 2px solid var(--good); color: var(--good); }
.badge.diffuse, .badge.none { border: 2px dashed var(--bad); color: var(--bad); }
.flag { margin: .3rem 0; padding-left: 1.2rem; color: var(--bad); }
.spans { list-style: none; padding: 0; margin: .4rem 0; }
.spans li { margin: .45rem 0; }
.quiet strong { color: var(--bad); }
.to, .n { font-variant-numeric: tabular-nums; }
.context { overflow-wrap: anywhere; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; text-align: start;
  line-height: 2.1; border-top: 1px solid var(--line); padding-top: .3rem; }
mark { color: inherit; background: var(--mark); }
.m0 { background: none; }
.m2 { background: var(--mark2); }
.m3 { background: var(--mark3); }
.n { unicode-bidi: isolate; font-size: .7em; font-weight: 600; vertical-align: super;
  line-height: 1; padding: 0 .15em; text-decoration: none; user-select: none; }
.n::before { content: attr(data-n); }
.also::before { content: "=" attr(data-n); }
.u { text-decoration: underline .12em; text-decoration-skip-ink: none; }
.l0 { text-underline-offset: .2em; }
.l1 { text-underline-offset: .45em; }
.l2 { text-underline-offset: .7em; }
.l3 { text-underline-offset: .95em; }
.k0 { text-decoration-color: var(--k0); } .k1 { text-decoration-color: var(--k1); }
.k2 { text-decoration-color: var(--k2); } .k3 { text-decoration-color: var(--k3); }
.k4 { text-decoration-color: var(--k4); } .k5 { text-decoration-color: var(--k5); }
.k6 { text-decoration-color: var(--k6); }
.s1 { text-decoration-style: dashed; } .s2 { text-decoration-style: dotted; }
.s3 { text-decoration-style: double; text-decoration-thickness: .08em; }
.s4 { text-decoration-style: wavy; text-decoration-thickness: .08em; }
.again { text-decoration: underline dotted .08em var(--quiet); }
:target { outline: .15em solid var(--focus); outline-offset: .1em; scroll-margin: 4rem; }
@media screen and (min-width: 70rem) {
  .columns { display: grid; grid-template-columns: minmax(24rem, 5fr) 8fr; gap: 1.5rem; }
  .columns > section { max-height: 96vh; overflow-y: auto; position: sticky; top: 1vh;
    padding: 0 .3rem; }
}
@media (forced-colors: active) {
  mark { background: Mark; color: MarkText; }
  .m0 { background: Canvas; color: CanvasText; }
}
@media print {
  :root { --mark: #ffffff; --mark2: #ffffff; --mark3: #ffffff; --focus: #000000; --k0: #000000;
    --k1: #000000; --k2: #000000; --k3: #000000; --k4: #000000; --k5: #000000; --k6: #000000; }
  .skip { display: none; }
  .card, footer table { break-inside: avoid; }
  #documents { break-before: page; }
  .document { border: 0; padding: 0; }
  .document + .document { break-before: page; }
  .text { line-height: 1.9; }
  mark { font-weight: 600; }
  .m0 { font-weight: inherit; }
  a { text-decoration: none; }
  :target { outline: 0; }
}
"""
