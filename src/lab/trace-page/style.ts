/** Light and dark, narrow and wide. Rows of the list have one height, which the script knows. */
export const STYLE = `
:root{color-scheme:light dark;--line:#8884;--fail:#cf222e;--dim:#57606a;--mark:#0969da;--on:#0969da22}
@media(prefers-color-scheme:dark){:root{--fail:#ff7b72;--dim:#8b949e;--mark:#58a6ff;--on:#58a6ff33}}
*{box-sizing:border-box}
body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;padding:0 1rem 2rem;max-width:110rem}
h1{font-size:1.3rem;overflow-wrap:anywhere;margin:.6rem 0 0}h2{font-size:1rem;margin:0 0 .3rem}
p{margin:.3rem 0}a{color:var(--mark)}
.failures ol{max-height:12rem;overflow:auto;margin:.3rem 0;padding-left:2.5rem;font-size:.9rem;overflow-wrap:anywhere}
.failures summary{color:var(--fail);font-weight:600;cursor:pointer}.notes{padding-left:1.2rem;overflow-wrap:anywhere}
.tools{display:flex;flex-wrap:wrap;gap:.4rem;align-items:center;margin:.6rem 0 .4rem}
.tools input{flex:1 1 10rem;min-width:0;padding:.3rem;font:inherit}
button{font:inherit;padding:.2rem .6rem;border:1px solid var(--line);border-radius:.4rem;background:none;color:inherit;cursor:pointer}
button[aria-pressed=true]{outline:2px solid var(--mark)}
:focus-visible{outline:2px solid var(--mark);outline-offset:1px}
#found{color:var(--dim);font-size:.9rem}
.wide{overflow:auto;max-height:16rem;border:1px solid var(--line)}
canvas{display:block;width:100%;cursor:crosshair}
.moment{display:flex;gap:.6rem;align-items:center;margin:.4rem 0}.moment input{flex:1;min-width:0}
.moment output{min-width:9rem;text-align:right;font-variant-numeric:tabular-nums}
.panes{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:1rem}
#list{position:relative;overflow:auto;height:60vh;border:1px solid var(--line);font:13px/22px ui-monospace,monospace}
#list .row{position:absolute;left:0;right:0;height:22px;padding:0 .4rem;white-space:pre;overflow:hidden;text-overflow:ellipsis;cursor:pointer}
#list .row a{display:inline-block;min-width:7em;text-align:right;margin-right:.8em;text-decoration:none}
#list .bad{color:var(--fail)}#list [aria-selected=true]{background:var(--on)}
#event{min-height:3rem;overflow-wrap:anywhere;font:13px/1.4 ui-monospace,monospace}
pre{margin:0;font:13px/1.4 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;max-height:60vh;overflow:auto}
@media(max-width:50rem){body{padding:0 .5rem 2rem}.panes{grid-template-columns:minmax(0,1fr)}#list{height:50vh}}
`;
