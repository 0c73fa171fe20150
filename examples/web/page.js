// The large view of one photograph: it opens on the full picture, and shows all versions in the same place.

const articles = [...document.querySelectorAll("article")];
const dialog = document.querySelector("dialog");
const stage = document.getElementById("stage");
const choices = document.getElementById("choices");

const FULL = 0;

let index; // of the photograph that is shown
let opened; // the index of the one that the view was opened with
let compared; // the version that a click on the full picture leads to

/** The versions of a photograph as they stand on the page: first in few bytes, then in more, then the hashes. */
function versionsOf(article) {
  return [".small", ".large", ":not(.small, .large)"].flatMap((size) => [
    ...article.querySelectorAll(`.frame > ${size}`),
  ]);
}

/** A version without the class by which the page shows it or not. */
function copyOf(version) {
  const copy = version.cloneNode();
  copy.removeAttribute("class");
  return copy;
}

/** An element that shows the smallest version at once, and then the full picture. */
function fullPicture(article) {
  const link = article.querySelector("a");
  const full = copyOf(article.querySelector("tgs-image"));
  full.setAttribute("full", link.href);
  Object.assign(full.dataset, { name: "Photograph", size: link.dataset.size });
  return full;
}

function choiceOf({ dataset }, i) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "version", value: i });
  const name = Object.assign(document.createElement("span"), { textContent: dataset.name });
  name.append(Object.assign(document.createElement("small"), { textContent: dataset.size }));
  label.append(input, name);
  return label;
}

function showPhotograph(i) {
  index = (i + articles.length) % articles.length;
  const article = articles[index];
  const versions = [fullPicture(article), ...versionsOf(article).map(copyOf)];
  document.getElementById("title").textContent = article.querySelector("h2").textContent;
  document.getElementById("place").textContent = `${index + 1} of ${articles.length}`;
  dialog.style.cssText = article.style.cssText;
  stage.replaceChildren(...versions);
  choices.replaceChildren(choices.firstElementChild, ...versions.map(choiceOf));
  showVersion(FULL);
}

function showVersion(i) {
  if (i !== FULL) compared = i;
  [...stage.children].forEach((version, j) => version.classList.toggle("shown", i === j));
  const input = choices.querySelectorAll("input")[i];
  input.checked = true;
  return input;
}

for (const [i, article] of articles.entries()) {
  article.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // to open the picture in a tab of its own
    const pictures = event.target.closest(".frame")?.querySelectorAll(":scope > *") ?? [];
    if (!pictures.length && !event.target.closest("a")) return;
    event.preventDefault();
    // What has been clicked is what the full picture is compared with.
    const clicked = [...pictures].find((version) => getComputedStyle(version).visibility === "visible");
    compared = 1 + Math.max(0, versionsOf(article).indexOf(clicked));
    opened = i;
    showPhotograph(i);
    dialog.showModal();
    choices.querySelector("input").focus();
  });
}

choices.addEventListener("change", ({ target }) => showVersion(Number(target.value)));
stage.addEventListener("click", () => {
  const isFull = stage.children[FULL].classList.contains("shown");
  showVersion(isFull ? compared : FULL).focus(); // from where the arrow keys go on
});
document.getElementById("previous").addEventListener("click", () => showPhotograph(index - 1));
document.getElementById("next").addEventListener("click", () => showPhotograph(index + 1));

dialog.addEventListener("keydown", (event) => {
  const step = { PageUp: -1, PageDown: 1 }[event.key];
  if (!step) return;
  event.preventDefault();
  showPhotograph(index + step);
  choices.querySelector("input").focus();
});

// A click beside everything closes the view.
dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
dialog.addEventListener("close", () => {
  stage.replaceChildren();
  // The browser itself goes back to where the view was opened.
  if (index !== opened) articles[index].querySelector("a").focus();
});
