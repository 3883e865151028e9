// The live part of the Region of interest page: one network with the map of every origin, and one painted by hand.

const roiMetricsOf = (data) => [
  ...metricsOf(data),
  ["vs zeros", "gain", 2, " dB"],
  ["error in M", "inside", 1, " %"],
  ["outside M", "outside", 1, " %"],
];
const PAINTED = "painted";

class RoiBench extends Live {
  get route() {
    return "roi";
  }

  begin(data) {
    return { ...data.view, ...data.roi.state, overlay: true };
  }

  chosen() {
    return this.data.roi.networks.find((one) => one.id === this.state.network) ?? this.data.roi.networks[0];
  }

  rates() {
    return falling(Object.keys(this.chosen().names));
  }

  model() {
    return this.chosen().names[this.state.rate];
  }

  query() {
    const { pair, snr, channel, seed, grid, rate } = this.state;
    return new URLSearchParams({
      pair,
      models: this.model(),
      snr,
      channel,
      seed,
      rate,
      roi: `${PAINTED}:${grid}`,
      seq: this.sequence,
      quiet: 1,
    }).toString();
  }

  isCurrent(ask) {
    const { pair, snr, channel, seed, grid, rate } = this.state;
    return (
      ask.rate === rate &&
      ask.pair === pair &&
      ask.snr_db === snr &&
      ask.channel === channel &&
      ask.seed === seed &&
      ask.roi === `${PAINTED}:${grid}` &&
      ask.models.join() === this.model()
    );
  }

  buildControls() {
    this.catalogueKey = JSON.stringify(this.data.catalogue);
    const { tips, roi } = this.data;
    this.part("sliders").replaceChildren(...this.coreSliders());
    this.part("options").replaceChildren(
      this.choice(
        "network",
        "Network",
        Object.fromEntries(roi.networks.map((one) => [one.id, one.title])),
        tips.variants,
      ),
      this.choice("channel", "Channel", this.data.channels, tips.channel),
      this.seedField(),
    );
    this.part("help").replaceChildren(this.explain());
    this.buildPainter();
  }

  buildPainter() {
    this.painter = new Painter(this.part("grid"), this.data.roi_colours, (grid) => this.move({ grid }));
    const brush = make(
      "select",
      {
        id: "wz-brush",
        onchange: () => {
          this.painter.brush = Number(brush.value);
        },
      },
      ...STRENGTHS.map((name, level) => make("option", { value: level, selected: level === this.painter.brush }, name)),
    );
    const button = (name, act) => make("button", { type: "button", onclick: act }, name);
    this.part("brushes").replaceChildren(
      make("div", { class: "field" }, make("label", { for: "wz-brush" }, "Brush"), brush),
      make(
        "div",
        { class: "inline wrap" },
        button("Clear", () => this.painter.fill(0)),
        button("Fill", () => this.painter.fill(3)),
        button("Start from the side map", () => {
          if (this.frame) this.move({ grid: this.frame.side_grid });
        }),
      ),
      make("p", { class: "note" }, this.data.roi.hint),
    );
  }

  syncControls() {
    this.syncCore();
    this.network.value = this.chosen().id;
    if (this.painter.text !== this.state.grid) this.painter.set(this.state.grid);
  }

  paintToggles() {
    for (const layer of this.root.querySelectorAll(".layer")) layer.style.opacity = this.state.opacity / 100;
  }

  showFrame(frame) {
    this.showCaption(frame);
    this.draw(this.painter.back, 1);
    this.showCards(frame);
    this.showLegend(frame);
    this.paintToggles();
  }

  showCaption(frame) {
    const { ask, cards } = frame;
    this.part("caption").replaceChildren(
      make("b", {}, frame.title),
      ` · ${cards[0].title} · ${ask.snr_db.toFixed(1)} dB · ` +
        `ρ ${ratioText(3 * frame.height * frame.width, cards[0].symbols)} · ${this.data.channel_names[ask.channel]} · seed ${ask.seed} · ` +
        `computed in ${frame.milliseconds.toFixed(0)} ms on ${this.data.hardware}`,
    );
  }

  makeCard({ origin }) {
    const [name, note] = (this.data.roi.origins[origin] ?? origin).split(": ");
    const overlay = this.picture(`x with the map of origin ${origin}`, true),
      picture = this.picture(`Reconstruction with the map of origin ${origin}`, false);
    const error = this.picture(`Error map, origin ${origin}`, false),
      change = this.picture(`Change of the error from zeros, origin ${origin}`, false);
    const part = (text, box) => make("div", {}, make("span", { class: "under" }, text), box);
    const values = Object.fromEntries(roiMetricsOf(this.data).map(([, key]) => [key, make("dd", {})])),
      classes = this.classes(`origin ${origin}`);
    const node = make(
      "article",
      { class: `card${this.data.roi.controls.includes(origin) ? " control" : ""}` },
      make("h2", {}, name, make("small", {}, note ?? "")),
      make(
        "div",
        { class: "four" },
        part("map M on x", overlay),
        part("reconstruction", picture),
        part("error", error),
        part("change", change),
      ),
      make("dl", {}, ...roiMetricsOf(this.data).flatMap(([text, key]) => [make("dt", {}, text), values[key]])),
      classes,
    );
    node.dataset.origin = origin;
    return { node, overlay, picture, error, change, values, classes };
  }

  fillCard(view, card, label) {
    this.draw(view.overlay.canvas, 0);
    this.draw(view.overlay.layer, card.layer);
    for (const key of ["picture", "error", "change"]) this.draw(view[key].canvas, card[key]);
    for (const [, key, digits, unit, scale = 1] of roiMetricsOf(this.data)) {
      const value = card[key],
        factor = ["inside", "outside"].includes(key) ? 100 : scale,
        sign = ["gain", "inside", "outside"].includes(key) && value > 0 ? "+" : "";
      view.values[key].textContent = value === null ? "–" : sign + fixed(factor * value, digits) + unit;
    }
    this.fillClasses(view.classes, card.probabilities, label);
  }

  showCards(frame) {
    const key = frame.cards.map((card) => card.origin).join();
    if (key !== this.cardsKey) {
      this.cardsKey = key;
      this.views = frame.cards.map((card) => this.makeCard(card));
      this.part("cards").replaceChildren(...this.views.map((view) => view.node));
      if (frame.label === null)
        this.part("cards").append(
          make(
            "p",
            { class: "note" },
            "This picture has no true class, so the label oracle (source+label) is not available.",
          ),
        );
    }
    for (const [place, card] of frame.cards.entries()) this.fillCard(this.views[place], card, frame.label);
  }

  showLegend() {
    if (this.legend) return;
    this.legend = true;
    const { error_scale: error, roi } = this.data,
      levels = (value) => Math.round(255 * value);
    this.part("legend").replaceChildren(
      make(
        "span",
        {},
        "Change of the error from zeros: less, -",
        String(levels(roi.change_scale)),
        bar(roi.change_colours),
        `+${levels(roi.change_scale)} grey levels, more`,
      ),
      make("span", {}, "Error: 0", bar(this.data.error_colours), `${levels(error)} grey levels`),
      make("span", {}, "Map M: 0", bar(this.data.roi_colours), "1"),
    );
  }
}

export default function roi({ data, parentElement, setStateValue }) {
  parentElement.bench ??= new RoiBench(parentElement);
  parentElement.bench.closed = false;
  parentElement.bench.update(data, (view) => setStateValue("view", view));
  return () => parentElement.bench?.close();
}
