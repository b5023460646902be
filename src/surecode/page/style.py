"""How every page looks by day, in the dark and on paper; words reach a contrast of 4.5 to 1."""

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --quiet: #595959;
  --line: #c8c8c8; --good: #00634a; --bad: #a03c00; --note: #f4f4f4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #161616; --quiet: #b0b0b0; --line: #4a4a4a; --good: #5fd6b0;
    --bad: #ffab7a; --note: #242424; }
}
body { margin: 0 auto; max-width: 58rem; padding: 1.5rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin-bottom: .3rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
.status { font-size: 1.25rem; font-weight: bold; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.quiet { color: var(--quiet); }
.note { border-left: .3rem solid var(--bad); background: var(--note); padding: .5rem .8rem; }
.wide { overflow-x: auto; container-type: inline-size; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: max-content;
  min-width: min(100%, 28rem); max-width: max(100%, 46rem); }
caption { text-align: left; color: var(--quiet); padding-bottom: .3rem; }
caption span { display: block; position: sticky; left: 0; max-width: 100cqi; }
th, td { border: 1px solid var(--line); padding: .25rem .55rem; text-align: left;
  vertical-align: top; }
thead th { background: var(--note); }
th { font-weight: 600; }
code, pre { font: .85rem/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; background: var(--note); padding: .6rem; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; background: #ffffff; }
figcaption { color: var(--quiet); }
@media print {
  :root { color-scheme: light; --ink: #000000; --paper: #ffffff; --quiet: #333333;
    --line: #888888; --good: #000000; --bad: #000000; --note: #ffffff; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2, caption { break-after: avoid; }
  .wide, tr, figure, li { break-inside: avoid; }
  .wide { overflow: visible; }
  table { font-size: 9pt; max-width: 100%; }
  th, td { padding: .15rem .35rem; }
}
"""
