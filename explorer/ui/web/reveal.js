// Two pictures under one edge that is dragged over them or moved with the arrow keys, and the table of all numbers.
// Neither takes part in a drag of the other controls: the edge is drawn only when it is open, the table when a setting
// has settled.

const TABLE_MS = 160; // so long after the last frame the table is filled
// Title, key, digits, scale, whether higher is better.
const columnsOf = (data) => [
  ...data.metrics.map((row) => [
    row.unit ? `${row.title},${row.unit}` : row.title,
    row.key,
    row.digits,
    row.scale,
    row.higher,
  ]),
  ["P(true class)", "truth", 3, 1, true],
];

// A frame's cards with the probability of the true class, the control last and marked as one.
const rowsOf = (frame) => {
  const row = (card, control) => ({
    ...card,
    control,
    truth: frame.label === null || !card.probabilities ? null : card.probabilities[frame.label],
  });
  return [...frame.cards.map((card) => row(card, false)), ...(frame.paste ? [row(frame.paste, true)] : [])];
};

const bestIn = (rows, key, higher) =>
  bestOf(
    rows.map((row) => row[key]),
    higher,
  );

class Reveal {
  constructor(bench) {
    this.bench = bench;
  }

  get open() {
    return this.details?.open ?? false;
  }

  show(frame) {
    this.frame = frame;
    const sides = [{ title: "Sent: x", picture: 0, error: null, psnr: null }, ...rowsOf(frame)];
    const key = sides.map(({ title }) => title).join("|");
    this.sides = Object.fromEntries(sides.map((side) => [side.title, side]));
    if (this.key !== key) {
      this.key = key;
      this.build(
        sides.map(({ title }) => title),
        frame.paste ? 1 : 0,
      );
    }
    this.paint();
  }

  pick(label, titles, chosen) {
    const kept = this[label]?.value;
    return make(
      "select",
      { "aria-label": `${label} picture`, onchange: () => this.paint() },
      ...titles.map((title) =>
        make("option", { value: title, selected: title === (titles.includes(kept) ? kept : chosen) }, title),
      ),
    );
  }

  build(titles, controls) {
    const open = this.open,
      last = titles[Math.max(0, titles.length - 1 - controls)];
    this.Left = this.pick("Left", titles, titles[Math.min(1, titles.length - 1)]);
    this.Right = this.pick("Right", titles, last);
    this.what = make(
      "select",
      { "aria-label": "What is shown", onchange: () => this.paint() },
      make("option", { value: "picture" }, "Pictures"),
      make("option", { value: "error", selected: this.what?.value === "error" }, "Error maps"),
    );
    this.under = make("canvas", { role: "img" });
    this.over = make("canvas", { class: "over", role: "img" });
    this.edge = make("div", { class: "edge" });
    const frame = make("div", { class: "frame" }, this.under, this.over, this.edge);
    this.cut = make("input", {
      type: "range",
      class: "cut",
      min: 0,
      max: 100,
      value: this.cut?.value ?? 50,
      "aria-label": "Edge between the two pictures",
      oninput: () => this.move(frame),
    });
    frame.append(this.cut);
    this.summary = make("p", { class: "note", "aria-live": "polite" });
    const field = (name, node) => make("div", { class: "field" }, make("span", { class: "name" }, name), node);
    this.details = make(
      "details",
      { open, ontoggle: () => this.paint() },
      make("summary", {}, "Compare two pictures with a slider"),
      make(
        "div",
        { class: "two" },
        frame,
        make(
          "div",
          { class: "sides" },
          field("Left of the edge", this.Left),
          field("Right of the edge", this.Right),
          field("Show", this.what),
          this.summary,
          make("p", { class: "note" }, "Drag the edge over the picture, or move it with the arrow keys."),
        ),
      ),
    );
    this.bench.part("reveal").replaceChildren(this.details);
    this.move(frame);
  }

  move(frame) {
    frame.style.setProperty("--cut", `${this.cut.value}%`);
    this.cut.setAttribute(
      "aria-valuetext",
      `${this.cut.value} % ${this.Left.value}, ${100 - this.cut.value} % ${this.Right.value}`,
    );
  }

  paint() {
    if (!this.open || !this.frame) return;
    const what = this.what.value,
      noun = what === "error" ? "Error map" : "Picture";
    for (const [canvas, select] of [
      [this.under, this.Left],
      [this.over, this.Right],
    ]) {
      const side = this.sides[select.value];
      if (side[what] === null)
        this.black(canvas); // x has no error
      else this.bench.draw(canvas, side[what]);
      canvas.setAttribute("aria-label", `${noun}: ${select.value}`);
    }
    const psnr = (select) => {
      const side = this.sides[select.value];
      return `${select.value}${side.psnr === null ? "" : `: PSNR ${fixed(side.psnr, 2)} dB`}`;
    };
    const text = `Left ${psnr(this.Left)} · right ${psnr(this.Right)}`;
    if (this.summary.textContent !== text) this.summary.textContent = text;
  }

  black(canvas) {
    const { width, height } = this.frame;
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    context.fillStyle = this.bench.data.error_colours[0];
    context.fillRect(0, 0, width, height);
  }
}

class Table {
  constructor(bench) {
    this.bench = bench;
  }

  // Numbers of another setting are hidden at once; the new ones come when the movement has ended.
  later(frame) {
    const part = this.bench.part("numbers");
    if (!this.waiting) {
      part.classList.add("moving");
      this.waiting = true;
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.waiting = false;
      this.show(frame, part);
    }, TABLE_MS);
  }

  stop() {
    clearTimeout(this.timer);
    this.waiting = false;
  }

  cell(row, [, key, digits, scale], best, above) {
    const value = row[key];
    if (value === null || value === undefined) return make("td", {}, "–");
    const mark = !row.control && value === best[key] ? "★ " : row.control && above[key] ? "▲ " : "";
    return make(
      "td",
      {
        class: mark ? "best" : "",
        title: mark === "★ " ? "best of the networks" : mark ? "the control is better than every network" : "",
      },
      mark + fixed(scale * value, digits),
    );
  }

  show(frame, part) {
    const rows = rowsOf(frame),
      networks = rows.filter((row) => !row.control),
      { classes } = this.bench.data,
      columns = columnsOf(this.bench.data);
    const best = Object.fromEntries(columns.map(([, key, , , higher]) => [key, bestIn(networks, key, higher)]));
    const control = rows.find((row) => row.control);
    const above = Object.fromEntries(
      columns.map(([, key, , , higher]) => [
        key,
        control &&
          control[key] !== null &&
          best[key] !== null &&
          (higher ? control[key] > best[key] : control[key] < best[key]),
      ]),
    );
    const top = (row) => {
      if (!row.probabilities) return make("td", {}, "–");
      const place = row.probabilities.indexOf(Math.max(...row.probabilities));
      const sign = frame.label === null ? "" : place === frame.label ? "✓ " : "✗ ";
      return make("td", { class: "word" }, `${sign}${classes[place]} ${percent(row.probabilities[place])}`);
    };
    const head = make(
      "tr",
      {},
      make("th", { scope: "col" }, "Variant"),
      ...columns.map(([name]) => make("th", { scope: "col" }, name)),
      make("th", { scope: "col", class: "word" }, "Judge says"),
    );
    const body = rows.map((row) =>
      make(
        "tr",
        { class: row.control ? "control" : "" },
        make("th", { scope: "row" }, row.title),
        ...columns.map((column) => this.cell(row, column, best, above)),
        top(row),
      ),
    );
    part.replaceChildren(
      make(
        "table",
        {},
        make(
          "caption",
          {},
          `All numbers at ${frame.ask.snr_db.toFixed(1)} dB, seed ${frame.ask.seed}. ★ best network${Object.values(above).some(Boolean) ? ", ▲ the control is better than every network" : ""}.`,
        ),
        make("thead", {}, head),
        make("tbody", {}, ...body),
      ),
    );
    part.hidden = !rows.length;
    part.classList.remove("moving");
  }
}
