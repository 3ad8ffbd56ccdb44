// The picture: divider, zoom, freeze brush.
const $ = (id) => document.getElementById(id);

export class View {
  // `frozen` is called with a PNG of the mask, white where the picture is to stay.
  constructor(frozen) {
    this.frozen = frozen;
    this.urls = {};
    this.cursor = [0.5, 0.5];
    this.drawing = false;
    $("split").addEventListener("input", () => this.place(Number($("split").value)));
    $("zoom").addEventListener("change", () => this.zoom());
    $("freeze").addEventListener("click", () => this.toggle());
    $("frame").addEventListener("pointerdown", (event) => this.drag(event));
    $("frame").addEventListener("pointermove", (event) => event.buttons && this.drag(event));
    const brush = $("brush");
    brush.addEventListener("pointerdown", (event) => this.begin(event));
    brush.addEventListener("pointermove", (event) => this.drawing && this.stroke(this.at(event)));
    brush.addEventListener("pointerup", () => this.end());
    brush.addEventListener("keydown", (event) => this.key(event));
  }

  // Loaded into memory, so that it stays when the program has ended.
  async load(id, path) {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error(String(answer.status));
    const url = URL.createObjectURL(await answer.blob());
    $(id).src = url;
    await $(id).decode();
    $(id).hidden = false;
    if (this.urls[id]) URL.revokeObjectURL(this.urls[id]);
    this.urls[id] = url;
  }

  async show(version) {
    await this.load("now", `picture/now.jpg?${version}`);
    const { naturalWidth, naturalHeight } = $("now");
    if (this.size !== `${naturalWidth}x${naturalHeight}`) {
      this.size = `${naturalWidth}x${naturalHeight}`;
      $("picture").style.setProperty("--ratio", naturalWidth / naturalHeight);
      await this.load("before", `picture/before.jpg?${version}`);
      $("frame").classList.add("both");
      $("slider").hidden = $("tools").hidden = false;
      this.place(Number($("split").value));
      this.zoom();
    }
  }

  place(percent) {
    $("frame").style.setProperty("--split", `${percent}%`);
    $("split").value = percent;
  }

  drag(event) {
    if (!$("brush").hidden || $("zoom").value !== "fit" || !$("frame").classList.contains("both")) return;
    const box = $("frame").getBoundingClientRect();
    this.place(Math.round(100 * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width))));
  }

  zoom() {
    const factor = $("zoom").value;
    $("frame").classList.toggle("zoomed", factor !== "fit");
    const side = (length) => (factor === "fit" ? "" : `${(length * factor) / devicePixelRatio}px`);
    $("canvas").style.width = side($("now").naturalWidth);
    $("canvas").style.height = side($("now").naturalHeight);
  }

  toggle() {
    const on = $("brush").hidden;
    $("freeze").setAttribute("aria-pressed", String(on));
    $("brush").hidden = !on;
    if (!on) return;
    const brush = $("brush");
    const scale = 512 / Math.max($("now").naturalWidth, $("now").naturalHeight);
    const size = [$("now").naturalWidth, $("now").naturalHeight].map((n) => Math.max(1, Math.round(n * scale)));
    // What is painted stays through all sizes, whose shapes differ by rounding.
    if (Math.hypot(brush.width - size[0], brush.height - size[1]) > 3) [brush.width, brush.height] = size;
    this.place(0);
    brush.focus();
  }

  clear() {
    $("brush").width = $("brush").width;
  }

  at(event) {
    const box = $("brush").getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  begin(event) {
    $("brush").setPointerCapture(event.pointerId);
    this.drawing = true;
    this.cursor = this.at(event);
    this.stroke(this.cursor);
  }

  stroke([x, y]) {
    const brush = $("brush");
    const pen = brush.getContext("2d");
    pen.lineCap = pen.lineJoin = "round";
    pen.strokeStyle = "#ffffff";
    pen.lineWidth = (Number($("width").value) / 100) * brush.width;
    pen.beginPath();
    pen.moveTo(this.cursor[0] * brush.width, this.cursor[1] * brush.height);
    pen.lineTo(x * brush.width, y * brush.height);
    pen.stroke();
    this.cursor = [x, y];
  }

  end() {
    if (!this.drawing) return;
    this.drawing = false;
    const mask = document.createElement("canvas");
    [mask.width, mask.height] = [$("brush").width, $("brush").height];
    const pen = mask.getContext("2d");
    pen.fillRect(0, 0, mask.width, mask.height); // black
    pen.drawImage($("brush"), 0, 0);
    mask.toBlob((blob) => this.frozen(blob), "image/png");
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === " ") {
      event.preventDefault();
      this.drawing = true;
      this.stroke(this.cursor);
      this.end();
    } else if (event.key === "Escape") {
      this.toggle();
      $("freeze").focus();
    } else if (moves[event.key]) {
      event.preventDefault();
      this.cursor = this.cursor.map((here, axis) => Math.min(1, Math.max(0, here + 0.02 * moves[event.key][axis])));
      $("brush").setAttribute("aria-label", `freeze brush at ${this.cursor.map((n) => `${Math.round(100 * n)} %`).join(", ")}: space paints`);
    }
  }
}
