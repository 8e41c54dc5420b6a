// @ts-check
/** Pitches as people call them: 60 is C4. */

const SHARPS = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];

/** C♯4 for 61. @param {number} pitch */
export function pitchName(pitch) {
  return `${SHARPS[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
}

/** Whether its key is a black one. @param {number} pitch */
export function isBlack(pitch) {
  return SHARPS[pitch % 12].length > 1;
}
