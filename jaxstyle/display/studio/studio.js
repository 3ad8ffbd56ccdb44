import { Chart, colour } from "./chart.js";
import { View } from "./view.js";

const EVERY = 500; // ms between two looks at the run
const $ = (id) => document.getElementById(id);
const page = Math.random().toString(36).slice(2);
const chart = new Chart($("chart"), showTerms);
const view = new View((mask) => ask("freeze", mask));
const chosen = { content: null, styles: [] };
const sliders = ["style_weight", "strokes", "tv_weight", "style_scale"];
const touched = new Map(); // knob -> when it was last turned here
let about = null;
let state = null;
let have = -1; // version of the picture
let run = -1;

const rounded = (value, digits) => String(Number(value.toPrecision(digits)));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function make(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

async function ask(path, body) {
  problem("");
  const sent = body === undefined || body instanceof Blob ? body : JSON.stringify(body);
  try {
    const answer = await fetch(path, { method: "POST", body: sent });
    const told = await answer.json();
    if (answer.ok) return told;
    problem(told.error);
  } catch {
    problem("the program does not answer: is it still running?");
  }
  return null;
}

// Choosing pictures.

function thumbnail(name) {
  return make("img", { src: `picture/${encodeURIComponent(name)}`, alt: name });
}

function choose(name, kind) {
  if (kind === "content") chosen.content = name;
  else if (chosen.styles.includes(name)) chosen.styles = chosen.styles.filter((one) => one !== name);
  else chosen.styles.push(name);
  showChosen();
}

function showChosen() {
  $("content-chosen").replaceChildren(...(chosen.content ? [thumbnail(chosen.content)] : []));
  const pick = (name) => {
    const button = make("button", { type: "button", className: "pick", title: "take it away" }, thumbnail(name));
    button.setAttribute("aria-label", `take ${name} away`);
    button.addEventListener("click", () => choose(name, "style"));
    return button;
  };
  $("style-chosen").replaceChildren(...chosen.styles.map(pick));
  $("begin").disabled = !chosen.content || !chosen.styles.length;
  for (const button of $("examples").children) {
    button.setAttribute("aria-pressed", String(chosen.styles.includes(button.dataset.name) || chosen.content === button.dataset.name));
  }
}

async function upload(files, kind) {
  for (const file of files) {
    const told = await ask(`upload?name=${encodeURIComponent(file.name || "pasted.png")}`, file);
    if (!told) return;
    const first = kind || (chosen.content ? "style" : "content");
    if (first === "content" || !chosen.styles.includes(told.name)) choose(told.name, first);
  }
  // The first pair begins by itself.
  if (chosen.content && chosen.styles.length && state && state.phase === "empty") begin();
}

async function begin() {
  const told = await ask("begin", { content: chosen.content, styles: chosen.styles });
  if (told && told.waiting) problem(`it waits until the run in hand is done; ${told.waiting} before it`);
}

function showExamples() {
  const buttons = about.examples.map((name) => {
    const button = make("button", { type: "button", className: "pick" }, thumbnail(name), name.replace(/\.\w+$/, ""));
    button.dataset.name = name;
    button.addEventListener("click", () => choose(name, name.startsWith("content") ? "content" : "style"));
    return button;
  });
  $("examples").replaceChildren(...buttons);
  showChosen();
}

function showHistory() {
  $("folder").textContent = `Kept in ${about.folder}. Click one to go on with it.`;
  const buttons = about.history.map((name) => {
    const image = thumbnail(name);
    const button = make("button", { type: "button", className: "pick" }, image, name);
    button.setAttribute("aria-label", `go on with ${name}`);
    button.addEventListener("click", () => ask("again", { name }));
    return button;
  });
  $("history").replaceChildren(...buttons);
}

// Turning knobs: one request at a time, always with the latest values.

const turned = {};
let turning = false;
async function turn(name, value) {
  turned[name] = value;
  touched.set(name, Date.now());
  if (turning) return;
  turning = true;
  while (Object.keys(turned).length) {
    const changes = { ...turned };
    for (const key of Object.keys(changes)) delete turned[key];
    await ask("change", changes);
  }
  turning = false;
}

const words = {
  strokes: (value) => (value < 0 ? `fine ${-value}` : value > 0 ? `coarse ${value}` : "as they are"),
};
function setKnob(name, value) {
  $(name).value = value;
  const text = (words[name] || String)(Number(value));
  $(`${name}-is`).textContent = text;
  $(name).setAttribute("aria-valuetext", text);
}

for (const name of sliders) {
  // New targets are not made while it is still being moved.
  const when = name === "style_scale" ? "change" : "input";
  $(name).addEventListener("input", () => setKnob(name, $(name).value));
  $(name).addEventListener(when, () => turn(name, Number($(name).value)));
  setKnob(name, $(name).value);
}
$("color").addEventListener("change", () => turn("color", $("color").value));

function showShares() {
  const several = state.styles.length > 1;
  const rows = (several ? state.styles : []).map((name, index) => {
    const input = make("input", { type: "range", min: 0, max: 1, step: 0.05, value: state.knobs.shares[index] });
    const all = () => [...$("shares").querySelectorAll("input")].map((one) => Number(one.value));
    input.addEventListener("input", () => all().some((share) => share > 0) && turn("shares", all()));
    return make("label", {}, `Share of ${name.replace(/(-[0-9a-f]{12})?\.\w+$/, "")}`, input);
  });
  $("shares").replaceChildren(...rows);
}

function showSizes() {
  const buttons = about.sizes.filter((size) => size >= 256).map((size) => {
    const button = make("button", { type: "button" }, `${size} px`);
    button.dataset.size = size;
    button.addEventListener("click", () => turn("size", size));
    return button;
  });
  $("sizes").replaceChildren(...buttons);
}

// What the run says.

function entry(name, value, own) {
  const head = make("th", { scope: "row" }, name);
  head.style.setProperty("--own", own);
  return make("tr", {}, head, make("td", {}, value));
}

function showTerms(point) {
  const shown = point || chart.points[chart.points.length - 1];
  if (!shown) return;
  $("when").textContent = point ? `step ${point[0]}` : "now";
  const number = (value) => (value === null ? "-" : rounded(value, 4));
  const rows = chart.used.map((index) => [chart.names[index], number(shown[index + 1]), colour(index)]);
  $("terms").tBodies[0].replaceChildren(...rows.map((row) => entry(...row)));
  $("chart").setAttribute("aria-label", `loss at step ${shown[0]}: ${rows.map(([a, b]) => `${a} ${b}`).join(", ")}`);
}

function figures() {
  const rows = [["size", state.size.join(" x ") + " px"], ["step", `${state.steps} of ${state.goal}`]];
  if (state.rate) rows.push(["rate", state.rate < 1 ? `${rounded(1 / state.rate, 3)} s a step` : `${rounded(state.rate, 3)} steps a second`]);
  if (state.left !== null && state.phase === "painting") rows.push(["left", `${Math.round(state.left)} s`]);
  rows.push(["memory", state.memory], ["network", about.weights]);
  $("figures").replaceChildren(...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

const phases = {
  empty: "choose a photo and a painting",
  beginning: "reading and compiling",
  painting: "painting: turn any knob",
  resting: "done for now: turn a knob, refine, or save",
  paused: "paused",
};

function say() {
  const waits = state.waiting ? `; ${state.waiting} waiting` : "";
  const text = phases[state.phase] + waits;
  if ($("status").textContent !== text) $("status").textContent = text;
  document.title = `${state.phase === "painting" ? `${Math.round((100 * state.steps) / state.goal)} % ` : ""}jaxstyle studio`;
  if (state.message) problem(state.message);
  const none = !state.knobs;
  for (const control of document.querySelectorAll("#knobs input, #knobs select, #sizes button, .save, #command")) control.disabled = none;
  for (const id of ["pause", "undo"]) $(id).disabled = none;
  $("pause").textContent = state.phase === "painting" ? "Pause" : "Go on";
  $("next").hidden = !state.waiting || none;
}

async function show() {
  say();
  if (!state.knobs) return;
  if (state.run !== run) {
    run = state.run;
    chart.points = [];
    state.curves.points = []; // the latest alone: all come with the next look
    view.clear();
    [chosen.content, chosen.styles] = [state.content, [...state.styles]];
    showChosen();
    showShares();
  }
  $("bar").value = state.steps / Math.max(1, state.goal);
  for (const name of [...sliders, "color"]) {
    // Not what is being turned here.
    if (Date.now() - (touched.get(name) || 0) < 2000) continue;
    if (name === "color") $("color").value = state.knobs.color;
    else setKnob(name, state.knobs[name]);
  }
  if (!state.frozen && !$("thaw").disabled) view.clear(); // undone
  $("thaw").disabled = !state.frozen;
  for (const button of $("sizes").children) button.setAttribute("aria-pressed", String(Number(button.dataset.size) === Math.max(...state.size)));
  figures();
  if (state.curves.points.length) chart.add(state.curves);
  if (state.picture !== have && !document.hidden) {
    await view.show(state.picture);
    have = state.picture;
  }
}

let phase = "";
async function watch() {
  let failures = 0;
  for (;;) {
    try {
      if (!about || (state && state.phase !== phase)) {
        phase = state ? state.phase : "";
        const first = !about;
        about = await (await fetch("about")).json();
        if (first) [showExamples(), showSizes()];
        showHistory();
      }
      const since = state && state.run === run ? chart.last : -1;
      state = await (await fetch(`state?page=${page}&since=${since}`)).json();
      await show();
      failures = 0;
    } catch {
      failures += 1;
      if (failures > 3) $("status").textContent = "the program does not answer; its results are in its folder";
    }
    await pause(EVERY);
  }
}

// Buttons, drops, pastes.

$("pause").addEventListener("click", () => ask("pause", { on: state.phase === "painting" }));
$("undo").addEventListener("click", () => ask("undo"));
$("next").addEventListener("click", () => ask("next"));
$("thaw").addEventListener("click", () => {
  view.clear();
  ask("freeze");
});
$("begin").addEventListener("click", begin);

async function save(ending) {
  const told = await ask("save", { ending });
  if (told) $("saved").textContent = `saved as ${told.name} in ${about.folder}`;
  return told;
}
for (const button of document.querySelectorAll(".save")) {
  button.addEventListener("click", async () => {
    const told = await save(button.dataset.ending);
    if (told) make("a", { href: `download/${encodeURIComponent(told.name)}`, download: told.name }).click();
  });
}
$("command").addEventListener("click", async () => {
  const told = await save(".png");
  if (!told) return;
  const line = make("code", {}, told.command);
  try {
    await navigator.clipboard.writeText(told.command);
    $("saved").replaceChildren("copied", line);
  } catch {
    $("saved").replaceChildren("copy this", line);
  }
  $("saved").append(` It cannot say ${told.unsaid.join("; ")}.`);
});

for (const [id, kind] of [["content-file", "content"], ["style-file", "style"]]) {
  $(id).addEventListener("change", async () => {
    await upload([...$(id).files], kind);
    $(id).value = "";
  });
}
for (const [id, kind] of [["drop-content", "content"], ["drop-style", "style"], ["frame", null]]) {
  const mark = (on) => (event) => {
    event.preventDefault();
    $(id).classList.toggle("drop-here", on);
  };
  $(id).addEventListener("dragover", mark(true));
  $(id).addEventListener("dragleave", mark(false));
  $(id).addEventListener("drop", (event) => {
    mark(false)(event);
    upload([...event.dataTransfer.files], kind);
  });
}
document.addEventListener("paste", (event) => upload([...event.clipboardData.files], null));

watch();
