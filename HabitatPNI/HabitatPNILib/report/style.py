"""Style sheet of the report: calm on a screen, complete on paper."""

CSS = """
:root { --ink: #1a1a1a; --grey: #5a5a5a; --rule: #c8c8c8; --paper: #ffffff; --alarm: #a40000; --caution: #7a4b00; }
* { box-sizing: border-box; }
html { background: #f1f2f3; }
body { margin: 0 auto; max-width: 1060px; padding: 0 40px 24px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
h1 { font-size: 22px; line-height: 1.25; margin: 22px 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 30px 0 8px; padding-bottom: 4px; border-bottom: 1px solid var(--rule); }
p { margin: 6px 0; max-width: 90ch; overflow-wrap: anywhere; }
.research { max-width: none; margin: 0 -40px; padding: 8px 40px; background: #2b2b2b; color: #fff; font-weight: 600; }
.sub, .note, figcaption { color: var(--grey); font-size: 13.5px; }
.answer { display: grid; grid-template-columns: minmax(300px, 5fr) 6fr; gap: 20px; margin: 18px 0 8px; align-items: start; }
.number { border: 1px solid var(--rule); border-radius: 6px; padding: 14px 18px; }
.number .what { font-size: 14px; }
.number .percent { font-size: 52px; font-weight: 700; line-height: 1.15; }
.number .class { font-weight: 600; }
.number img { width: 100%; max-width: 430px; margin-top: 8px; }
.notice { border: 1px solid #8a6d1b; border-left-width: 8px; border-radius: 6px; padding: 12px 18px; background: #fff8e3; }
.alarm { border: 3px solid var(--alarm); border-left-width: 12px; background: #fdeaea; color: var(--alarm);
  font-weight: 600; font-size: 17px; }
.notice h2, .warnings h2 { border: 0; margin: 0 0 4px; padding: 0; font-size: 15px; }
.warnings { border: 1px solid #c98a1b; border-left-width: 8px; border-radius: 6px; padding: 12px 18px;
  background: #fffdf6; margin-top: 12px; }
.warnings ul { margin: 4px 0; padding-left: 20px; }
figure { margin: 10px 0 14px; }
figure img { display: block; width: 100%; height: auto; }
figcaption { margin-top: 4px; max-width: 100ch; }
table { border-collapse: collapse; margin: 8px 0; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid #e2e2e2; vertical-align: top; overflow-wrap: break-word; }
th { font-weight: 600; border-bottom: 1.5px solid var(--grey); }
.facts td:first-child { white-space: nowrap; width: 1%; padding-right: 24px; color: var(--grey); }
td.n, th.n { text-align: right; padding-right: 18px; font-variant-numeric: tabular-nums; white-space: nowrap; }
.habitats td:first-child { white-space: nowrap; }
.swatch { display: inline-block; width: 15px; height: 15px; margin-right: 8px; border: 1px solid #444; vertical-align: -2px;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
footer { margin-top: 34px; }
@media (max-width: 720px) { body { padding: 0 16px 16px; } .research { margin: 0 -16px; padding: 8px 16px; }
  .answer { grid-template-columns: 1fr; } }
@media print { @page { margin: 14mm; } html { background: none; } body { max-width: none; padding: 0; font-size: 10.5pt; }
  .research { margin: 0; padding: 0 0 4px; background: none; color: #000; border-bottom: 2px solid #000; }
  .answer { grid-template-columns: 5fr 6fr; } .notice, .warnings { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2 { break-after: avoid; } figure, tr, .habitats, .answer, .warnings { break-inside: avoid; } }
"""
