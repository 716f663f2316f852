/** Keys that work wherever nothing is typed. */

const TYPING = "input:not([type=range], [type=radio]), textarea, select";
const PRESSABLE = "a, button, input, summary, select, textarea";

/**
 * Listen for the keys of `actions`: `"b"`, `"["`, `"Escape"`, `"Control+z"`, `"Control+Shift+z"`, ...
 * On a Mac, Control is the Command key as well. Enter is left to what it presses anyway.
 *
 * @param {Record<string, () => void>} actions
 */
export function listen(actions) {
  document.addEventListener("keydown", (event) => {
    const action = actions[chord(event)];
    if (!action || event.target.closest(TYPING)) return;
    if (event.key === "Enter" && event.target.closest(PRESSABLE)) return;
    event.preventDefault();
    action();
  });
}

function chord(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  // Many keyboards type brackets with AltGr, which Windows reports as Control and Alt.
  if (event.getModifierState("AltGraph") || "[]".includes(key)) return key;
  const shift = event.shiftKey ? "Shift+" : "";
  return (event.ctrlKey || event.metaKey ? "Control+" : "") + shift + key;
}
