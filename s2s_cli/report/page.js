"use strict";
// Attention: the word of a translation that is pointed at, or has the focus, shades the words of the
// source by its weights ("place:percent place:percent").
for (const example of document.querySelectorAll(".attentive")) {
  const source = [...example.querySelectorAll(".source .word")];
  const message = example.querySelector(".looking");

  const clear = () => {
    for (const word of source) word.style.removeProperty("--weight");
    for (const word of example.querySelectorAll(".looked")) word.classList.remove("looked");
    message.textContent = "";
  };

  const show = (word) => {
    clear();
    word.classList.add("looked");
    const weights = word.dataset.weights.split(" ").filter(Boolean).map((each) => each.split(":").map(Number))
      .filter(([place]) => place < source.length);
    for (const [place, percent] of weights) source[place].style.setProperty("--weight", `${percent}%`);
    const named = weights.sort((one, other) => other[1] - one[1]).slice(0, 4)
      .map(([place, percent]) => `${source[place].textContent} ${percent} %`);
    message.textContent = `${word.textContent} ← ${named.join(", ") || "no word by as much as 1 %"}`;
  };

  const attending = (event) => event.target.closest("[data-weights]");
  const showFocused = () => {
    const word = document.activeElement.closest("[data-weights]");
    if (word && example.contains(word)) show(word); else clear();
  };
  example.addEventListener("mouseover", (event) => {
    const word = attending(event);
    if (word) show(word); else showFocused();
  });
  example.addEventListener("mouseleave", showFocused);
  example.addEventListener("focusin", showFocused);
  example.addEventListener("focusout", clear);

  // One stop of the Tab key for each translation; arrow keys go from word to word.
  for (const text of example.querySelectorAll("dd")) {
    const words = [...text.querySelectorAll("[data-weights]")];
    words.forEach((word, place) => { word.tabIndex = place ? -1 : 0; });
    text.addEventListener("keydown", (event) => {
      const place = words.indexOf(document.activeElement);
      const forward = getComputedStyle(text).direction === "rtl" ? -1 : 1;
      const steps = { ArrowRight: forward, ArrowLeft: -forward, Home: -words.length, End: words.length };
      if (place < 0 || !(event.key in steps) || event.ctrlKey || event.altKey || event.metaKey) return;
      const next = words[Math.min(Math.max(place + steps[event.key], 0), words.length - 1)];
      words[place].tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      event.preventDefault();
    });
  }
}
