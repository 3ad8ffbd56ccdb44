import { Chart, colour } from "./chart.js";

const EVERY = 1000; // ms between two looks at the run
const MOST_FAILURES = 3;
const $ = (id) => document.getElementById(id);
const page = Math.random().toString(36).slice(2);
const chart = new Chart($("chart"), showTerms);
let waiting = new AbortController();
let state = null;
let have = 0; // version of the picture
let about = { title: "jaxstyle", output: "" };

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const rounded = (value, digits) => String(Number(value.toPrecision(digits)));
const number = (value) => (value === null ? "-" : rounded(value, 4));

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "not known yet";
  const whole = Math.round(seconds);
  const [h, min, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h) return `${h} h ${min} min`;
  return min ? `${min} min ${s} s` : `${s} s`;
}

async function get(path, signal) {
  const answer = await fetch(path, { signal });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer;
}

function entry(name, value, colour) {
  const [row, head, cell] = ["tr", "th", "td"].map((tag) => document.createElement(tag));
  head.scope = "row";
  head.style.setProperty("--own", colour);
  [head.textContent, cell.textContent] = [name, value];
  row.append(head, cell);
  return row;
}

function showTerms(point) {
  const shown = point || chart.points[chart.points.length - 1];
  if (!shown) return;
  $("when").textContent = point ? `step ${point[0]}` : "now";
  const used = chart.used.map((index) => [chart.names[index], number(shown[index + 1]), colour(index)]);
  $("terms").tBodies[0].replaceChildren(...used.map((row) => entry(...row)));
  const text = used.map(([name, value]) => `${name} ${value}`).join(", ");
  $("chart").setAttribute("aria-label", `loss at step ${shown[0]}: ${text}`);
}

function pair(name, value) {
  const [term, text] = [document.createElement("dt"), document.createElement("dd")];
  term.textContent = name;
  // Lists such as relu1_1,relu2_1 break after a comma.
  text.append(...String(value).split(/(?<=,)/).flatMap((part) => [part, document.createElement("wbr")]));
  return [term, text];
}

function showSettings(settings) {
  const entries = Object.entries(settings).map(([name, value]) => {
    const row = document.createElement("div");
    row.append(...pair(name, value));
    return row;
  });
  $("settings").replaceChildren(...entries);
}

// Loaded into memory, so that it stays when the program has ended.
async function load(image, path) {
  const url = URL.createObjectURL(await (await get(path)).blob());
  const old = image.src;
  image.src = url;
  await image.decode();
  image.hidden = false;
  if (old) URL.revokeObjectURL(old);
  return image.naturalWidth / image.naturalHeight;
}

async function showPicture(version) {
  const ratio = await load($("now"), `now.jpg?page=${page}&version=${version}`);
  if (!about.content) $("picture").style.setProperty("--ratio", ratio);
  const both = Boolean(about.content);
  $("frame").classList.toggle("both", both);
  if (both && $("slider").hidden) {
    $("slider").hidden = false;
    place(0);
  }
  have = version;
}

function place(percent) {
  $("frame").style.setProperty("--split", `${percent}%`);
  $("split").value = percent;
}

const words = {
  starting: () => "preparing: reading, compiling",
  running: () => `running; the result will be saved to ${about.output || "its file"}`,
  stopping: () => "stopping after this step, then saving",
  finished: () => "finished",
  failed: () => "the run has failed",
  lost: () => "the program that ran this has gone: this is the last that was seen",
};

function say(phase, message) {
  const text = message ? `${words[phase]()}: ${message}` : words[phase]();
  if ($("status").textContent !== text) $("status").textContent = text;
  $("status").className = phase;
  $("stop").disabled = !["starting", "running"].includes(phase);
  $("stop").hidden = ["finished", "failed", "lost"].includes(phase);
  const share = state && state.share !== null ? `${Math.round(100 * state.share)} % ` : "";
  document.title = `${phase === "running" ? share : `${phase}: `}${about.title}`;
}

function figures() {
  const pairs = [];
  const running = !state.ended;
  if (state.level) {
    pairs.push(["level", `${state.level} of ${state.levels}, ${state.size} px`]);
    pairs.push(["step", state.steps ? `${state.step} of ${state.steps}` : state.step]);
    pairs.push(["loss", `${number(state.best)} at best`]);
    if (state.rate) {
      pairs.push(["rate", state.rate < 1 ? `${rounded(1 / state.rate, 3)} s a step` : `${rounded(state.rate, 3)} steps a second`]);
    }
  }
  pairs.push(["time", duration(state.seconds)]);
  if (running) pairs.push(["left", duration(state.left)]);
  pairs.push(["memory", state.memory]);
  $("figures").replaceChildren(...pairs.flatMap(([name, value]) => pair(name, value)));
}

async function show() {
  if (state.share === null) $("bar").removeAttribute("value");
  else $("bar").value = state.share;
  say(state.phase, state.message);
  figures();
  if (state.curves.points.length || chart.points.length) chart.add(state.curves);
  if (state.picture > have && (!document.hidden || state.ended)) await showPicture(state.picture);
}

// In the background it only waits for the end.
async function look() {
  waiting = new AbortController();
  const wait = document.hidden ? "&wait" : "";
  const answer = await get(`state?page=${page}&since=${chart.last}${wait}`, waiting.signal);
  state = await answer.json();
  await show();
}

async function watch() {
  about = await (await get("about")).json();
  $("title").textContent = about.title;
  showSettings(about.settings);
  if (about.content) load($("before"), "content.jpg").then((ratio) => $("picture").style.setProperty("--ratio", ratio));
  if (about.style) load($("style"), "style.jpg");
  place(100);
  let failures = 0;
  while (failures < MOST_FAILURES) {
    try {
      await look();
      failures = 0;
      if (state.ended) return;
      if (!document.hidden) await pause(EVERY);
    } catch (error) {
      if (error.name === "AbortError") continue;
      failures += 1;
      await pause(EVERY);
    }
  }
  say("lost", "");
}

document.addEventListener("visibilitychange", () => waiting.abort());
$("split").addEventListener("input", () => place(Number($("split").value)));
$("stop").addEventListener("click", async () => {
  $("stop").disabled = true;
  try {
    await fetch("stop", { method: "POST" });
    say("stopping", "");
  } catch {
    $("stop").disabled = false;
  }
});

function drag(event) {
  if (!$("frame").classList.contains("both")) return;
  if (event.type === "pointermove" && event.buttons === 0) return;
  const box = $("frame").getBoundingClientRect();
  place(Math.round(100 * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width))));
}
$("frame").addEventListener("pointerdown", (event) => {
  $("frame").setPointerCapture(event.pointerId);
  drag(event);
});
$("frame").addEventListener("pointermove", drag);

watch().catch(() => say("lost", ""));
