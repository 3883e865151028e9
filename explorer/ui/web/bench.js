// The live part of the Compare page, and of the Side information page: there with controls that perturb x_side.

const STAGES = { rec: "Trained for reconstruction (rec)", task: "Trained for the task as well (task)" };

class Bench extends Live {
  constructor(root) {
    super(root);
    this.tour = new Tour(root);
    this.reveal = new Reveal(this);
    this.table = new Table(this);
  }

  begin(data) {
    if (!data.crop) this.tour.greet();
    return { ...data.view, ...data.crop?.state };
  }

  variants() {
    return this.data.catalogue.filter((variant) => this.state.variants.includes(variant.id));
  }

  rates() {
    const all = new Set();
    for (const variant of this.variants()) for (const rate of Object.keys(variant.names)) all.add(rate);
    return falling(all);
  }

  models() {
    return this.variants()
      .map((variant) => variant.names[this.state.rate])
      .filter(Boolean);
  }

  query() {
    const { snr, channel, roi, seed, rate } = this.state;
    return new URLSearchParams({
      pair: this.pairKey(),
      models: this.models().join(","),
      snr,
      channel,
      roi,
      seed,
      rate,
      seq: this.sequence,
      quiet: 1,
    }).toString();
  }

  isCurrent(ask) {
    const { snr, channel, roi, seed, rate } = this.state;
    return (
      ask.rate === rate &&
      ask.pair === this.pairKey() &&
      ask.snr_db === snr &&
      ask.channel === channel &&
      ask.roi === roi &&
      ask.seed === seed &&
      ask.models.join() === this.models().join()
    );
  }

  // The pair's name, and what is done to its side image where that is something.
  pairKey() {
    const { crop } = this.data,
      { state } = this;
    if (!crop) return state.pair;
    const changed = Object.keys(crop.rest).filter((key) => state[key] !== crop.rest[key]);
    return changed.length ? `${state.pair}#${changed.map((key) => `${key}=${state[key]}`).join(",")}` : state.pair;
  }

  variantGroups() {
    const groups = new Map();
    this.chips = [];
    for (const variant of this.data.catalogue) {
      const name = `${STAGES[variant.stage] ?? variant.stage}${variant.tier === "paper" ? ", paper size" : ""}${variant.oracle ? ", oracle ROI" : ""}`;
      const input = make("input", {
        type: "checkbox",
        value: variant.id,
        "aria-label": variant.title,
        onchange: () => this.toggleVariant(variant.id, input.checked),
      });
      const chip = make(
        "label",
        { class: "chip", title: `${variant.title}: ${this.data.tips.variants}` },
        input,
        split(variant.title)[0].replace("DeepJSCC-", ""),
      );
      this.chips.push(input);
      groups.set(name, [...(groups.get(name) ?? [this.data.tips[variant.stage] ?? this.data.tips.variants]), chip]);
    }
    return [...groups].map(([name, chips]) => this.group(name, ...chips));
  }

  buildControls() {
    this.catalogueKey = JSON.stringify(this.data.catalogue);
    const { tips } = this.data;
    this.part("sliders").replaceChildren(...this.coreSliders());
    this.part("options").replaceChildren(
      ...this.variantGroups(),
      this.group(
        "Show",
        `${tips.opacity} ${tips.errors}`,
        this.check("overlay", "ROI overlay", tips.opacity),
        this.check("errors", "Error maps", tips.errors),
      ),
      this.choice("channel", "Channel", this.data.channels, tips.channel),
      this.choice("roi", "ROI origin", this.data.origins, tips.roi),
      this.seedField(),
    );
    this.buildHelp();
    this.buildCrop();
    this.part("more").open = this.root.clientWidth > 560 && !this.data.crop;
  }

  // The controls of what is done to the side image.
  buildCrop() {
    const { crop } = this.data,
      box = this.part("crop");
    box.hidden = !crop;
    for (const name of ["chain", "held", "numbers"]) this.part(name).classList.toggle("off", Boolean(crop));
    if (!crop) return;
    const removed = make("input", {
      type: "checkbox",
      onchange: () => this.move({ removed: removed.checked ? 1 : 0 }),
    });
    this.removed = removed;
    const button = (name, values) => make("button", { type: "button", onclick: () => this.move(values) }, name);
    box.replaceChildren(
      ...crop.parameters.map(({ key, label, low, high, step, tip }) =>
        this.slider(key, label, low, high, step, tip, () => this.move({ [key]: Number(this[key].input.value) })),
      ),
      this.choice("other", "Swap with", crop.others, crop.tips.other),
      make(
        "div",
        { class: "inline wide" },
        make("label", { class: "chip", title: crop.tips.removed }, removed, "Remove"),
        ...crop.presets.map(({ name, values }) => button(name, { ...crop.rest, ...values })),
      ),
    );
  }

  syncCrop() {
    const { crop } = this.data,
      { state } = this;
    if (!crop) return;
    for (const { key, digits, unit } of crop.parameters) {
      const text = `${state[key].toFixed(digits)}${unit}`;
      this[key].input.value = state[key];
      this[key].input.disabled = Boolean(state.removed);
      this[key].output.textContent = text;
      this[key].input.setAttribute("aria-valuetext", text);
    }
    this.other.value = state.other;
    this.other.disabled = Boolean(state.removed);
    this.removed.checked = Boolean(state.removed);
  }

  // What explains the page: the tour again, and every control's tip in the open (a mouse finds them by hovering).
  buildHelp() {
    const again = make("button", { type: "button", onclick: () => this.tour.open(true) }, "Tour (half a minute)");
    this.tour.opener = again;
    this.part("help").replaceChildren(again, this.explain(), tipOf(this.data.tips.pair, "wz-pair"));
  }

  toggleVariant(id, on) {
    const chosen = new Set(this.state.variants);
    if (on) chosen.add(id);
    else chosen.delete(id);
    if (chosen.size > this.data.max_variants) {
      this.syncControls();
      return;
    }
    this.state.variants = this.data.catalogue.map((variant) => variant.id).filter((name) => chosen.has(name));
    this.move({});
  }

  syncControls() {
    const { state } = this;
    this.syncCore();
    this.roi.value = state.roi;
    this.overlay.checked = state.overlay;
    this.errors.checked = state.errors;
    this.syncCrop();
    for (const chip of this.chips) chip.checked = state.variants.includes(chip.value);
  }

  // ---- showing a frame ------------------------------------------------------------------------------------------

  // What the pictures of the pair and of the ROI map depend on: while SNR is dragged they stay as they are.
  get keys() {
    const { ask, judge, width, height } = this.frame,
      pairKey = `${ask.pair} ${width}x${height}`;
    return {
      pairKey,
      mapKey: `${pairKey} ${judge} ${ask.roi} ${this.data.random_origins.includes(ask.roi) ? ask.seed : ""}`,
    };
  }

  showFrame(frame) {
    this.showChain(frame);
    this.showCaption(frame);
    this.showGiven(frame);
    this.showCards(frame);
    this.reveal.show(frame);
    this.table.later(frame);
    this.showLegend(frame);
    this.paintToggles();
  }

  showChain(frame) {
    const steps = chainOf(frame, this.data),
      key = JSON.stringify(steps);
    if (key === this.chainKey) return;
    this.chainKey = key;
    const items = (list) =>
      list.map(([name, text, kind]) => make("li", { class: kind ?? "" }, make("b", {}, name), make("span", {}, text)));
    const sent = this.part("chain"),
      held = this.part("held");
    sent.replaceChildren(...items(steps.sent));
    held.replaceChildren(...items(steps.held));
    held.hidden = !steps.held.length;
  }

  showCaption(frame) {
    const { ask, cards } = frame;
    const rate = cards.length ? ratioText(3 * frame.height * frame.width, cards[0].symbols) : "–";
    this.part("caption").replaceChildren(
      make("b", {}, frame.title),
      ` · ${ask.snr_db.toFixed(1)} dB · ρ ${rate} · ${this.data.channel_names[ask.channel]} · ` +
        `ROI: ${ask.roi} · seed ${ask.seed} · computed in ${frame.milliseconds.toFixed(0)} ms on ${this.data.hardware}`,
    );
  }

  showGiven(frame) {
    if (!this.given) {
      this.given = {};
      for (const [key, name, note, label] of [
        ["clean", "Sent: x", "the camera's image", "The source image x"],
        ["side", "Known: x_side", "", "The side image with the ROI map"],
      ]) {
        const box = this.picture(label, true),
          small = make("small", {}, note),
          classes = this.classes(name);
        const node = make("article", { class: "card" }, make("h2", {}, name, small), box, classes);
        if (key === "side")
          classes.before(make("p", { class: "note" }, "Side-only control: the judge on x_side, nothing sent."));
        this.given[key] = { box, small, classes };
        this.part("given").append(node);
      }
    }
    const { clean, side } = this.given,
      { pairKey, mapKey } = this.keys;
    this.paintStill(clean.box.canvas, 0, pairKey);
    this.paintStill(side.box.canvas, 1, pairKey);
    this.paintStill(clean.box.layer, 3, mapKey);
    this.paintStill(side.box.layer, 2, mapKey);
    side.small.textContent = frame.ask.pair.includes("#")
      ? "perturbed"
      : frame.pair_source === "crop"
        ? "a moved crop, 39 % of x"
        : "the other camera";
    this.fillClasses(clean.classes, frame.clean, frame.label);
    this.fillClasses(side.classes, frame.side_only, frame.label);
  }

  makeCard(card, control) {
    const [name, note] = control ? [card.title, "control: learns nothing"] : split(card.title);
    const box = this.picture(`Reconstruction by ${card.title}`, true),
      classes = this.classes(card.title);
    const values = Object.fromEntries(metricsOf(this.data).map(([, key]) => [key, make("dd", {})]));
    const error = this.picture(`Error map of ${card.title}`, false),
      small = make("small", {}, note);
    const node = make(
      "article",
      { class: `card${control ? " control" : ""}` },
      make("h2", {}, name, small),
      box,
      make("dl", {}, ...metricsOf(this.data).flatMap(([text, key]) => [make("dt", {}, text), values[key]])),
      classes,
      make("div", { class: "fault" }, make("span", {}, "Error map"), error),
    );
    node.dataset.model = control ? "paste" : card.model;
    const oracle =
      !control &&
      this.data.catalogue.some((variant) => variant.oracle && Object.values(variant.names).includes(card.model));
    return { node, box, values, classes, error, small, note, oracle };
  }

  fillCard(view, card, best, label) {
    this.draw(view.box.canvas, card.picture);
    this.paintStill(view.box.layer, 3, this.keys.mapKey);
    view.errorTile = card.error;
    put(
      view.small,
      view.oracle && this.frame.ask.roi !== "source+label" ? `${view.note}: not trained on this map` : view.note,
    );
    for (const [, key, digits, unit, scale] of metricsOf(this.data)) {
      const value = card[key],
        top = value !== null && value === best[key];
      put(view.values[key], value === null ? "–" : fixed(scale * value, digits) + unit);
      view.values[key].className = top ? "best" : "";
      view.values[key].title = top ? "best of the chosen variants" : "";
    }
    this.fillClasses(view.classes, card.probabilities, label);
  }

  showCards(frame) {
    const best = {};
    for (const [, key, , , , higher] of metricsOf(this.data)) {
      const values = frame.cards.map((card) => card[key]).filter((value) => value !== null);
      best[key] = values.length > 1 ? bestOf(values, higher) : null;
    }
    const all = [...frame.cards.map((card) => [card, false]), ...(frame.paste ? [[frame.paste, true]] : [])];
    const rate = frame.ask.rate,
      lacking = this.variants().filter((variant) => !variant.names[rate]);
    const key = JSON.stringify([
      all.map(([card]) => [card.model, card.title]),
      lacking.map((variant) => variant.id),
      rate,
    ]);
    if (key !== this.cardsKey) {
      this.cardsKey = key;
      this.views = all.map(([card, control]) => this.makeCard(card, control));
      const notes = lacking.map((variant) => [
        variant,
        make(
          "article",
          { class: "card" },
          make("h2", {}, variant.title),
          make(
            "p",
            { class: "note" },
            `Not in the zoo at ${rhoText(rate)}; available: ${Object.keys(variant.names).map(rhoText).join(", ")}.`,
          ),
        ),
      ]);
      const empty = frame.cards.length ? [] : [make("p", { class: "note" }, "Choose at least one variant above.")];
      this.part("cards").replaceChildren(...this.inOrder(notes, rate), ...empty);
    }
    for (const [index, [card, control]] of all.entries())
      this.fillCard(this.views[index], card, control ? {} : best, frame.label);
  }

  // Cards and the notes that stand for what is lacking, each variant in its place whatever the rate; then the control.
  inOrder(notes, rate) {
    const place = (node) => this.data.catalogue.findIndex((variant) => variant.names[rate] === node.dataset.model);
    const cards = this.views.map(({ node }) => [node.dataset.model === "paste" ? Infinity : place(node), node]);
    const rest = notes.map(([variant, node]) => [this.data.catalogue.indexOf(variant), node]);
    return [...cards, ...rest].sort((a, b) => a[0] - b[0]).map(([, node]) => node);
  }

  showLegend(frame) {
    const place =
      frame.pair_source === "crop" && this.data.origin_frames[frame.ask.roi] === "side"
        ? " (a map of x_side; on x and the reconstructions it is moved to where the crop came from)"
        : "";
    if (place === this.legendKey) return;
    this.legendKey = place;
    this.part("legend").replaceChildren(
      make(
        "span",
        {},
        "Error: 0",
        bar(this.data.error_colours),
        `${Math.round(255 * this.data.error_scale)} grey levels, one scale for all pictures`,
      ),
      make("span", {}, "ROI map M: 0", bar(this.data.roi_colours), `1${place}`),
    );
  }

  paintToggles() {
    for (const layer of this.root.querySelectorAll(".layer")) {
      layer.hidden = !this.state.overlay;
      layer.style.opacity = this.state.opacity / 100;
    }
    for (const fault of this.root.querySelectorAll(".fault")) fault.hidden = !this.state.errors;
    if (!this.state.errors || !this.sheet) return;
    for (const view of this.views ?? []) this.paintStill(view.error.canvas, view.errorTile, this.frames);
  }

  close() {
    super.close();
    this.tour.stop();
    this.table.stop();
  }
}

export default function bench({ data, parentElement, setStateValue }) {
  parentElement.bench ??= new Bench(parentElement);
  parentElement.bench.closed = false;
  parentElement.bench.update(data, (view) => setStateValue("view", view));
  return () => parentElement.bench?.close();
}
