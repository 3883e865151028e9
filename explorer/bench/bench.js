// The live part of the Compare page: controls, pictures and numbers of one frame at a time.
// A moved control asks the server's stateless frame route; one request is under way at a time, the newest setting is
// asked next. Pictures and numbers of a frame are drawn together, after its pictures are decoded, so that a number
// never stands beside a picture of another setting; the caption tells the frame's own setting.

const PENDING_MS = 150;   // an answer that takes longer is shown as pending
const SETTLE_MS = 350;    // after the last movement the setting goes into the page's address
const RETRY_MS = 700;
const LOGGED = 2000;
const TOP = 3;           // classes shown of ten
const METRICS = [["PSNR", "psnr", 2, " dB"], ["SSIM", "ssim", 3, ""], ["ROI-PSNR", "roi_psnr", 2, " dB"]];
const STAGES = { rec: "Trained to reconstruct (rec)", task: "Trained for the judge too (task)" };

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
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const fixed = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits));
const percent = (value) => `${(100 * value).toFixed(0)} %`;
// A rate is 1/rho as text, "16" or "96/5"; rho is shown as "1/16" or "5/96".
const rateParts = (rate) => rate.split("/").map(Number);
const rateValue = (rate) => { const [over, under = 1] = rateParts(rate); return over / under; };
const rhoText = (rate) => { const [over, under = 1] = rateParts(rate); return `${under}/${over}`; };
const divisor = (a, b) => (b ? divisor(b, a % b) : a);
// rho as it was sent: in 96ths where that is exact, else (a picture that was padded) as one over a number.
const ratioText = (values, symbols) => {
  const maps = (96 * symbols) / values, common = Number.isInteger(maps) ? divisor(96, maps) : 0;
  return common ? `${maps / common}/${96 / common}` : `1/${Number((values / symbols).toPrecision(3))}`;
};
const thousands = (value) => value.toLocaleString("en-US");

class Bench {
  constructor(root) {
    this.root = root.querySelector(".bench");
    this.root.live = this; // for measurements
    this.tour = new Tour(root);
    this.part = (name) => this.root.querySelector(`.${name}`);
    this.version = null;
    this.sequence = 0;
    this.busy = false;
    this.dirty = false;
    this.frames = 0;
    this.log = [];           // of each frame: ms from movement to picture, ms of them computing, sequence number, ms from request to picture
    this.closed = false;
  }

  // The page was run (again): adopt what it says; the visitor's own setting wins unless the page gives a new version.
  update(data, emit) {
    this.data = data;
    this.emit = emit;
    const first = this.version === null;
    const moved = first || data.version !== this.version;
    if (first) this.state = { ...data.view };
    else if (moved) this.state.pair = data.view.pair;
    this.version = data.version;
    if (first || this.catalogueKey !== JSON.stringify(data.catalogue)) this.buildControls();
    if (first || this.galleryKey !== (data.gallery ? data.gallery.sheet : "")) this.buildGallery();
    if (moved) { this.syncControls(); this.request(); }
    if ((moved && !first) || this.untold) this.settle(); // a rerun must not swallow a report that was due
  }

  variants() { return this.data.catalogue.filter((variant) => this.state.variants.includes(variant.id)); }

  rates() {
    const all = new Set();
    for (const variant of this.variants()) for (const rate of Object.keys(variant.names)) all.add(rate);
    return [...all].sort((a, b) => rateValue(b) - rateValue(a));
  }

  models() { return this.variants().map((variant) => variant.names[this.state.rate]).filter(Boolean); }

  // ---- controls -------------------------------------------------------------------------------------------------

  slider(name, label, min, max, step, tip, onInput) {
    const id = `wz-${name}`;
    const input = make("input", { type: "range", id, min, max, step, title: tip, "aria-label": label, "aria-describedby": `${id}-tip`, oninput: onInput });
    input.addEventListener("change", () => this.settle());
    const output = make("output", { for: id });
    const field = make("div", { class: "field" },
      make("div", { class: "row" }, make("label", { for: id, title: tip }, label), output), input, tipOf(tip, id));
    this[name] = { input, output, field };
    return field;
  }

  choice(name, label, options, tip) {
    const id = `wz-${name}`;
    const select = make("select", { id, title: tip, onchange: () => this.move({ [name]: select.value }) },
      ...Object.entries(options).map(([value, text]) => make("option", { value }, text)));
    this[name] = select;
    select.setAttribute("aria-describedby", `${id}-tip`);
    return make("div", { class: "field" }, make("label", { for: id, title: tip }, label), select, tipOf(tip, id));
  }

  check(name, label, tip) {
    const input = make("input", { type: "checkbox", onchange: () => { this.state[name] = input.checked; this.paintToggles(); this.settle(); } });
    this[name] = input;
    return make("label", { class: "chip", title: tip }, input, label);
  }

  group(label, tip, ...chips) {
    const id = `wz-${label.replace(/\W+/g, "-")}`;
    return make("div", { class: "group" }, make("span", { class: "name", title: tip }, label),
      make("div", { class: "chips", role: "group", "aria-label": label, "aria-describedby": `${id}-tip` }, ...chips), tipOf(tip, id));
  }

  variantGroups() {
    const groups = new Map();
    this.chips = [];
    for (const variant of this.data.catalogue) {
      const name = `${STAGES[variant.stage] ?? variant.stage}${variant.tier === "paper" ? ", paper size" : ""}${variant.oracle ? ", oracle ROI" : ""}`;
      const input = make("input", { type: "checkbox", value: variant.id, "aria-label": variant.title, onchange: () => this.toggleVariant(variant.id, input.checked) });
      const chip = make("label", { class: "chip", title: `${variant.title}: ${this.data.tips.variants}` }, input, split(variant.title)[0].replace("DeepJSCC-", ""));
      this.chips.push(input);
      groups.set(name, [...(groups.get(name) ?? [this.data.tips[variant.stage] ?? this.data.tips.variants]), chip]);
    }
    return [...groups].map(([name, chips]) => this.group(name, ...chips));
  }

  buildControls() {
    this.catalogueKey = JSON.stringify(this.data.catalogue);
    const { snr_range: [low, high], tips } = this.data;
    const seed = make("input", { class: "number", type: "number", id: "wz-seed", "aria-describedby": "wz-seed-tip", min: 0, max: this.data.max_seed, step: 1, title: tips.seed,
      onchange: () => this.move({ seed: clamp(Math.round(Number(seed.value)) || 0, 0, this.data.max_seed) }) });
    this.seed = seed;
    const draw = make("button", { type: "button", onclick: () => this.move({ seed: (this.state.seed + 1) % this.data.max_seed }) }, "Draw again");
    this.part("sliders").replaceChildren(
      this.slider("snr", "SNR", low, high, 0.5, tips.snr, () => this.move({ snr: Number(this.snr.input.value) })),
      this.slider("rate", "Bandwidth ratio", 0, 1, 1, tips.rate, () => this.move({ rate: this.rates()[Number(this.rate.input.value)] })),
      this.slider("opacity", "ROI opacity", 0, 100, 1, tips.opacity, () => {
        this.state.opacity = Number(this.opacity.input.value);
        this.state.overlay = true; // who moves it wants to see it
        this.syncControls();
        this.paintToggles();
        this.settle();
      }));
    this.part("options").replaceChildren(
      ...this.variantGroups(),
      this.group("Show", `${tips.opacity} ${tips.errors}`, this.check("overlay", "ROI overlay", tips.opacity), this.check("errors", "Error maps", tips.errors)),
      this.choice("channel", "Channel", this.data.channels, tips.channel),
      this.choice("roi", "ROI origin", this.data.origins, tips.roi),
      make("div", { class: "field" }, make("label", { for: "wz-seed", title: tips.seed }, "Noise seed"), make("div", { class: "inline" }, seed, draw), tipOf(tips.seed, "wz-seed")));
    this.buildHelp();
    this.part("more").open = this.root.clientWidth > 560;
  }

  // What explains the page: the tour again, and every control's tip in the open (a mouse finds them by hovering).
  buildHelp() {
    const explain = make("input", { type: "checkbox", onchange: () => this.root.classList.toggle("explain", explain.checked) });
    const again = make("button", { type: "button", onclick: () => this.tour.open(true) }, "Tour: half a minute");
    this.tour.opener = again;
    this.part("help").replaceChildren(again, make("label", { class: "chip" }, explain, "Explain the controls"), tipOf(this.data.tips.pair, "wz-pair"));
  }

  toggleVariant(id, on) {
    const chosen = new Set(this.state.variants);
    if (on) chosen.add(id); else chosen.delete(id);
    if (chosen.size > this.data.max_variants) { this.syncControls(); return; }
    this.state.variants = this.data.catalogue.map((variant) => variant.id).filter((name) => chosen.has(name));
    this.move({});
  }

  syncControls() {
    const state = this.state, rates = this.rates();
    if (rates.length && !rates.includes(state.rate)) {
      const distance = (rate) => Math.abs(1 / rateValue(rate) - 1 / rateValue(state.rate));
      state.rate = rates.reduce((best, rate) => distance(rate) < distance(best) ? rate : best);
    }
    this.snr.input.value = state.snr;
    this.snr.output.textContent = `${state.snr.toFixed(1)} dB`;
    this.snr.input.setAttribute("aria-valuetext", `${state.snr.toFixed(1)} decibel`);
    this.rate.input.max = Math.max(rates.length - 1, 0);
    this.rate.input.disabled = rates.length < 2;
    this.rate.input.value = Math.max(rates.indexOf(state.rate), 0);
    this.rate.output.textContent = rates.length ? rhoText(state.rate) : "–";
    this.rate.input.setAttribute("aria-valuetext", rates.length ? rhoText(state.rate).replace("/", " over ") : "none");
    this.opacity.input.value = state.opacity;
    this.opacity.output.textContent = `${state.opacity} %`;
    this.channel.value = state.channel;
    this.roi.value = state.roi;
    this.seed.value = state.seed;
    this.overlay.checked = state.overlay;
    this.errors.checked = state.errors;
    for (const chip of this.chips) chip.checked = state.variants.includes(chip.value);
    for (const button of this.part("gallery").children) button.setAttribute("aria-pressed", String(button.dataset.key === state.pair));
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
    this.settling = setTimeout(() => {
      if (this.closed) return;
      this.untold = false;
      this.emit({ ...this.state, version: this.version });
    }, SETTLE_MS);
  }

  async buildGallery() {
    const { gallery } = this.data, strip = this.part("gallery");
    this.galleryKey = gallery ? gallery.sheet : "";
    strip.hidden = !gallery;
    if (!gallery) { strip.replaceChildren(); return; }
    const sheet = await decode(gallery.sheet);
    strip.replaceChildren(...gallery.items.map((item, index) => {
      const canvas = make("canvas", { width: gallery.size, height: gallery.size, "aria-hidden": "true" });
      canvas.getContext("2d").drawImage(sheet, 0, index * gallery.size, gallery.size, gallery.size, 0, 0, gallery.size, gallery.size);
      const button = make("button", { type: "button", title: item.title, "aria-label": item.title, onclick: () => this.move({ pair: item.key }) }, canvas);
      button.dataset.key = item.key;
      button.setAttribute("aria-pressed", String(item.key === this.state.pair));
      return button;
    }));
  }

  // ---- asking for frames ----------------------------------------------------------------------------------------

  query() {
    const { pair, snr, channel, roi, seed, rate } = this.state;
    return new URLSearchParams({ pair, models: this.models().join(","), snr, channel, roi, seed, rate, seq: this.sequence, quiet: 1 }).toString();
  }

  isCurrent(ask) {
    const { pair, snr, channel, roi, seed, rate } = this.state;
    return ask.rate === rate && ask.pair === pair && ask.snr_db === snr && ask.channel === channel && ask.roi === roi && ask.seed === seed
      && ask.models.join() === this.models().join();
  }

  request() {
    this.root.dataset.current = "false";
    this.moved ??= performance.now();
    if (this.busy) { this.dirty = true; return; }
    this.ask();
  }

  async ask() {
    this.busy = true;
    this.dirty = false;
    this.sequence += 1;
    const expected = this.sequence, asked = performance.now(), began = this.moved ?? asked;
    this.moved = null;
    const late = setTimeout(() => this.root.classList.add("pending"), PENDING_MS);
    let again = 0;
    try {
      const response = await fetch(`${this.data.base}/wzroi/frame?${this.query()}`, { cache: "no-store" });
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
      this.fail("The explorer does not answer. It is asked again every moment; if it was stopped, start it and reload the page.");
      again = 3 * RETRY_MS;
    } finally {
      clearTimeout(late);
      this.root.classList.remove("pending");
      this.busy = false;
    }
    if (this.closed) return;
    if (this.dirty) this.ask();
    else if (again) setTimeout(() => { if (!this.busy && !this.closed) this.ask(); }, again);
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
    this.showChain(frame);
    this.showCaption(frame);
    this.showGiven(frame);
    this.showCards(frame);
    this.showReveal(frame);
    this.showLegend(frame);
    this.paintToggles();
    this.frames += 1;
    this.root.dataset.frames = this.frames;
    this.root.dataset.ask = JSON.stringify(frame.ask);
    this.root.dataset.current = String(this.isCurrent(frame.ask));
  }

  draw(canvas, tile) {
    const { width, height } = this.frame;
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.drawImage(this.sheet, 0, tile * height, width, height, 0, 0, width, height);
  }

  showChain(frame) {
    const steps = chainOf(frame, this.data), key = JSON.stringify(steps);
    if (key === this.chainKey) return;
    this.chainKey = key;
    const items = (list) => list.map(([name, text, kind]) => make("li", { class: kind ?? "" }, make("b", {}, name), make("span", {}, text)));
    const sent = this.part("chain"), held = this.part("held");
    sent.replaceChildren(...items(steps.sent));
    held.replaceChildren(...items(steps.held));
    held.hidden = !steps.held.length;
  }

  showCaption(frame) {
    const { ask, cards } = frame;
    const rate = cards.length ? ratioText(3 * frame.height * frame.width, cards[0].symbols) : "–";
    this.part("caption").replaceChildren(
      make("b", {}, frame.title), ` · ${ask.snr_db.toFixed(1)} dB · ρ ${rate} · ${this.data.channel_names[ask.channel]} · `
      + `ROI: ${ask.roi} · seed ${ask.seed} · computed in ${frame.milliseconds.toFixed(0)} ms on ${this.data.hardware}`);
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

  paint(box, tile, layer) {
    this.draw(box.canvas, tile);
    if (box.layer) this.draw(box.layer, layer);
  }

  classes(judged) {
    const list = make("ul", { class: "classes", "aria-label": `Class probabilities of ${judged}` });
    for (let row = 0; row < TOP; row += 1) list.append(make("li", {}, make("i", {}), make("span", {}), make("span", {})));
    return make("div", {}, make("p", { class: "verdict" }), list);
  }

  fillClasses(box, probabilities, label) {
    const [verdict, list] = box.children;
    list.hidden = !probabilities;
    if (!probabilities) { verdict.textContent = "No judge in the zoo: not classified."; return; }
    const order = probabilities.map((value, index) => [value, index]).sort((a, b) => b[0] - a[0]);
    [...list.children].forEach((row, place) => {
      const [value, index] = order[place];
      row.className = index === label ? "truth" : "";
      row.children[0].style.width = `${(100 * value).toFixed(1)}%`;
      row.children[1].textContent = this.data.classes[index];
      row.children[2].textContent = percent(value);
    });
    const right = order[0][1] === label;
    verdict.hidden = label === null;
    verdict.textContent = right ? "✓ classified correctly" : `✗ wrong: it is ${article(this.data.classes[label ?? 0])}`;
  }

  showGiven(frame) {
    if (!this.given) {
      this.given = {};
      for (const [key, name, note, label] of [["clean", "Sent: x", "what the camera sees", "The source image x"], ["side", "Known: x_side", "", "The side image, with the ROI map over it"]]) {
        const box = this.picture(label, true), small = make("small", {}, note), classes = this.classes(name);
        const node = make("article", { class: "card" }, make("h3", {}, name, small), box, classes);
        if (key === "side") classes.before(make("p", { class: "note" }, "Side-only control: the judge on x_side, nothing sent."));
        this.given[key] = { box, small, classes };
        this.part("given").append(node);
      }
    }
    const { clean, side } = this.given;
    this.paint(clean.box, 0, 3);
    this.paint(side.box, 1, 2);
    side.small.textContent = frame.pair_source === "crop" ? "a moved crop, 39 % of x" : "the other camera";
    this.fillClasses(clean.classes, frame.clean, frame.label);
    this.fillClasses(side.classes, frame.side_only, frame.label);
  }

  makeCard(card, control) {
    const [name, note] = control ? [card.title, "control: nothing learned"] : split(card.title);
    const box = this.picture(`Reconstruction by ${card.title}`, true), classes = this.classes(card.title);
    const values = Object.fromEntries(METRICS.map(([, key]) => [key, make("dd", {})]));
    const error = this.picture(`Error map of ${card.title}`, false);
    const node = make("article", { class: `card${control ? " control" : ""}` },
      make("h3", {}, name, make("small", {}, note)), box,
      make("dl", {}, ...METRICS.flatMap(([text, key]) => [make("dt", {}, text), values[key]])), classes,
      make("div", { class: "fault" }, make("span", {}, "Error map"), error));
    node.dataset.model = control ? "paste" : card.model;
    return { node, box, values, classes, error };
  }

  fillCard(view, card, best, label) {
    this.paint(view.box, card.picture, 3);
    this.paint(view.error, card.error);
    for (const [, key, digits, unit] of METRICS) {
      const value = card[key], top = value !== null && value === best[key];
      view.values[key].textContent = value === null ? "–" : fixed(value, digits) + unit;
      view.values[key].className = top ? "best" : "";
      view.values[key].title = top ? "best of the chosen variants" : "";
    }
    this.fillClasses(view.classes, card.probabilities, label);
  }

  showCards(frame) {
    const best = {};
    for (const [, key] of METRICS) {
      const values = frame.cards.map((card) => card[key]).filter((value) => value !== null);
      best[key] = values.length > 1 ? Math.max(...values) : null;
    }
    const all = [...frame.cards.map((card) => [card, false]), ...(frame.paste ? [[frame.paste, true]] : [])];
    const rate = frame.ask.rate, lacking = this.variants().filter((variant) => !variant.names[rate]);
    const key = JSON.stringify([all.map(([card]) => [card.model, card.title]), lacking.map((variant) => variant.id), rate]);
    if (key !== this.cardsKey) {
      this.cardsKey = key;
      this.views = all.map(([card, control]) => this.makeCard(card, control));
      const notes = lacking.map((variant) => [variant, make("article", { class: "card" }, make("h3", {}, variant.title),
        make("p", { class: "note" }, `Not in the zoo at ${rhoText(rate)}: it has ${Object.keys(variant.names).map(rhoText).join(", ")}.`))]);
      const empty = frame.cards.length ? [] : [make("p", { class: "note" }, "Choose at least one variant above.")];
      this.part("cards").replaceChildren(...this.inOrder(notes, rate), ...empty);
    }
    all.forEach(([card, control], index) => this.fillCard(this.views[index], card, control ? {} : best, frame.label));
  }

  // Cards and the notes that stand for what is lacking, each variant in its place whatever the rate; then the control.
  inOrder(notes, rate) {
    const place = (node) => this.data.catalogue.findIndex((variant) => variant.names[rate] === node.dataset.model);
    const cards = this.views.map(({ node }) => [node.dataset.model === "paste" ? Infinity : place(node), node]);
    const rest = notes.map(([variant, node]) => [this.data.catalogue.indexOf(variant), node]);
    return [...cards, ...rest].sort((a, b) => a[0] - b[0]).map(([, node]) => node);
  }

  showReveal(frame) {
    const options = [["x", 0], ...frame.cards.map((card) => [card.title, card.picture])];
    if (frame.paste) options.push([frame.paste.title, frame.paste.picture]);
    const key = options.map(([title]) => title).join("|");
    if (this.revealKey !== key) {
      this.revealKey = key;
      this.buildReveal(options);
    }
    this.revealTiles = Object.fromEntries(options);
    this.paintReveal();
  }

  buildReveal(options) {
    const last = options[options.length - (options.length > 2 ? 2 : 1)][0];
    const pick = (label, chosen) => make("select", { "aria-label": label, onchange: () => this.paintReveal() },
      ...options.map(([title]) => make("option", { value: title, selected: title === chosen }, title)));
    this.left = pick("Left picture", options[Math.min(1, options.length - 1)][0]);
    this.right = pick("Right picture", last);
    const under = make("canvas", { role: "img", "aria-label": "Left picture" });
    const over = make("canvas", { class: "over", role: "img", "aria-label": "Right picture" });
    const frame = make("div", { class: "frame" }, under, over, make("div", { class: "edge" }));
    const cut = make("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "Reveal", oninput: () => frame.style.setProperty("--cut", `${cut.value}%`) });
    cut.style.width = "100%";
    this.under = under;
    this.over = over;
    const open = this.part("reveal").querySelector("details")?.open ?? false;
    this.part("reveal").replaceChildren(make("details", { open, ontoggle: () => this.paintReveal() },
      make("summary", {}, "Two pictures under one slider"),
      make("div", { class: "two" }, make("div", {}, frame, cut),
        make("div", { class: "field" }, make("span", { class: "name" }, "Left of the edge"), this.left, make("span", { class: "name" }, "Right of the edge"), this.right))));
  }

  paintReveal() {
    if (!this.part("reveal").querySelector("details")?.open || !this.frame) return;
    this.draw(this.under, this.revealTiles[this.left.value] ?? 0);
    this.draw(this.over, this.revealTiles[this.right.value] ?? 0);
  }

  showLegend(frame) {
    const bar = (colours) => { const node = make("i", {}); node.style.background = `linear-gradient(90deg, ${colours.join(", ")})`; return node; };
    const place = frame.pair_source === "crop" && ["side", "shuffled"].includes(frame.ask.roi)
      ? " (a map of x_side; over x and the reconstructions it is moved back to where the crop came from)" : "";
    if (place === this.legendKey) return;
    this.legendKey = place;
    this.part("legend").replaceChildren(
      make("span", {}, "Error: 0", bar(this.data.error_colours), `${Math.round(255 * this.data.error_scale)} grey levels, one scale for all`),
      make("span", {}, "ROI map M: 0", bar(this.data.roi_colours), `1${place}`));
  }

  paintToggles() {
    for (const layer of this.root.querySelectorAll(".layer")) {
      layer.hidden = !this.state.overlay;
      layer.style.opacity = this.state.opacity / 100;
    }
    for (const fault of this.root.querySelectorAll(".fault")) fault.hidden = !this.state.errors;
  }

  close() { this.closed = true; clearTimeout(this.settling); this.tour.stop(); }
}

const tipOf = (text, id) => make("small", { class: "tip", id: `${id}-tip` }, text);

const article = (name) => (/^[aeiou]/.test(name) ? `an ${name}` : `a ${name}`);

// "DeepJSCC-WZ (rec)" -> ["DeepJSCC-WZ", "rec"]
const split = (title) => {
  const match = /^(.*?) \((.*)\)$/.exec(title);
  return match ? [match[1], match[2]] : [title, ""];
};

const decode = async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return createImageBitmap(new Blob([bytes], { type: "image/png" }));
};

export default function bench({ data, parentElement, setStateValue }) {
  parentElement.bench ??= new Bench(parentElement);
  parentElement.bench.closed = false;
  parentElement.bench.update(data, (view) => setStateValue("view", view));
  return () => parentElement.bench?.close();
}
