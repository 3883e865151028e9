// A coarse grid of four strengths over x_side: painted with the pointer, or with the arrow keys, Space and 0 to 3.

const CELLS = 8;
const STRENGTHS = ["nothing", "a third", "two thirds", "full"];

class Painter {
  constructor(box, colours, changed) {
    this.colours = colours;
    this.changed = changed;
    this.levels = Array(CELLS * CELLS).fill(0);
    this.brush = 3;
    this.build(box);
  }

  get text() {
    return this.levels.join("");
  }

  build(box) {
    this.back = make("canvas", { "aria-hidden": "true" });
    this.cells = this.levels.map((_, place) => {
      const cell = make("div", { role: "gridcell", tabIndex: place ? -1 : 0 });
      cell.dataset.place = place;
      return cell;
    });
    const rows = Array.from({ length: CELLS }, (_, row) =>
      make("div", { role: "row" }, ...this.cells.slice(row * CELLS, (row + 1) * CELLS)),
    );
    this.grid = make(
      "div",
      {
        role: "grid",
        "aria-label": "Painted map over x_side, 8 by 8 cells; arrow keys move, Space paints, 0 to 3 set the strength",
        onkeydown: (event) => this.key(event),
        onpointerdown: (event) => this.down(event),
        onpointermove: (event) => this.drag(event),
      },
      ...rows,
    );
    box.replaceChildren(make("div", { class: "canvas" }, this.back, this.grid));
    this.show();
  }

  // Another grid, as text; not reported.
  set(text) {
    this.levels = [...text].map(Number);
    this.show();
  }

  fill(level) {
    this.set(String(level).repeat(CELLS * CELLS));
    this.changed(this.text);
  }

  show() {
    this.cells.forEach((cell, place) => {
      const level = this.levels[place];
      cell.style.background = level
        ? `color-mix(in srgb, ${this.colours[Math.round((level * (this.colours.length - 1)) / 3)]} ${35 + 15 * level}%, transparent)`
        : "";
      cell.setAttribute(
        "aria-label",
        `row ${Math.floor(place / CELLS) + 1}, column ${(place % CELLS) + 1}: ${STRENGTHS[level]}`,
      );
      cell.textContent = level || "";
    });
  }

  paint(place, level) {
    if (this.levels[place] === level) return;
    this.levels[place] = level;
    this.show();
    this.changed(this.text);
  }

  key(event) {
    const place = Number(event.target.dataset.place),
      row = Math.floor(place / CELLS),
      column = place % CELLS;
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (steps[event.key])
      this.focus(
        clamp(row + steps[event.key][0], 0, CELLS - 1) * CELLS + clamp(column + steps[event.key][1], 0, CELLS - 1),
      );
    else if (event.key === " " || event.key === "Enter")
      this.paint(place, this.levels[place] === this.brush ? 0 : this.brush);
    else if (/^[0-3]$/.test(event.key)) this.paint(place, Number(event.key));
    else if (event.key === "Delete" || event.key === "Backspace") this.paint(place, 0);
    else return;
    event.preventDefault();
  }

  focus(place) {
    this.cells.forEach((cell, index) => {
      cell.tabIndex = index === place ? 0 : -1;
    });
    this.cells[place].focus();
  }

  // Where a pointer is, also when it was pressed on another cell and moved here.
  under(event) {
    const box = this.grid.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * CELLS),
      column = Math.floor(((event.clientX - box.left) / box.width) * CELLS);
    return row < 0 || column < 0 || row >= CELLS || column >= CELLS ? null : row * CELLS + column;
  }

  down(event) {
    const place = this.under(event);
    if (place === null || event.button) return;
    this.stroke = this.levels[place] === this.brush ? 0 : this.brush;
    this.paint(place, this.stroke);
  }

  drag(event) {
    if (!(event.buttons & 1) || this.stroke === undefined) return;
    const place = this.under(event);
    if (place !== null) this.paint(place, this.stroke);
  }
}
