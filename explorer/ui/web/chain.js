// The signal chain with the present shapes: what is sent above, what the receiver holds and makes of it below.

const product = (...sizes) => sizes.join("×");

// Shapes of a frame's networks: c maps at 1/4 resolution, N filters, of the first of the paper's networks; windows and
// coefficients of a flexible one.
const shapesOf = (frame, shapes) => {
  const { height, width, cards } = frame;
  const quarter = product(Math.ceil(height / 4), Math.ceil(width / 4));
  const half = product(2 * Math.ceil(height / 4), 2 * Math.ceil(width / 4));
  const own = shapes[(cards.find((card) => !card.flexible) ?? cards[0])?.model];
  return { image: product(3, height, width), map: product(1, height, width), quarter, half, ...own };
};

const sentSteps = (frame, data, shape) => {
  const { ask, height, width, cards, judge } = frame,
    values = 3 * height * width;
  const symbols = cards.length ? cards[0].symbols : 0;
  const rate = symbols ? `ρ = k/n = ${ratioText(values, symbols)}` : "";
  const windows = shape.window ? Math.ceil(height / shape.window) * Math.ceil(width / shape.window) : 0;
  const flexible = `${windows > 1 ? `${windows} windows × ` : ""}${shape.values} values in order of importance`;
  return [
    ["Camera", `x: ${shape.image} = ${thousands(values)} values`],
    [
      "Encoder (eq. 1)",
      shape.maps ? `${product(shape.maps, shape.quarter)} real maps` : windows ? flexible : "convolutions, GDN",
    ],
    ["Symbols (eqs. 2, 3)", symbols ? `k = ${thousands(symbols)} complex, ${rate}` : "no variant chosen"],
    ["Channel", `${data.channel_names[ask.channel]}, SNR ${ask.snr_db.toFixed(1)} dB`, "air"],
    ["Decoder (eq. 4)", `estimate of x: ${shape.image}`],
    ["Judge (eq. 5)", judge ? `${judge}: ${data.classes.length} classes` : "none in the zoo"],
  ];
};

const heldSteps = (frame, shape) => {
  const flexible = frame.cards.some((card) => card.flexible),
    paper = frame.cards.filter((card) => !card.flexible);
  const sided = paper.some((card) => card.side),
    guided = paper.some((card) => card.guidance !== "none");
  const mapped = flexible || paper.some((card) => card.guidance === "roi");
  if (!sided && !guided && !flexible) return [];
  const steps = [["Known to the receiver", `x_side: ${shape.image}`]];
  if (sided)
    steps.push(["Same encoder", `${product(shape.width, shape.half)} and ${product(shape.maps, shape.quarter)} maps`]);
  if (mapped) steps.push(["Grad-CAM (eqs. 6, 7)", `ROI map M: ${shape.map}, ${frame.ask.roi}`]);
  if (guided) {
    const scale = product(shape.width, shape.quarter),
      finer = product((sided ? 2 : 1) * shape.width, shape.half);
    steps.push(["SFT (eq. 8)", `γ, β: ${scale} and ${finer}`]);
  }
  if (flexible) {
    const place =
      frame.pair_source === "crop" && frame.height === 32 && frame.width === 32
        ? "known to both ends"
        : "found by matching";
    steps.push(["Flex: alignment", `x_side moved to its place, ${place}`]);
  }
  return [
    ...steps,
    ["Decoder", sided || guided ? "combines and modulates features" : "copies from it and refines", "end"],
  ];
};

const chainOf = (frame, data) => {
  const shape = shapesOf(frame, data.shapes);
  return { sent: sentSteps(frame, data, shape), held: heldSteps(frame, shape) };
};
