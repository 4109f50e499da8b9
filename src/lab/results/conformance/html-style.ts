/** Light and dark, narrow and wide; long lines scroll in a box of their own. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--line:#8884;--pass:#1a7f37;--fail:#cf222e;--warn:#9a6700;--dim:#57606a}
@media(prefers-color-scheme:dark){:root{--pass:#3fb950;--fail:#ff7b72;--warn:#d29922;--dim:#8b949e}}
body{font:16px/1.45 system-ui,sans-serif;max-width:70rem;margin:0 auto;padding:0 1rem 3rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:1.5rem 0 .3rem}
.counts,.row{font-size:.85rem;font-weight:400;color:var(--dim);white-space:nowrap}.counts{white-space:normal}
code,pre{font:.85em/1.4 ui-monospace,monospace}.target,dd code{overflow-wrap:anywhere}
pre{overflow-x:auto;border:1px solid var(--line);padding:.5rem;margin:.3rem 0;max-height:30rem}
.filter{display:flex;flex-wrap:wrap;gap:.4rem;align-items:center}
.filter input[type=search]{flex:1 1 12rem;padding:.3rem;font:inherit;min-width:0}
button{font:inherit;padding:.2rem .6rem;border:1px solid var(--line);border-radius:.4rem;background:none;cursor:pointer}
button[aria-pressed=true]{outline:2px solid currentColor}
.check{border-top:1px solid var(--line);padding:.25rem 0}.check:target{outline:1px solid var(--dim)}
[hidden]{display:none!important}
summary{cursor:pointer;overflow-wrap:anywhere}.fold>summary{font-size:.9rem;color:var(--dim)}
.v{font-weight:600;color:var(--dim)}
.PASS{color:var(--pass)}.FAIL,.ERROR,.XPASS{color:var(--fail)}.WARN,.XFAIL{color:var(--warn)}
dl{display:grid;grid-template-columns:fit-content(14rem) 1fr;gap:.1rem .8rem;margin:.4rem 0}
dt{color:var(--dim);overflow-wrap:anywhere}dd{margin:0;overflow-wrap:anywhere}
@media(max-width:40rem){dl{grid-template-columns:1fr}dd{margin-bottom:.3rem}}
@media print{.filter{display:none}}
`;

/** The table of a matrix: its head and its first column stay in sight, also on a narrow screen. */
export const MATRIX_STYLE = `
body{max-width:none}.wrap{overflow:auto;max-height:85vh;margin-top:.5rem;border:1px solid var(--line)}
table{border-collapse:separate;border-spacing:0}
th,td{border:solid var(--line);border-width:0 1px 1px 0;padding:.15rem .4rem;text-align:left;vertical-align:top;background:Canvas}
thead th{position:sticky;top:0;z-index:1}
thead th:first-child,tbody th{position:sticky;left:0;z-index:1;min-width:9rem;max-width:26rem;font-weight:400}
thead th:first-child{z-index:2}tbody th b{display:block}
td{min-width:5rem;max-width:22rem}td.sum{white-space:pre-wrap}
td small{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:3;overflow:hidden;overflow-wrap:anywhere;color:var(--dim)}
@media(max-width:40rem){thead th:first-child,tbody th{max-width:9rem;overflow-wrap:anywhere}td{min-width:7rem;max-width:12rem}}
`;
