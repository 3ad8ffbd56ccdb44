// Curves on a logarithmic scale, drawn as SVG.
const SPACE = "http://www.w3.org/2000/svg";
const MARGIN = { left: 46, right: 8, top: 18, bottom: 20 };
const COLOURS = 6;

export const colour = (index) => `var(--line-${index % COLOURS})`;

function element(name, attributes, text) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// 1, 2, 5, 10 ... within the range, or only powers of ten where that is enough.
function logTicks([low, high]) {
  const digits = high / low > 300 ? [1] : high / low > 20 ? [1, 3] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const digit of digits) {
      const tick = digit * 10 ** power;
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  const every = Math.ceil(ticks.length / 7);
  return ticks.filter((_, index) => index % every === 0);
}

function stepTicks(first, last, most) {
  const rough = Math.max(1, (last - first) / most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const every = power * [1, 2, 5, 10].find((digit) => digit * power >= rough);
  const ticks = [];
  for (let tick = Math.ceil(first / every) * every; tick <= last; tick += every) ticks.push(tick);
  return ticks;
}

export class Chart {
  // `tell` is called with the point under the cursor, or null.
  constructor(box, tell) {
    this.box = box;
    this.tell = tell;
    this.names = [];
    this.points = [];
    this.breaks = [];
    this.cursor = null;
    new ResizeObserver(() => this.draw()).observe(box);
    box.addEventListener("pointermove", (event) => this.pick(event.clientX));
    box.addEventListener("pointerleave", () => this.move(null));
    box.addEventListener("blur", () => this.move(null));
    box.addEventListener("keydown", (event) => this.key(event));
  }

  add({ names, points, breaks }) {
    this.names = names;
    this.breaks = breaks;
    for (const point of points) this.points.push(point);
    // Far more than there are pixels: every second one will do.
    while (this.points.length > 4000) this.points = this.points.filter((_, index) => index % 2 === 0);
    this.draw();
  }

  // The terms that are more than zero anywhere.
  get used() {
    const indices = [...this.names.keys()];
    return indices.filter((index) => index === 0 || this.points.some((point) => point[index + 1] > 0));
  }

  get last() {
    return this.points.length ? this.points[this.points.length - 1][0] : -1;
  }

  key(event) {
    if (!this.points.length || !["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const end = this.points.length - 1;
    const stride = Math.max(1, Math.round(end / 100));
    const here = this.cursor === null ? end : this.cursor;
    const to = { ArrowLeft: here - stride, ArrowRight: here + stride, Home: 0, End: end }[event.key];
    this.move(Math.min(end, Math.max(0, to)));
  }

  pick(clientX) {
    if (!this.points.length) return;
    const step = this.stepAt(clientX - this.box.getBoundingClientRect().left);
    let low = 0;
    let high = this.points.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.points[middle][0] < step) low = middle + 1;
      else high = middle;
    }
    this.move(low);
  }

  move(cursor) {
    this.cursor = cursor;
    this.draw();
  }

  draw() {
    const width = this.box.clientWidth;
    const height = this.box.clientHeight;
    const values = this.points.flatMap((point) => point.slice(1)).filter((value) => value > 0);
    if (!width || !values.length) return;
    if (this.cursor !== null && this.cursor >= this.points.length) this.cursor = null;
    const least = values.reduce((a, b) => Math.min(a, b));
    const range = [least, Math.max(values.reduce((a, b) => Math.max(a, b)), least * 1.5)];
    // A term that is next to nothing must not flatten the others: it is left out.
    range[0] = Math.max(range[0], range[1] * 1e-4);
    const first = this.points[0][0];
    const last = Math.max(this.last, first + 1);
    const inner = width - MARGIN.left - MARGIN.right;
    const x = (step) => MARGIN.left + ((step - first) / (last - first)) * inner;
    const tall = height - MARGIN.top - MARGIN.bottom;
    const span = Math.log(range[1] / range[0]);
    const y = (value) => MARGIN.top + (1 - Math.log(value / range[0]) / span) * tall;
    this.stepAt = (left) => first + ((left - MARGIN.left) / inner) * (last - first);

    const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    for (const tick of logTicks(range)) {
      svg.append(element("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) }));
      const label = tick >= 1e-3 && tick < 1e5 ? String(Number(tick.toPrecision(2))) : tick.toExponential(0);
      svg.append(element("text", { x: MARGIN.left - 6, y: y(tick) + 4, "text-anchor": "end" }, label));
    }
    for (const tick of stepTicks(first, last, inner / 60)) {
      svg.append(element("text", { x: x(tick), y: height - 4, "text-anchor": "middle" }, tick));
    }
    this.levels(svg, x, height);
    // The sum comes last: above its parts.
    for (let index = this.names.length; index >= 1; index--) {
      const line = element("path", { d: this.path(index, range[0], x, y) });
      line.style.stroke = colour(index - 1);
      svg.append(line);
    }
    if (this.cursor !== null) {
      const at = x(this.points[this.cursor][0]);
      svg.append(element("line", { class: "cursor", x1: at, x2: at, y1: MARGIN.top, y2: height - MARGIN.bottom }));
    }
    this.box.replaceChildren(svg);
    this.tell(this.cursor === null ? null : this.points[this.cursor]);
  }

  levels(svg, x, height) {
    let free = 0;
    for (const [step, size] of this.breaks) {
      const at = x(step);
      svg.append(element("line", { class: "level", x1: at, x2: at, y1: MARGIN.top, y2: height - MARGIN.bottom }));
      if (at < free) continue;
      svg.append(element("text", { x: at + 2, y: MARGIN.top - 6 }, size));
      free = at + size.length * 6.5 + 10;
    }
  }

  path(index, least, x, y) {
    const parts = [];
    let pen = "M";
    for (const point of this.points) {
      const value = point[index];
      if (value >= least) {
        parts.push(`${pen}${x(point[0]).toFixed(1)} ${y(value).toFixed(1)}`);
        pen = "L";
      } else {
        pen = "M";
      }
    }
    return parts.join("");
  }
}
