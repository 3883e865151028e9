// The first visit's tour: half a minute, a step at a time, never in the way; remembered when it is closed.

const TOUR_KEY = "wzroi-tour";
const TOUR = [
  [
    "gallery",
    "Choose a picture x",
    "The camera sends it (eq. 1). Your own picture and the test set are in the row above.",
  ],
  [
    "sliders",
    "Drag the SNR",
    "The pictures change while you drag. With more noise they blur but do not break down (eq. 2).",
  ],
  [
    "chain",
    "Few symbols",
    "The bandwidth ratio sets the number of symbols per picture (eq. 3); the shapes along the chain are shown here.",
  ],
  [
    "given",
    "What the receiver knows",
    "x_side: a shifted part of x, or the other camera's view. It helps the decoder (eq. 4).",
  ],
  [
    "cards",
    "Four decoders",
    "From the symbols alone to x_side, SFT layers (eq. 8) and the ROI map M. ★ is best; dashed is a control.",
  ],
  [
    "more",
    "Explore further",
    "Other networks, fading channels, and the origin of M (eqs. 6, 7). The other pages continue with this picture.",
  ],
];

class Tour {
  constructor(root) {
    this.box = root.querySelector(".tour");
    this.bench = root.querySelector(".bench");
    this.place = 0;
    this.onKey = (event) => this.key(event);
    this.build();
  }

  // On the first visit.
  greet() {
    if (!this.remembered()) this.open();
  }

  remembered() {
    try {
      return localStorage.getItem(TOUR_KEY) !== null;
    } catch {
      return true;
    } // no memory: never in the way
  }

  build() {
    this.title = make("h2", { id: "wz-tour-title" });
    this.text = make("p", {});
    this.count = make("span", { class: "count" });
    this.back = make("button", { type: "button", onclick: () => this.go(-1) }, "Back");
    this.next = make("button", { type: "button", class: "first", onclick: () => this.go(1) });
    this.skip = make(
      "button",
      { type: "button", class: "plain", "aria-label": "Close the tour", onclick: () => this.close() },
      "✕",
    );
    this.box.replaceChildren(
      this.skip,
      make("div", { "aria-live": "polite" }, this.title, this.text),
      make("div", { class: "row" }, this.count, this.back, this.next),
    );
  }

  open(byHand = false) {
    this.place = 0;
    this.box.hidden = false;
    document.addEventListener("keydown", this.onKey);
    this.show(byHand);
    if (byHand) this.next.focus();
  }

  close() {
    this.mark(null);
    this.stop();
    try {
      localStorage.setItem(TOUR_KEY, "seen");
    } catch {
      /* not remembered, then */
    }
    if (this.opener) this.opener.focus();
  }

  // Take it away without remembering: the page was left.
  stop() {
    this.box.hidden = true;
    document.removeEventListener("keydown", this.onKey);
  }

  go(way) {
    this.place += way;
    if (this.place >= TOUR.length) this.close();
    else this.show(true);
  }

  key(event) {
    if (event.key === "Escape") {
      this.close();
      return;
    }
    if (!event.composedPath().includes(this.box)) return; // arrow keys elsewhere move sliders
    if (event.key === "ArrowRight") this.go(1);
    if (event.key === "ArrowLeft" && this.place > 0) this.go(-1);
  }

  show(scroll) {
    const [part, title, text] = TOUR[this.place];
    this.title.textContent = title;
    this.text.textContent = text;
    this.count.textContent = `${this.place + 1} of ${TOUR.length}`;
    this.back.hidden = this.place === 0;
    this.next.textContent = this.place + 1 === TOUR.length ? "Done" : "Next";
    this.mark(this.bench.querySelector(`.${part}`), scroll);
  }

  mark(node, scroll) {
    this.marked?.classList.remove("toured");
    this.marked = node;
    if (!node) return;
    node.classList.add("toured");
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (scroll) node.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
  }
}
