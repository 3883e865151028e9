// What live pages share: controls, asking for frames, and drawing their pictures and numbers.
// A moved control asks the server's stateless route; one request is under way at a time, the newest setting is asked
// next. Pictures and numbers of a frame are drawn together, after its pictures are decoded, so that a number never
// stands beside a picture of another setting.

const PENDING_MS = 150; // an answer that takes longer is shown as pending
const SETTLE_MS = 350; // after the last movement the setting goes into the page's address
const RETRY_MS = 700;
const LOGGED = 2000;
const TOP = 3; // classes shown of ten
// The metrics of a card as rows: title, key, digits, unit, scale, whether higher is better.
const metricsOf = (data) =>
  data.metrics.map((row) => [row.title, row.key, row.digits, row.unit, row.scale, row.higher]);
// The best of some numbers; null where there are none.
const bestOf = (numbers, higher = true) => {
  const known = numbers.filter((value) => value !== null && value !== undefined);
  return known.length ? (higher ? Math.max : Math.min)(...known) : null;
};

const make = (tag, props = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key in node && key !== "list") node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};
// Text and attributes are written where they change alone: writing makes the browser lay the page out again.
const put = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};
const tell = (node, name, value) => {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
};
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const fixed = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits));
const percent = (value) => `${(100 * value).toFixed(0)} %`;
// A rate is 1/rho as text, "16" or "96/5"; rho is shown as "1/16" or "5/96".
const rateParts = (rate) => rate.split("/").map(Number);
const rateValue = (rate) => {
  const [over, under = 1] = rateParts(rate);
  return over / under;
};
const rhoText = (rate) => {
  const [over, under = 1] = rateParts(rate);
  return `${under}/${over}`;
};
const divisor = (a, b) => (b ? divisor(b, a % b) : a);
// rho as it was sent: in 96ths where that is exact, else (a picture that was padded) as one over a number.
const ratioText = (values, symbols) => {
  const maps = (96 * symbols) / values,
    common = Number.isInteger(maps) ? divisor(96, maps) : 0;
  return common ? `${maps / common}/${96 / common}` : `1/${Number((values / symbols).toPrecision(3))}`;
};
const falling = (rates) => [...rates].sort((a, b) => rateValue(b) - rateValue(a));
const thousands = (value) => value.toLocaleString("en-US");

const tipOf = (text, id) => make("small", { class: "tip", id: `${id}-tip` }, text);

const article = (name) => (/^[aeiou]/.test(name) ? `an ${name}` : `a ${name}`);

// "DeepJSCC-WZ (rec)" -> ["DeepJSCC-WZ", "rec"]
const split = (title) => {
  const match = /^(.*?) \((.*)\)$/.exec(title);
  return match ? [match[1], match[2]] : [title, ""];
};

const bar = (colours) => {
  const node = make("i", {});
  node.style.background = `linear-gradient(90deg, ${colours.join(", ")})`;
  return node;
};

const decode = async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return createImageBitmap(new Blob([bytes], { type: "image/png" }));
};

class Live {
  constructor(root) {
    this.root = root.querySelector(".bench");
    this.root.live = this; // for measurements
    this.part = (name) => this.root.querySelector(`.${name}`);
    this.version = null;
    this.sequence = 0;
    this.busy = false;
    this.dirty = false;
    this.answered = false; // once: what lies below the component waits for its first answer
    this.frames = 0;
    this.log = []; // of each frame: ms from movement to picture, ms of them computing, sequence number, ms from request to picture
    this.closed = false;
  }

  get route() {
    return "frame";
  }

  // The page was run (again): adopt what it says; the visitor's own setting wins unless the page gives a new version.
  update(data, emit) {
    this.data = data;
    this.emit = emit;
    const first = this.version === null;
    const moved = first || data.version !== this.version;
    if (first) this.state = this.begin(data);
    else if (moved) this.state.pair = data.view.pair;
    this.version = data.version;
    if (first || this.catalogueKey !== JSON.stringify(data.catalogue)) this.buildControls();
    if (first || this.galleryKey !== (data.gallery ? data.gallery.sheet : "")) this.buildGallery();
    if (moved) {
      this.syncControls();
      this.request();
    }
    if ((moved && !first) || this.untold) this.settle(); // a rerun must not swallow a report that was due
  }

  begin(data) {
    return { ...data.view };
  }

  // ---- controls -------------------------------------------------------------------------------------------------

  slider(name, label, min, max, step, tip, onInput) {
    const id = `wz-${name}`;
    const input = make("input", {
      type: "range",
      id,
      min,
      max,
      step,
      title: tip,
      "aria-label": label,
      "aria-describedby": `${id}-tip`,
      oninput: onInput,
    });
    input.addEventListener("change", () => this.settle());
    const output = make("output", { for: id });
    const field = make(
      "div",
      { class: "field" },
      make("div", { class: "row" }, make("label", { for: id, title: tip }, label), output),
      input,
      tipOf(tip, id),
    );
    this[name] = { input, output, field };
    return field;
  }

  choice(name, label, options, tip) {
    const id = `wz-${name}`;
    const select = make(
      "select",
      { id, title: tip, onchange: () => this.move({ [name]: select.value }) },
      ...Object.entries(options).map(([value, text]) => make("option", { value }, text)),
    );
    this[name] = select;
    select.setAttribute("aria-describedby", `${id}-tip`);
    return make("div", { class: "field" }, make("label", { for: id, title: tip }, label), select, tipOf(tip, id));
  }

  check(name, label, tip) {
    const input = make("input", {
      type: "checkbox",
      onchange: () => {
        this.state[name] = input.checked;
        this.paintToggles();
        this.settle();
      },
    });
    this[name] = input;
    return make("label", { class: "chip", title: tip }, input, label);
  }

  group(label, tip, ...chips) {
    const id = `wz-${label.replace(/\W+/g, "-")}`;
    return make(
      "div",
      { class: "group" },
      make("span", { class: "name", title: tip }, label),
      make("div", { class: "chips", role: "group", "aria-label": label, "aria-describedby": `${id}-tip` }, ...chips),
      tipOf(tip, id),
    );
  }

  // SNR, bandwidth ratio and ROI opacity; the page says which rates there are.
  coreSliders() {
    const {
      snr_range: [low, high],
      tips,
    } = this.data;
    return [
      this.slider("snr", "SNR", low, high, 0.5, tips.snr, () => this.move({ snr: Number(this.snr.input.value) })),
      this.slider("rate", "Bandwidth ratio", 0, 1, 1, tips.rate, () =>
        this.move({ rate: this.rates()[Number(this.rate.input.value)] }),
      ),
      this.slider("opacity", "ROI opacity", 0, 100, 1, tips.opacity, () => {
        this.state.opacity = Number(this.opacity.input.value);
        this.state.overlay = true; // who moves it wants to see it
        this.syncControls();
        this.paintToggles();
        this.settle();
      }),
    ];
  }

  // Every control's tip in the open: a mouse finds them by hovering.
  explain() {
    const explain = make("input", {
      type: "checkbox",
      onchange: () => this.root.classList.toggle("explain", explain.checked),
    });
    return make("label", { class: "chip" }, explain, "Explain the controls");
  }

  seedField() {
    const { tips, max_seed: most } = this.data;
    const seed = make("input", {
      class: "number",
      type: "number",
      id: "wz-seed",
      "aria-describedby": "wz-seed-tip",
      min: 0,
      max: most,
      step: 1,
      title: tips.seed,
      onchange: () => this.move({ seed: clamp(Math.round(Number(seed.value)) || 0, 0, most) }),
    });
    this.seed = seed;
    const draw = make(
      "button",
      { type: "button", onclick: () => this.move({ seed: (this.state.seed + 1) % most }) },
      "New noise",
    );
    return make(
      "div",
      { class: "field" },
      make("label", { for: "wz-seed", title: tips.seed }, "Noise seed"),
      make("div", { class: "inline" }, seed, draw),
      tipOf(tips.seed, "wz-seed"),
    );
  }

  syncCore() {
    const state = this.state,
      rates = this.rates();
    if (rates.length && !rates.includes(state.rate)) {
      const distance = (rate) => Math.abs(1 / rateValue(rate) - 1 / rateValue(state.rate));
      state.rate = rates.reduce((best, rate) => (distance(rate) < distance(best) ? rate : best));
    }
    this.snr.input.value = state.snr;
    put(this.snr.output, `${state.snr.toFixed(1)} dB`);
    tell(this.snr.input, "aria-valuetext", `${state.snr.toFixed(1)} decibel`);
    this.rate.input.max = Math.max(rates.length - 1, 0);
    this.rate.input.disabled = rates.length < 2;
    this.rate.input.value = Math.max(rates.indexOf(state.rate), 0);
    put(this.rate.output, rates.length ? rhoText(state.rate) : "–");
    tell(this.rate.input, "aria-valuetext", rates.length ? rhoText(state.rate).replace("/", " over ") : "none");
    this.opacity.input.value = state.opacity;
    put(this.opacity.output, `${state.opacity} %`);
    this.channel.value = state.channel;
    this.seed.value = state.seed;
    for (const button of this.part("gallery").children)
      tell(button, "aria-pressed", String(button.dataset.key === state.pair));
  }

  move(change) {
    Object.assign(this.state, change);
    this.syncControls();
    this.request();
    this.settle();
  }

  settle() {
    clearTimeout(this.settling);
    this.untold = true;
    this.settling = setTimeout(() => this.report(), SETTLE_MS);
  }

  report() {
    if (this.closed) return;
    this.untold = false;
    this.emit({ ...this.state, version: this.version });
  }

  async buildGallery() {
    const { gallery } = this.data,
      strip = this.part("gallery");
    this.galleryKey = gallery ? gallery.sheet : "";
    strip.hidden = !gallery;
    if (!gallery) {
      strip.replaceChildren();
      return;
    }
    const sheet = await decode(gallery.sheet);
    strip.replaceChildren(
      ...gallery.items.map((item, index) => {
        const canvas = make("canvas", { width: gallery.size, height: gallery.size, "aria-hidden": "true" });
        canvas
          .getContext("2d")
          .drawImage(sheet, 0, index * gallery.size, gallery.size, gallery.size, 0, 0, gallery.size, gallery.size);
        const button = make(
          "button",
          { type: "button", title: item.title, "aria-label": item.title, onclick: () => this.move({ pair: item.key }) },
          canvas,
        );
        button.dataset.key = item.key;
        button.setAttribute("aria-pressed", String(item.key === this.state.pair));
        return button;
      }),
    );
  }

  // ---- asking for frames ----------------------------------------------------------------------------------------

  request() {
    this.root.dataset.current = "false";
    this.moved ??= performance.now();
    if (this.busy) {
      this.dirty = true;
      return;
    }
    this.ask();
  }

  async ask() {
    this.busy = true;
    this.dirty = false;
    this.sequence += 1;
    const expected = this.sequence,
      asked = performance.now(),
      began = this.moved ?? asked;
    this.moved = null;
    const late = setTimeout(() => this.root.classList.add("pending"), PENDING_MS);
    let again = 0;
    try {
      const response = await fetch(`${this.data.base}/wzroi/${this.route}?${this.query()}`, { cache: "no-store" });
      const body = await response.json();
      if (this.closed) return;
      if (body.error) {
        this.fail(body.error);
        if (body.retry) again = RETRY_MS;
      } else if (body.seq === expected) {
        const sheet = await decode(body.sheet);
        if (!this.closed) this.show(body, sheet);
        const done = performance.now();
        this.log.push([done - began, body.milliseconds, body.seq, done - asked]);
        if (this.log.length > LOGGED) this.log.shift();
      }
    } catch {
      this.fail(
        "The explorer does not respond and will be asked again shortly. If it was stopped, start it and reload the page.",
      );
      again = 3 * RETRY_MS;
    } finally {
      clearTimeout(late);
      this.root.classList.remove("pending");
      this.busy = false;
      if (!this.answered) requestAnimationFrame(() => this.report()); // what lies below the pictures is drawn next
      this.answered = true;
    }
    if (this.closed) return;
    if (this.dirty) this.ask();
    else if (again)
      setTimeout(() => {
        if (!this.busy && !this.closed) this.ask();
      }, again);
  }

  fail(text) {
    const box = this.part("message");
    box.textContent = text;
    box.hidden = false;
    this.root.classList.add("failed");
  }

  // ---- showing a frame ------------------------------------------------------------------------------------------

  show(frame, sheet) {
    this.part("message").hidden = true;
    this.root.classList.remove("failed");
    this.frame = frame;
    this.sheet = sheet;
    this.showFrame(frame);
    this.frames += 1;
    this.root.dataset.frames = this.frames;
    this.root.dataset.ask = JSON.stringify(frame.ask);
    this.root.dataset.current = String(this.isCurrent(frame.ask));
  }

  draw(canvas, tile) {
    const { width, height } = this.frame;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.drawImage(this.sheet, 0, tile * height, width, height, 0, 0, width, height);
  }

  // A box with a picture and, where wanted, an ROI layer over it; the canvases stay, frames are drawn into them.
  picture(label, layered) {
    const canvas = make("canvas", { role: "img", "aria-label": label });
    const box = make("div", { class: "picture" }, canvas);
    box.canvas = canvas;
    if (layered) {
      box.layer = make("canvas", { class: "layer", "aria-hidden": "true" });
      box.append(box.layer);
    }
    return box;
  }

  // A picture that most frames do not change: drawn again where its key is another.
  paintStill(canvas, tile, key) {
    if (canvas.shown === key) return;
    canvas.shown = key;
    this.draw(canvas, tile);
  }

  paint(box, tile, layer) {
    this.draw(box.canvas, tile);
    if (box.layer) this.draw(box.layer, layer);
  }

  classes(judged) {
    const list = make("ul", { class: "classes", "aria-label": `Class probabilities of ${judged}` });
    for (let row = 0; row < TOP; row += 1)
      list.append(make("li", {}, make("i", {}), make("span", {}), make("span", {})));
    return make("div", {}, make("p", { class: "verdict" }), list);
  }

  fillClasses(box, probabilities, label) {
    const [verdict, list] = box.children;
    list.hidden = !probabilities;
    if (!probabilities) {
      verdict.textContent = "No judge in the zoo: not classified.";
      return;
    }
    const order = probabilities.map((value, index) => [value, index]).sort((a, b) => b[0] - a[0]);
    [...list.children].forEach((row, place) => {
      const [value, index] = order[place];
      row.className = index === label ? "truth" : "";
      row.children[0].style.width = `${(100 * value).toFixed(1)}%`;
      put(row.children[1], this.data.classes[index]);
      put(row.children[2], percent(value));
    });
    const right = order[0][1] === label;
    verdict.hidden = label === null;
    put(verdict, right ? "✓ classified correctly" : `✗ wrong: it is ${article(this.data.classes[label ?? 0])}`);
  }

  close() {
    this.closed = true;
    clearTimeout(this.settling);
  }
}
