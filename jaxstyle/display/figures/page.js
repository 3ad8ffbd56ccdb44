"use strict";
const figures = [...document.querySelectorAll("figure[data-picture]")];
const look = document.getElementById("look");
const compare = document.getElementById("compare");
const tray = document.getElementById("tray");
const pair = document.getElementById("pair");
const split = document.getElementById("split");
let shown = 0;
let picked = [];

const nameOf = (figure) => figure.querySelector("img").alt;
const sourceOf = (figure) => figure.querySelector("img").src;

function fit(dialog, figure) {
  const image = figure.querySelector("img");
  dialog.style.setProperty("--ratio", image.getAttribute("width") / image.getAttribute("height"));
}

function enlarge(index) {
  shown = (index + figures.length) % figures.length;
  look.querySelector("img").src = sourceOf(figures[shown]);
  look.querySelector("img").alt = nameOf(figures[shown]);
  look.querySelector("span").textContent = nameOf(figures[shown]);
  fit(look, figures[shown]);
  if (!look.open) look.showModal();
}

function place(percent) {
  pair.style.setProperty("--split", `${percent}%`);
  split.value = percent;
}

function showPair() {
  picked.forEach((figure, index) => {
    const image = pair.querySelectorAll("img")[index];
    image.src = sourceOf(figure);
    image.alt = nameOf(figure);
    compare.querySelectorAll(".bar span")[index].textContent = nameOf(figure);
  });
  fit(compare, picked[0]);
  place(50);
  compare.showModal();
}

function show() {
  for (const figure of figures) {
    const chosen = picked.includes(figure);
    figure.classList.toggle("picked", chosen);
    figure.querySelector(".pick").setAttribute("aria-pressed", String(chosen));
  }
  tray.hidden = picked.length === 0;
  const names = picked.map(nameOf).join("  |  ");
  tray.querySelector("span").textContent =
    picked.length === 1 ? `${names}: pick another one to compare` : names;
  document.getElementById("open").hidden = picked.length < 2;
}

function pick(figure) {
  if (picked.includes(figure)) picked = picked.filter((other) => other !== figure);
  else picked = [...picked.slice(-1), figure];
  show();
  if (picked.length === 2 && picked[1] === figure) showPair();
}

figures.forEach((figure, index) => {
  figure.querySelector(".look").addEventListener("click", () => enlarge(index));
  figure.querySelector(".pick").addEventListener("click", () => pick(figure));
});
look.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") enlarge(shown + 1);
  if (event.key === "ArrowLeft") enlarge(shown - 1);
});
document.getElementById("back").addEventListener("click", () => enlarge(shown - 1));
document.getElementById("next").addEventListener("click", () => enlarge(shown + 1));
document.getElementById("open").addEventListener("click", showPair);
document.getElementById("clear").addEventListener("click", () => { picked = []; show(); });
split.addEventListener("input", () => place(Number(split.value)));
function drag(event) {
  if (event.type === "pointermove" && event.buttons === 0) return;
  const box = pair.getBoundingClientRect();
  const share = (event.clientX - box.left) / box.width;
  place(Math.round(100 * Math.min(1, Math.max(0, share))));
}
pair.addEventListener("pointerdown", (event) => {
  pair.setPointerCapture(event.pointerId);
  drag(event);
});
pair.addEventListener("pointermove", drag);
pair.addEventListener("dragstart", (event) => event.preventDefault());
for (const dialog of [look, compare]) {
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}
