/** Light and dark, narrow and wide; long lines scroll in their own box. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--line:#8884;--pass:#1a7f37;--fail:#cf222e;--warn:#9a6700;--dim:#57606a}
@media(prefers-color-scheme:dark){:root{--pass:#3fb950;--fail:#ff7b72;--warn:#d29922;--dim:#8b949e}}
body{font:16px/1.45 system-ui,sans-serif;max-width:70rem;margin:0 auto;padding:0 1rem 3rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:1.5rem 0 .3rem}h3{font-size:.9rem;margin:.6rem 0 .2rem;color:var(--dim)}
code,pre{font:.85em/1.4 ui-monospace,monospace}.target{overflow-wrap:anywhere}
pre{overflow-x:auto;border:1px solid var(--line);padding:.5rem;margin:0;max-height:30rem}
.filter{display:flex;flex-wrap:wrap;gap:.4rem}.filter input{flex:1 1 12rem;padding:.3rem;font:inherit}
button{font:inherit;padding:.2rem .6rem;border:1px solid var(--line);border-radius:.4rem;background:none;cursor:pointer}
button[aria-pressed=false]{opacity:.4;text-decoration:line-through}
.check{border-top:1px solid var(--line);padding:.25rem 0}.check[hidden],section[hidden]{display:none}
summary{cursor:pointer;overflow-wrap:anywhere}.v{font-weight:600;color:var(--dim)}
.PASS{color:var(--pass)}.FAIL,.ERROR,.XPASS{color:var(--fail)}.WARN,.XFAIL{color:var(--warn)}
dl{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr;gap:.1rem .8rem;margin:.4rem 0}
dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
@media(max-width:40rem){dl{grid-template-columns:1fr}dd{margin-bottom:.3rem}}
@media print{.filter{display:none}}
`;

/** Shows the checks of the verdicts that are pressed and that hold the words; opens what is linked to. */
export const PAGE_SCRIPT = `
const buttons=[...document.querySelectorAll("button[data-verdict]")];
const words=document.querySelector("input[type=search]");
function show(){
  const shown=new Set(buttons.filter(b=>b.getAttribute("aria-pressed")==="true").map(b=>b.dataset.verdict));
  const wanted=words.value.trim().toLowerCase();
  for(const section of document.querySelectorAll("section")){
    let some=false;
    for(const check of section.querySelectorAll(".check")){
      const fits=shown.has(check.dataset.verdict)&&check.firstElementChild.textContent.toLowerCase().includes(wanted);
      check.hidden=!fits;some=some||fits;
    }
    section.hidden=!some;
  }
}
for(const b of buttons)b.addEventListener("click",()=>{b.setAttribute("aria-pressed",String(b.getAttribute("aria-pressed")!=="true"));show()});
words.addEventListener("input",show);
function open(){const check=document.getElementById(decodeURIComponent(location.hash.slice(1)));if(check&&check.classList.contains("check"))check.open=true}
addEventListener("hashchange",open);open();
`;
