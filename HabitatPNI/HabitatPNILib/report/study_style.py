"""What a study's report adds to the case report's style sheet: wide tables, checks with their marks, the strip of figures."""

STUDY_CSS = """
.first { margin: 16px 0 6px; } .first p { max-width: none; }
.result > p { font-size: 16.5px; max-width: 84ch; }
.strip { display: flex; flex-wrap: wrap; gap: 10px; margin: 14px 0 6px; }
.strip > div { flex: 1 1 150px; border: 1px solid var(--rule); border-top: 4px solid var(--grey); border-radius: 4px;
  padding: 8px 12px 10px; }
.strip dt { font-size: 13.5px; font-weight: 600; } .strip dd { margin: 0; }
.strip .value { font-size: 27px; font-weight: 700; line-height: 1.25; font-variant-numeric: tabular-nums; }
.strip .sub { font-size: 12.5px; line-height: 1.35; }
.checks { list-style: none; margin: 8px 0; padding: 0; }
.checks li { display: grid; grid-template-columns: 34px 1fr; gap: 12px; padding: 9px 0; border-bottom: 1px solid #e2e2e2; }
.checks p { margin: 0; } .checks .name { font-weight: 600; }
.mark { width: 30px; height: 30px; border-radius: 50%; border: 2px solid; font-weight: 700; font-size: 17px; line-height: 26px;
  text-align: center; }
.good .mark { color: #0b5d2e; } .good .verdict { color: #0b5d2e; }
.look .mark, .look .verdict { color: var(--caution); } .look .mark { border-radius: 4px; background: #fff3d6; }
.bad .mark { color: #fff; background: var(--alarm); border-color: var(--alarm); border-radius: 4px; } .bad .verdict { color: var(--alarm); }
.none .mark { color: var(--grey); border-style: dashed; } .none .verdict { color: var(--grey); }
nav ul { list-style: none; margin: 22px 0 0; padding: 10px 14px; background: #f4f5f6; border-radius: 4px; display: flex; flex-wrap: wrap;
  gap: 4px 20px; font-size: 14px; }
nav a { color: #0b4f86; }
.grid { margin: 14px 0 18px; } .caption { margin-bottom: 2px; max-width: none; }
.scroll { overflow-x: auto; background: linear-gradient(to right, #fff 40%, #fff0) 0 0 / 50px 100% no-repeat local,
  linear-gradient(to left, #fff 40%, #fff0) 100% 0 / 50px 100% no-repeat local,
  linear-gradient(to right, #0003, #0000) 0 0 / 12px 100% no-repeat scroll,
  linear-gradient(to left, #0003, #0000) 100% 0 / 12px 100% no-repeat scroll; }
.scroll table { margin: 4px 0; }
.scroll th, .scroll td { padding: 5px 14px 5px 0; white-space: nowrap; overflow-wrap: normal; }
.scroll th { white-space: normal; vertical-align: bottom; min-width: 4.5em; }
.scroll td.n, .scroll th.n { padding: 5px 4px 5px 14px; }
.scroll .n + td:not(.n), .scroll .n + th:not(.n) { padding-left: 22px; }
.scroll td.long, .scroll th.long { white-space: normal; min-width: 15em; overflow-wrap: break-word; }
.scroll tr.strong td { font-weight: 700; background: #f4f5f6; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.scroll table.wide { font-size: 13px; } .scroll table.very { font-size: 12.5px; }
.scroll table.wide td, .scroll table.wide th { padding-right: 10px; }
.scroll table.wide td.n, .scroll table.wide th.n { padding: 5px 3px 5px 10px; }
.scroll table.very td:not(.n) { white-space: normal; min-width: 5.5em; }
.scroll table.very td.long { min-width: 13em; }
.scroll tr.same td:first-child { color: #6f6f6f; }
.scroll table.very td.n span { display: block; font-size: 11.5px; color: var(--grey); }
.figures { display: flex; flex-wrap: wrap; gap: 8px 28px; align-items: flex-start; }
.figures figure { margin: 10px 0; } .figures .full { flex: 1 1 100%; } .figures .half { flex: 0 1 calc(50% - 14px); min-width: 300px; }
.points { margin: 6px 0; padding-left: 20px; max-width: 90ch; } .points li { margin: 3px 0; }
@media print { .scroll { overflow: visible; background: none; } nav { display: none; } .strip > div { flex-basis: 100px; }
  .scroll td:not(.n), .scroll th { white-space: normal; } .scroll td.n span { display: block; }
  .scroll td.long, .scroll th.long { min-width: 0; }
  .scroll table.very td:not(.n), .scroll table.very td.long { min-width: 0; } .scroll table.very td.n span { font-size: 6pt; }
  .scroll table { font-size: 8.5pt; } .scroll table.wide { font-size: 7.5pt; } .scroll table.very { font-size: 7pt; }
  .scroll th { min-width: 0; } .scroll th, .scroll td, .scroll table.wide td, .scroll table.wide th { padding: 2pt 4pt 2pt 0; }
  .scroll td.n, .scroll th.n, .scroll table.wide td.n, .scroll table.wide th.n { padding: 2pt 1pt 2pt 4pt; }
  .checks li, .strip { break-inside: avoid; } .caption { break-after: avoid; } thead { display: table-header-group; }
  .figures { display: block; } .figures .half { display: inline-block; width: 48%; min-width: 0; vertical-align: top; margin-right: 1%; }
  .mark { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
