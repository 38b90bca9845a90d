(() => {
  const root = document.documentElement;
  const verdicts = [...document.querySelectorAll(".verdict")];
  const search = document.getElementById("search");
  const area = document.getElementById("area");
  const toggles = [...document.querySelectorAll("nav button[data-status], nav button[data-level]")];
  const empty = document.querySelector(".empty");

  const pressed = (kind) =>
    toggles.filter((toggle) => toggle.dataset[kind] && toggle.getAttribute("aria-pressed") === "true").map((toggle) => toggle.dataset[kind]);

  const show = () => {
    const statuses = pressed("status");
    const levels = pressed("level");
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let seen = 0;
    for (const verdict of verdicts) {
      const text = verdict.querySelector("summary").textContent.toLowerCase();
      const fits =
        (!statuses.length || statuses.includes(verdict.dataset.status)) &&
        (!levels.length || levels.includes(verdict.dataset.level)) &&
        (!area.value || verdict.dataset.area === area.value) &&
        words.every((word) => text.includes(word));
      verdict.hidden = !fits;
      seen += fits;
    }
    empty.hidden = seen > 0;
  };

  for (const toggle of toggles) {
    toggle.addEventListener("click", () => {
      toggle.setAttribute("aria-pressed", String(toggle.getAttribute("aria-pressed") !== "true"));
      show();
    });
  }
  search.addEventListener("input", show);
  area.addEventListener("change", show);

  const open = () => {
    const verdict = document.getElementById(location.hash.slice(1));
    if (verdict?.classList.contains("verdict")) {
      if (verdict.hidden) {
        toggles.forEach((toggle) => toggle.setAttribute("aria-pressed", "false"));
        search.value = area.value = "";
        show();
      }
      verdict.open = true;
      verdict.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  open();

  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("pre");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
    });
  }

  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  document.querySelector("nav").hidden = false;
  document.getElementById("theme").hidden = false;
})();
