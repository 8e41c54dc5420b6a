// @ts-check
/**
 * Which colour a layer has: the base grey, then the palette in the order of the others, then the palette again hatched.
 * The colours themselves stand in theme.css; here are only the names of their classes.
 */
const COLOURS = 7;

/** @param {{base: boolean}[]} layers @returns {string[]} a class list for each layer */
export function layerClasses(layers) {
  let next = 0;
  return layers.map((layer) => {
    if (layer.base) return "pl-layer pl-layer-base";
    const turn = next++;
    return `pl-layer pl-layer-${turn % COLOURS}${turn >= COLOURS ? " pl-hatched" : ""}`;
  });
}
