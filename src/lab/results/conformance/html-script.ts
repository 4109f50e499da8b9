/**
 * A verdict's button shows only its checks, pressed again all; the search narrows them further. A check
 * that the address names is opened, and shown whatever is filtered.
 */
export const PAGE_SCRIPT = `
const buttons=[...document.querySelectorAll("button[data-verdict]")];
const words=document.querySelector("input[type=search]");
function show(){
  const only=buttons.find(b=>b.getAttribute("aria-pressed")==="true")?.dataset.verdict;
  const wanted=words.value.trim().toLowerCase();
  const isAll=only===undefined&&wanted==="";
  for(const section of document.querySelectorAll("section")){
    let some=isAll;
    for(const check of section.querySelectorAll(".check")){
      const fits=(only===undefined||check.dataset.verdict===only)&&check.firstElementChild.textContent.toLowerCase().includes(wanted);
      check.hidden=!fits;some=some||fits;
    }
    section.hidden=!some;
  }
}
function press(button){for(const b of buttons)b.setAttribute("aria-pressed",String(b===button));show()}
for(const b of buttons)b.addEventListener("click",()=>press(b.getAttribute("aria-pressed")==="true"?undefined:b));
words.oninput=show;
function open(){
  const check=document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if(!check||!check.classList.contains("check"))return;
  if(check.hidden){words.value="";press(undefined)}
  check.open=true;check.scrollIntoView();
}
addEventListener("hashchange",open);open();
`;

/** The search shows the checks that hold its words; the box, those on which targets differ. */
export const MATRIX_SCRIPT = `
const words=document.querySelector("input[type=search]");
const differing=document.querySelector("input[type=checkbox]");
function show(){
  const wanted=words.value.trim().toLowerCase();
  for(const row of document.querySelectorAll("tr.check")){
    row.hidden=!row.textContent.toLowerCase().includes(wanted)||(differing.checked&&!("differs" in row.dataset));
  }
}
words.oninput=show;differing.addEventListener("change",show);
`;
