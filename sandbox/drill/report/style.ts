/** One sheet for screen (both colour schemes), phone and paper. Text and its ground differ by at least 4.5 to 1. */
export const style = `
:root{color-scheme:light dark;--ground:#f6f7f9;--card:#ffffff;--ink:#16202b;--soft:#52606d;--line:#d9dfe6;--grid:#e8ecf0;
--good:#0b6b43;--good-ground:#e3f5ec;--bad:#a8201a;--bad-ground:#fdeceb;--primary:#2f5fd0;--standby:#0b7a75;--both:#6b4fbb;--here:#66727f;--lost:#b45309;--lost-ground:#fdf0dc;--kill:#b3261e}
@media (prefers-color-scheme:dark){:root{--ground:#0f151b;--card:#182028;--ink:#e8edf2;--soft:#a5b1bd;--line:#2c3742;--grid:#232d37;
--good:#5fd6a0;--good-ground:#11301f;--bad:#ff9c94;--bad-ground:#3a1715;--primary:#86a9ff;--standby:#4fd1c7;--both:#b9a4f5;--here:#98a5b2;--lost:#f5b85c;--lost-ground:#36260d;--kill:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1000px;margin:0 auto;padding:28px 20px 48px}
header p{margin:0}
.brand{color:var(--soft);font-size:14px;letter-spacing:.01em}
.verdict{background:var(--card);border:1px solid var(--line);border-left:8px solid var(--good);border-radius:12px;padding:24px 28px;margin:12px 0 20px}
.failed .verdict{border-left-color:var(--bad)}
.badge{display:inline-block;border-radius:999px;padding:2px 14px;font-weight:650;font-size:14px;color:var(--good);background:var(--good-ground)}
.failed .badge{color:var(--bad);background:var(--bad-ground)}
h1{font-size:30px;line-height:1.22;letter-spacing:-.015em;margin:12px 0 0;text-wrap:balance;overflow-wrap:anywhere}
h2{font-size:19px;line-height:1.3;margin:0 0 12px}
.sub{color:var(--soft);margin:10px 0 0;overflow-wrap:anywhere}
.reason{background:var(--bad-ground);border-radius:8px;padding:12px 16px;margin:16px 0 0;overflow-wrap:anywhere}
.reason strong{color:var(--bad)}
.reason p{margin:8px 0 0;white-space:pre-line}
.reason ul{margin:8px 0 0}.reason li{margin:0 0 4px}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 24px;margin:0 0 20px}
section>p{margin:0 0 12px;overflow-wrap:anywhere}
section>p:last-child{margin-bottom:0}
.facts{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin:0 0 20px;padding:0}
.fact{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px 16px;margin:0;display:flex;flex-direction:column}
.fact dt{color:var(--soft);font-size:14px}
.fact dd{margin:0}
.fact .value{font-size:25px;line-height:1.3;font-weight:650;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.fact .note{color:var(--soft);font-size:14px;line-height:1.4}
.bad-text{color:var(--bad)}
.meter{height:8px;border-radius:4px;background:var(--grid);margin:8px 0 6px;overflow:hidden}
.meter i{display:block;height:100%;min-width:3px;border-radius:4px;background:var(--good)}
.meter i.over{background:var(--bad)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:15px}
th{color:var(--soft);font-weight:600;font-size:13.5px;text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid var(--line)}
td{padding:8px 12px 8px 0;border-bottom:1px solid var(--grid);vertical-align:top;overflow-wrap:anywhere}
tbody tr:last-child td{border-bottom:0}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.mark{width:1.6em;padding-right:6px;font-weight:700}
.yes{color:var(--good)}.no{color:var(--bad)}
td.where,.whole{white-space:nowrap}
.dot{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:6px}
.primary{background:var(--primary)}.standby{background:var(--standby)}.both{background:var(--both)}.here{background:var(--here)}
ul{margin:0;padding-left:20px}li{margin:0 0 8px;overflow-wrap:anywhere}li:last-child{margin:0}
details summary{cursor:pointer;color:var(--soft);font-size:14px}
code{font:13.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
footer{color:var(--soft);font-size:14px}
footer p{margin:0 0 4px}
.chart{display:block;width:100%;height:auto}
.chart.narrow{display:none}
.chart text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:var(--ink)}
.chart text{paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}
.chart .soft{fill:var(--soft)}.chart .strong{font-weight:650}
.chart .axis{stroke:var(--grid);stroke-width:1}
.chart .b-primary{fill:var(--primary)}.chart .b-standby{fill:var(--standby)}.chart .b-both{fill:var(--both)}.chart .b-here{fill:var(--here)}
.chart .b-failed{fill:var(--bad)}
.chart .band{fill:var(--ground)}.chart .off{fill:url(#hatch)}
.chart .hatch-line{stroke:var(--kill);stroke-width:1.2;opacity:.35}
.chart .kill{stroke:var(--kill);stroke-width:2}.chart .kill-text{fill:var(--kill);font-weight:650}
.chart .canary{fill:var(--good)}.chart .canary-unknown{fill:var(--soft)}.chart .canary-lost{fill:none;stroke:var(--lost);stroke-width:1.4}
.chart .gap{fill:var(--lost-ground);stroke:var(--lost);stroke-width:1}.chart .gap-text{fill:var(--lost);font-weight:650}
.chart .span{stroke:var(--good);stroke-width:2;fill:none}.chart .span-text{fill:var(--good);font-weight:650}
.key{color:var(--soft);font-size:14px;display:flex;flex-wrap:wrap;gap:4px 18px;margin:14px 0 0}
@media (max-width:720px){
main{padding:16px 12px 32px}.verdict{padding:18px 18px 20px}h1{font-size:24px}section{padding:16px}
.facts{grid-template-columns:repeat(2,1fr)}.fact{padding:12px}.fact .value{font-size:21px}
.chart.wide{display:none}.chart.narrow{display:block}
.phases thead{display:none}.phases,.phases tbody,.phases tr,.phases td{display:block;border:0;padding:0}
.phases tr{display:grid;grid-template-columns:1.6em 1fr auto;padding:10px 0;border-bottom:1px solid var(--grid);column-gap:4px}
.phases tbody tr:last-child{border-bottom:0}
.phases td.where,.phases td.detail{grid-column:2/4;font-size:14px;color:var(--soft)}
.phases td.began{display:none}
.checks,.checks tbody,.checks td{display:block;border:0;padding:0}
.checks tr{display:grid;grid-template-columns:1.6em 1fr;padding:8px 0;border-bottom:1px solid var(--grid);column-gap:4px}
.checks tbody tr:last-child{border-bottom:0}
.checks td.detail{grid-column:2/3;font-size:14px;color:var(--soft)}
}
@media print{
:root{--ground:#fff;--card:#fff;--ink:#000;--soft:#3d4852;--line:#bbb;--grid:#ddd;--good:#0b6b43;--good-ground:#e3f5ec;--bad:#a8201a;--bad-ground:#fdeceb;--primary:#2f5fd0;--standby:#0b7a75;--both:#6b4fbb;--here:#66727f;--lost:#b45309;--lost-ground:#fdf0dc;--kill:#b3261e}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
body{font-size:12px}main{max-width:none;padding:0}section,.fact,.verdict{break-inside:avoid}details{display:block}
}
`;
